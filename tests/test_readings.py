"""Several pictures in one request: each is read or refused on its own, and together they take a limited share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from app.inference.reader import Reader
from app.web import readings
from support import HOSTILE, assert_problem, drawing, encode, flat


def sent(client, pictures: list[bytes], path: str = "/predict/batch", **options):
    return client.post(path, files=[("files", ("picture", picture)) for picture in pictures], **options)


def test_each_of_64_pictures_is_answered_in_order_as_alone(client, digits):
    pngs = [encode(digit) for digit in digits[::7][:64]]
    broken = [HOSTILE[name][0] for name in ("cut header", "cut png", "cut jpeg", "empty", "white", "text")]
    pngs[3:3] = [encode(drawing(digits[350])), *broken, flat(255, (28, 28)), encode(drawing(digits[120]))]
    answer = sent(client, pngs, "/predict/batch?frame=true")
    assert answer.status_code == 200
    for png, result in zip(pngs, answer.json()["results"], strict=True):
        alone = client.post("/predict?frame=true", files={"file": png}).json()
        if "error" in result:
            alone |= {"instance": "/predict/batch", "request_id": answer.headers["x-request-id"]}
        assert result.get("error", result) == alone


def test_a_batch_is_a_form_of_at_most_256_pictures(client, seven):
    picture = encode(seven)
    assert [result["digit"] for result in sent(client, [picture] * 256).json()["results"]] == [7] * 256
    answer = sent(client, [picture] * 257)
    assert_problem(answer, 422, "too-many-pictures", "/predict/batch")
    assert answer.json()["detail"] == "The request has more than 256 pictures: send the rest in another request."
    for wrong in ({"content": picture}, {"files": {"file": picture}}):
        answer = client.post("/predict/batch", **wrong)
        assert_problem(answer, 422, "no-file", "/predict/batch")
        assert "curl" in answer.json()["detail"]


def test_a_batch_has_at_most_16_small_pictures_and_one_large_one_read_at_once(client, digits):
    pictures = [encode(digit) for digit in digits[:40]] + [encode(drawing(digit)) for digit in digits[:8]]
    registry, most = client.app_state["service"].metrics.registry, {"small": 0, "large": 0}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sent, client, pictures)
        while not answer.done():
            for queue, before in most.items():
                most[queue] = max(before, registry.get_sample_value("digits_queue_depth", {"queue": queue}))
    assert all(result["digit"] == 0 for result in answer.result().json()["results"])
    assert 0 < most["small"] <= 16
    assert most["large"] == 1


def test_pictures_that_wait_too_long_for_each_other_are_refused(client, digits, monkeypatch):
    read_large = Reader.read_large

    async def slow(*given, **options):
        await asyncio.sleep(0.8)
        return await read_large(*given, **options)

    monkeypatch.setattr(Reader, "read_large", slow)
    monkeypatch.setattr(readings, "SECONDS", 0.7)
    pictures = [encode(drawing(digits[0]))] * 2 + [encode(digits[0])] * 15  # 16 are read at once
    first, second, *others, last = sent(client, pictures).json()["results"]
    assert [result["digit"] for result in (first, *others)] == [0] * 15
    assert second["error"]["type"] == last["error"]["type"] == "/problems/overloaded"
