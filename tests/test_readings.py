"""Several pictures in one request: each is read or refused on its own, and together they take a limited share."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from app.inference.reader import Reader
from app.main import create_app
from app.settings import Settings
from app.web import open_inference, readings
from app.web.admission import Queue
from support import HOSTILE, assert_problem, drawing, encode, flat, letter, samples, serving

CUT = HOSTILE["cut png"][0]


def sent(client, pictures: list[bytes], path: str = "/predict/batch", **options):
    return client.post(path, files=[("files", ("picture", picture)) for picture in pictures], **options)


@pytest.fixture
def pngs(digits) -> list[bytes]:
    """64 MNIST digits of all classes."""
    return [encode(digit) for digit in digits[::7][:64]]


def test_a_broken_picture_among_64_does_not_affect_the_others(client, pngs):
    pngs[20] = CUT
    answer = sent(client, pngs)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert len(results) == 64
    problem = results.pop(20)["error"]
    assert (problem["type"], problem["status"], problem["instance"]) == (
        "/problems/corrupt-image",
        422,
        "/predict/batch",
    )
    assert problem["request_id"] == answer.headers["x-request-id"]
    del pngs[20]
    assert results == [client.post("/predict", content=png).json() for png in pngs]


def test_small_large_and_invalid_pictures_are_answered_in_order(client, digits):
    pictures = [
        encode(drawing(digits[350])),
        encode(digits[150]),
        b"text",
        b"",
        encode(drawing(digits[120])),
        flat(255),
        encode(digits[0]),
    ]
    results = sent(client, pictures).json()["results"]
    said = [
        result.get("digit", result.get("error", {}).get("type", "").removeprefix("/problems/")) for result in results
    ]
    assert said == [7, 3, "not-an-image", "empty-file", 2, "blank-image", 0]


def test_each_frame_is_returned_on_request(client, pngs):
    for result in sent(client, pngs[:3], "/predict/batch?frame=true").json()["results"]:
        assert result["frame"].startswith("data:image/png;base64,")
        assert result["box"]["height"] >= 19


def test_a_picture_below_min_legibility_is_refused_on_its_own(seven):
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        good, bad = sent(client, [encode(seven), encode(letter("A"))]).json()["results"]
    assert (good["digit"], bad["error"]["type"]) == (7, "/problems/not-a-digit")


def test_a_batch_has_at_most_256_pictures(client, seven):
    picture = encode(seven)
    assert [result["digit"] for result in sent(client, [picture] * 256).json()["results"]] == [7] * 256
    answer = sent(client, [picture] * 257)
    assert_problem(answer, 422, "too-many-pictures", "/predict/batch")
    assert answer.json()["detail"] == "The request has more than 256 pictures: send the rest in another request."


def test_a_body_that_is_no_form_with_pictures_is_a_problem(client, seven):
    assert_problem(client.post("/predict/batch", content=encode(seven)), 422, "no-file", "/predict/batch")
    answer = client.post("/predict/batch", files={"file": encode(seven)})
    assert_problem(answer, 422, "no-file", "/predict/batch")
    assert "-F files=@picture.png" in answer.json()["detail"]


def test_a_batch_has_the_size_limit_of_one_picture(pngs):
    with TestClient(create_app(Settings(max_upload_bytes=10_000))) as client:
        assert_problem(sent(client, pngs), 413, "upload-too-large", "/predict/batch")
        assert len(sent(client, pngs[:8]).json()["results"]) == 8


def test_a_batch_has_at_most_16_small_pictures_and_one_large_one_read_at_once(client, digits, monkeypatch):
    running, most = {"read_small": 0, "read_large": 0}, {}

    def counted(name: str):
        read = getattr(Reader, name)

        async def count(reader, *given):
            running[name] += 1
            most[name] = max(most.get(name, 0), running[name])
            await asyncio.sleep(0.001)
            reading = await read(reader, *given)
            running[name] -= 1
            return reading

        monkeypatch.setattr(Reader, name, count)

    counted("read_small")
    counted("read_large")
    pictures = [encode(digit) for digit in digits[:40]] + [encode(drawing(digit)) for digit in digits[:3]]
    assert all(result["digit"] == 0 for result in sent(client, pictures).json()["results"])
    assert most == {"read_small": 16, "read_large": 1}


def test_a_batch_that_would_wait_too_long_is_refused_as_a_whole(client, digits, monkeypatch):
    monkeypatch.setattr(Queue, "wait", 5.5)
    answer = sent(client, [encode(digits[0]), encode(drawing(digits[0]))])
    assert_problem(answer, 503, "overloaded", "/predict/batch")
    assert answer.headers["retry-after"] == "6"


def test_pictures_that_wait_too_long_are_refused(client, pngs, monkeypatch):
    monkeypatch.setattr(readings, "SECONDS", -1)
    for result in sent(client, pngs[:2]).json()["results"]:
        assert (result["error"]["type"], result["error"]["status"]) == ("/problems/overloaded", 503)


@pytest.mark.slow
def test_large_pictures_that_wait_too_long_for_each_other_are_refused(client, digits, monkeypatch):
    read_large = Reader.read_large

    async def slow(*given):
        await asyncio.sleep(1)
        return await read_large(*given)

    monkeypatch.setattr(Reader, "read_large", slow)
    monkeypatch.setattr(readings, "SECONDS", 0.9)
    first, second = sent(client, [encode(drawing(digits[0]))] * 2).json()["results"]
    assert (first["digit"], second["error"]["type"]) == (0, "/problems/overloaded")


def test_an_unexpected_error_affects_one_answer_and_is_logged(client, digits, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the secret")

    monkeypatch.setattr(Reader, "read_large", broken)
    with capture_logs() as lines:
        answer = sent(client, [encode(digits[0]), encode(drawing(digits[0]))])
    good, bad = answer.json()["results"]
    assert (good["digit"], bad["error"]["type"]) == (0, "/problems/internal-error")
    assert "secret" not in answer.text
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["request_id"], str(line["exc_info"])) == (answer.headers["x-request-id"], "the secret")


def test_each_picture_of_a_batch_is_counted(new_client, pngs):
    sent(new_client, [*pngs[:5], CUT, b"text"])
    found = samples(new_client)
    assert found["digits_requests_total", ("route", "/predict/batch"), ("status", "200")] == 1
    assert found["digits_rejected_total", ("reason", "corrupt-image")] == 1
    assert found["digits_rejected_total", ("reason", "not-an-image")] == 1
    assert found["digits_confidence_count",] == found["digits_batch_size_count",] == 5
    assert found["digits_queue_depth", ("queue", "small")] == found["digits_queue_depth", ("queue", "large")] == 0


@pytest.mark.slow
def test_other_requests_are_answered_while_batches_are_read(pngs, seven):
    picture, done = encode(seven), threading.Event()

    def send_batches(url: str) -> list[int]:
        statuses = []
        while not done.is_set():
            statuses.append(sent(httpx2, pngs * 4, f"{url}/predict/batch", timeout=30).status_code)
        return statuses

    with serving() as (_, url), ThreadPoolExecutor(2) as pool:
        batches = [pool.submit(send_batches, url) for _ in range(2)]
        try:
            answers = [httpx2.post(f"{url}/predict", content=picture) for _ in range(100)]
        finally:
            done.set()
        assert all(set(batch.result()) == {200} for batch in batches)
    assert [answer.status_code for answer in answers] == [200] * 100
    assert max(answer.elapsed.total_seconds() for answer in answers) < 1


@pytest.mark.parametrize("path", ["/predict", "/v2/models/digits/infer"])
def test_the_event_loop_runs_between_slow_requests_that_arrive_together(digits, path, monkeypatch):
    """Otherwise, a hundred slow headers would stop it for seconds."""
    monkeypatch.setattr("app.inference.batcher.SLOW_NANOSECONDS", -1)  # all requests are
    body = encode(digits[0])
    if path != "/predict":
        tensor = {"name": "pixels", "shape": [1, 784], "datatype": "FP32", "data": (digits[0].flatten() / 255).tolist()}
        body = json.dumps({"inputs": [tensor]}).encode()
    rounds, opened_in = 0, []

    def spied(parse):
        def note_and_parse(*given):
            opened_in.append(rounds)
            return parse(*given)

        return note_and_parse

    monkeypatch.setattr(Reader, "open_if_simple", spied(Reader.open_if_simple))
    monkeypatch.setattr(open_inference, "Inference", spied(open_inference.Inference))

    def tick() -> None:
        nonlocal rounds
        rounds += 1
        asyncio.get_running_loop().call_soon(tick)

    async def send_all() -> list[int]:
        app = create_app(Settings())
        async with app.router.lifespan_context(app) as state:

            async def started(scope, receive, send):
                await app({**scope, "state": {**state}}, receive, send)

            tick()
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(started), base_url="http://test") as client:
                return [
                    answer.status_code
                    for answer in await asyncio.gather(*(client.post(path, content=body) for _ in range(16)))
                ]

    assert asyncio.run(send_all()) == [200] * 16
    assert len(set(opened_in)) == len(opened_in) >= 16
