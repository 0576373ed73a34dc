"""Several pictures in one request: each is answered on its own, and has its turn."""

import asyncio
import json
import socket
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx2
import pytest

from answers import assert_problem, samples
from app.serving.reader import Reader
from hostile import HOSTILE
from pdfs import A4, COSTLY, pdf_of
from pictures import document, drawing, encode, flat, number, with_damaged_page
from services import connect, received, until

ROUTES = ("/predict/batch", "/read/batch")
NDJSON = "application/x-ndjson"
BEING_READ = ("digits_queue_depth", ("queue", "large"))
INTERNAL_ERRORS = ("digits_rejected_total", ("reason", "internal-error"))
TOO_COMPLEX = ("digits_rejected_total", ("reason", "too-complex"))


def sent(client, pictures: list[bytes], path: str = "/predict/batch", **options):
    files = [("files", ("picture", picture)) for picture in pictures]
    return client.post(path, files=files, **options)


def broken(*names: str) -> list[bytes]:
    return [HOSTILE[name][0] for name in names]


def assert_answered_as_alone(client, pictures, route: str, query: str) -> None:
    answer = sent(client, pictures, f"{route}/batch{query}")
    assert answer.status_code == 200
    batch_id = answer.headers["x-request-id"]
    for picture, result in zip(pictures, answer.json()["results"], strict=True):
        alone = client.post(route + query, files={"file": picture})
        own_id = alone.headers["x-request-id"]
        text = json.dumps(result).replace(f"{route}/batch", route)
        result = json.loads(text.replace(batch_id, own_id))
        assert result.get("error", result) == alone.json()
        assert ("error" in result) == (alone.status_code != 200)


def test_each_of_64_pictures_is_answered_in_order_as_alone(client, digits):
    pictures = [encode(digit) for digit in digits[::7][:64]]
    pictures[3:3] = [
        encode(drawing(digits[350])),
        *broken("cut header", "cut png", "cut jpeg", "empty", "white", "text"),
        flat(255, (28, 28)),
        encode(drawing(digits[120])),
    ]
    assert_answered_as_alone(client, pictures, "/predict", "?frame=true")


@pytest.fixture
def written(digits) -> list[bytes]:
    """Numbers, documents of which one has a damaged page, and what cannot be read."""
    first = number(digits[[350, 120]])
    second = number(digits[[50]], digits[[0]])
    return [
        encode(first),
        *broken("cut png", "empty", "white", "text", "many pixels", "encrypted pdf"),
        document([first, second]),
        with_damaged_page(document([first] * 3, "TIFF")),
        encode(second),
        encode(digits[350]),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    ["?min_confidence=0.9&alternatives=2", "?page=1&marks=false&frame=true&length=2"],
)
def test_each_text_of_a_batch_is_answered_in_order_as_alone(client, written, query):
    assert_answered_as_alone(client, written, "/read", query)


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_the_results_are_the_same_as_lines_of_json(client, written, route):
    headers = {"x-request-id": "the-same"}
    whole = sent(client, written, route, headers=headers)
    lines = sent(client, written, route, headers={**headers, "accept": NDJSON})
    assert whole.headers["content-type"] == "application/json"
    assert lines.headers["content-type"] == NDJSON
    assert lines.text.endswith("}\n")
    results = [json.loads(line) for line in lines.text.splitlines()]
    assert {"results": results} == whole.json()


@pytest.mark.parametrize(
    "accept",
    [
        "application/x-ndjson",
        "Application/X-NDJSON; Q=0.5",
        "application/json, application/x-ndjson",
        "application/x-ndjson, */*",
        "application/x-ndjson;q=0.9, application/json;q=0.5, */*",
        "application/x-ndjson;q=high",
    ],
)
def test_lines_are_sent_to_a_client_that_names_them_and_prefers_nothing_else(
    client, seven, accept
):
    answer = sent(client, [encode(seven)], headers={"accept": accept})
    assert answer.headers["content-type"] == NDJSON
    assert answer.json()["digit"] == 7


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/html",
        "application/x-ndjson;q=0",
        "application/x-ndjson; q=0.8, */*",
        "application/x-ndjson;q=0.5, application/*;q=0.7, */*;q=0.1",
        ",;q=,;;=/",
    ],
)
def test_any_other_client_is_sent_one_object(client, seven, accept):
    answer = sent(client, [encode(seven)], headers={"accept": accept})
    assert answer.headers["content-type"] == "application/json"
    (result,) = answer.json()["results"]
    assert result["digit"] == 7


def test_of_several_headers_all_count(client, seven):
    headers = [("accept", "application/json;q=0.5"), ("accept", NDJSON)]
    answer = sent(client, [encode(seven)], headers=headers)
    assert answer.headers["content-type"] == NDJSON


@pytest.mark.parametrize("headers", [{}, {"accept": NDJSON}])
@pytest.mark.parametrize("route", ROUTES)
def test_a_batch_is_a_form_of_at_most_256_pictures(client, seven, route, headers):
    picture = encode(seven)
    answer = sent(client, [picture] * 257, route, headers=headers)
    assert_problem(answer, 422, "too-many-pictures", route)
    detail = "The request has more than 256 pictures: send the rest in another request."
    assert answer.json()["detail"] == detail
    for wrong in ({"content": picture}, {"files": {"file": picture}}):
        answer = client.post(route, headers=headers, **wrong)
        assert_problem(answer, 422, "no-file", route)
        assert "curl" in answer.json()["detail"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "field", "value"),
    [("/predict/batch", "digit", 7), ("/read/batch", "text", "7")],
)
def test_256_pictures_are_read(client, seven, route, field, value):
    results = sent(client, [encode(seven)] * 256, route).json()["results"]
    assert [result[field] for result in results] == [value] * 256


def results_and_longest_queues(
    client, pictures: list[bytes], route: str
) -> tuple[list[dict], Counter]:
    registry = client.app_state["service"].metrics.registry
    most = Counter()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sent, client, pictures, route)
        while not answer.done():
            for queue in ("small", "large"):
                labels = {"queue": queue}
                length = registry.get_sample_value("digits_queue_depth", labels)
                most[queue] = max(most[queue], length)
    return answer.result().json()["results"], most


def test_a_batch_has_at_most_16_small_pictures_and_one_large_one_read_at_once(
    client, digits
):
    small = [encode(digit) for digit in digits[:40]]
    large = [encode(drawing(digit)) for digit in digits[:8]]
    results, most = results_and_longest_queues(client, small + large, "/predict/batch")
    assert all(result["digit"] == 0 for result in results)
    assert 0 < most["small"] <= 16
    assert most["large"] == 1


def test_pictures_that_wait_too_long_for_each_other_are_refused(
    client, digits, monkeypatch
):
    read_large = Reader.read_large

    async def slow(*given, **options):
        await asyncio.sleep(0.8)
        return await read_large(*given, **options)

    monkeypatch.setattr(Reader, "read_large", slow)
    hurried = replace(client.app_state["service"], seconds=0.7)
    monkeypatch.setitem(client.app_state, "service", hurried)
    # 16 are read at once.
    pictures = [encode(drawing(digits[0]))] * 2 + [encode(digits[0])] * 15
    first, second, *others, last = sent(client, pictures).json()["results"]
    assert [result["digit"] for result in (first, *others)] == [0] * 15
    assert second["error"]["type"] == last["error"]["type"] == "/problems/overloaded"


def test_texts_that_cannot_start_in_time_are_refused(client, written, monkeypatch):
    admission = client.app_state["service"].admission
    monkeypatch.setattr(admission, "page_seconds", -1)
    monkeypatch.setattr(admission.large, "length", 10**6)
    monkeypatch.setattr(admission.large, "cost", 1)
    results = sent(client, written[:2], "/read/batch").json()["results"]
    assert len(results) == 2
    assert {each["error"]["type"] for each in results} == {"/problems/overloaded"}


@pytest.mark.slow
def test_one_text_of_a_batch_is_read_at_once(client, digits):
    pictures = [encode(number(digits[[350, 120]]))] * 20
    _, most = results_and_longest_queues(client, pictures, "/read/batch")
    assert most["large"] == 1


@contextmanager
def slow_batch(url: str, picture: bytes, slow: int, route: str, accept: str):
    """Send a picture and some that take seconds; yield a client and the connection."""
    pictures = [picture] + [pdf_of((A4, COSTLY))] * slow
    files = [("files", each) for each in pictures]
    headers = {"accept": accept, "connection": "close"}
    request = httpx2.Request("POST", url + route, files=files, headers=headers)
    head = f"POST {route} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with httpx2.Client(base_url=url) as client, connect(url) as connection:
        connection.sendall(f"{head}\r\n".encode() + request.read())
        yield client, connection


def receive_until(connection: socket.socket, end: bytes) -> bytes:
    """Receive an answer up to some bytes; fail if it is over before them."""
    answer = b""
    while end not in answer:
        more = connection.recv(65536)
        assert more, answer
        answer += more
    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "field"),
    [("/predict/batch", b'"digit":7'), ("/read/batch", b'"text":"7"')],
)
def test_each_line_arrives_as_soon_as_it_is_known(url, seven, route, field):
    with slow_batch(url, encode(seven), 1, route, NDJSON) as (client, connection):
        first = receive_until(connection, b"}\n")
        assert field in first
        assert b"error" not in first
        assert until(lambda: samples(client)[BEING_READ] == 1)  # the second
        assert b"/problems/too-complex" in received(connection)


def is_idle(client) -> bool:
    """Return whether no picture is being read, and only /metrics is being answered."""
    now = samples(client)
    return now[BEING_READ] == 0 and now["digits_requests_in_flight",] == 1


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["*/*", NDJSON])
@pytest.mark.parametrize("route", ROUTES)
def test_the_rest_of_a_batch_is_not_read_once_the_client_has_left(
    url, seven, route, accept
):
    with slow_batch(url, encode(seven), 20, route, accept) as (client, connection):
        before = samples(client).get(TOO_COMPLEX, 0)
        receive_until(connection, b"}")
        assert until(lambda: samples(client)[BEING_READ] == 1)
        # The connection is reset.
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
        assert until(lambda: is_idle(client))
        answer = client.post("/read", content=encode(seven), timeout=30)
        assert answer.json()["text"] == "7"
        after = samples(client)
        assert after.get(TOO_COMPLEX, 0) - before <= 1
        assert after[BEING_READ] == 0
        assert after.get(INTERNAL_ERRORS, 0) == 0
