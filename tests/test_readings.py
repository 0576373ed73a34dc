"""Several pictures in one request: each is read or refused on its own, and together
they take a limited share.
"""

import asyncio
import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest

from app.serving.reader import Reader
from app.web import routes
from support import (
    A4,
    COSTLY,
    HOSTILE,
    assert_problem,
    connect,
    document,
    drawing,
    encode,
    flat,
    number,
    pdf_of,
    received,
    samples,
    until,
    with_damaged_page,
)

ROUTES = "/predict/batch", "/read/batch"
LINES = "application/x-ndjson"
BEING_READ = "digits_queue_depth", ("queue", "large")


def sent(client, pictures: list[bytes], path: str = "/predict/batch", **options):
    return client.post(
        path, files=[("files", ("picture", picture)) for picture in pictures], **options
    )


def test_each_of_64_pictures_is_answered_in_order_as_alone(client, digits):
    pngs = [encode(digit) for digit in digits[::7][:64]]
    broken = [
        HOSTILE[name][0]
        for name in ("cut header", "cut png", "cut jpeg", "empty", "white", "text")
    ]
    pngs[3:3] = [
        encode(drawing(digits[350])),
        *broken,
        flat(255, (28, 28)),
        encode(drawing(digits[120])),
    ]
    answer = sent(client, pngs, "/predict/batch?frame=true")
    assert answer.status_code == 200
    for png, result in zip(pngs, answer.json()["results"], strict=True):
        alone = client.post("/predict?frame=true", files={"file": png}).json()
        if "error" in result:
            alone |= {
                "instance": "/predict/batch",
                "request_id": answer.headers["x-request-id"],
            }
        assert result.get("error", result) == alone


@pytest.fixture
def written(digits) -> list[bytes]:
    """Numbers, a document, one with a damaged page, and pictures that cannot be read."""
    first, second = number(digits[[350, 120]]), number(digits[[50]], digits[[0]])
    broken = [
        HOSTILE[name][0]
        for name in (
            "cut png",
            "empty",
            "white",
            "text",
            "many pixels",
            "encrypted pdf",
        )
    ]
    documents = [
        document([first, second]),
        with_damaged_page(document([first] * 3, "TIFF")),
    ]
    return [encode(first), *broken, *documents, encode(second), encode(digits[350])]


@pytest.mark.parametrize(
    "query",
    ["?min_confidence=0.9&alternatives=2", "?page=1&marks=false&frame=true&length=2"],
)
def test_each_text_of_a_batch_is_answered_in_order_as_alone(client, written, query):
    answer = sent(client, written, f"/read/batch{query}")
    assert answer.status_code == 200
    for picture, result in zip(written, answer.json()["results"], strict=True):
        alone = client.post(f"/read{query}", files={"file": picture})
        as_alone = json.dumps(result).replace("/read/batch", "/read")
        as_alone = json.loads(
            as_alone.replace(
                answer.headers["x-request-id"], alone.headers["x-request-id"]
            )
        )
        assert alone.json() == as_alone.get("error", as_alone)
        assert ("error" in result) == (alone.status_code != 200)


@pytest.mark.parametrize("route", ROUTES)
def test_the_results_are_the_same_as_lines_of_json(client, written, route):
    whole, lines = (
        sent(client, written, route, headers=asked) for asked in ({}, {"accept": LINES})
    )
    assert (whole.headers["content-type"], lines.headers["content-type"]) == (
        "application/json",
        LINES,
    )
    text = lines.text.replace(
        lines.headers["x-request-id"], whole.headers["x-request-id"]
    )
    results = [json.loads(line) for line in text.splitlines()]
    assert lines.text.endswith("}\n")
    assert {"results": results} == whole.json()


@pytest.mark.parametrize(
    ("accept", "in_lines"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", False),
        ("application/x-ndjson", True),
        ("Application/X-NDJSON; Q=0.5", True),
        ("application/x-ndjson;q=0", False),
        ("application/json, application/x-ndjson", True),
        ("application/x-ndjson, */*", True),
        ("application/x-ndjson; q=0.8, */*", False),
        ("application/x-ndjson;q=0.9, application/json;q=0.5, */*", True),
        ("application/x-ndjson;q=0.5, application/*;q=0.7, */*;q=0.1", False),
        ("application/x-ndjson;q=high", True),
        (",;q=,;;=/", False),
    ],
)
def test_lines_are_sent_to_a_client_that_names_them_and_prefers_nothing_else(
    client, seven, accept, in_lines
):
    answer = sent(client, [encode(seven)], headers={"accept": accept})
    assert answer.headers["content-type"] == (LINES if in_lines else "application/json")
    result = answer.json() if in_lines else answer.json()["results"][0]
    assert result["digit"] == 7


def test_of_several_headers_all_count(client, seven):
    headers = [("accept", "application/json;q=0.5"), ("accept", LINES)]
    assert (
        sent(client, [encode(seven)], headers=headers).headers["content-type"] == LINES
    )


@pytest.mark.parametrize("headers", [{}, {"accept": LINES}])
@pytest.mark.parametrize("route", ROUTES)
def test_a_batch_is_a_form_of_at_most_256_pictures(client, seven, route, headers):
    picture = encode(seven)
    answer = sent(client, [picture] * 257, route, headers=headers)
    assert_problem(answer, 422, "too-many-pictures", route)
    assert (
        answer.json()["detail"]
        == "The request has more than 256 pictures: send the rest in another request."
    )
    for wrong in ({"content": picture}, {"files": {"file": picture}}):
        answer = client.post(route, headers=headers, **wrong)
        assert_problem(answer, 422, "no-file", route)
        assert "curl" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("route", "field", "value"),
    [("/predict/batch", "digit", 7), ("/read/batch", "text", "7")],
)
def test_256_pictures_are_read(client, seven, route, field, value):
    results = sent(client, [encode(seven)] * 256, route).json()["results"]
    assert [result[field] for result in results] == [value] * 256


def test_a_batch_has_at_most_16_small_pictures_and_one_large_one_read_at_once(
    client, digits
):
    pictures = [encode(digit) for digit in digits[:40]] + [
        encode(drawing(digit)) for digit in digits[:8]
    ]
    registry, most = (
        client.app_state["service"].metrics.registry,
        {"small": 0, "large": 0},
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sent, client, pictures)
        while not answer.done():
            for queue, before in most.items():
                most[queue] = max(
                    before,
                    registry.get_sample_value("digits_queue_depth", {"queue": queue}),
                )
    assert all(result["digit"] == 0 for result in answer.result().json()["results"])
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
    monkeypatch.setattr(routes, "SECONDS", 0.7)
    # 16 are read at once.
    pictures = [encode(drawing(digits[0]))] * 2 + [encode(digits[0])] * 15
    first, second, *others, last = sent(client, pictures).json()["results"]
    assert [result["digit"] for result in (first, *others)] == [0] * 15
    assert second["error"]["type"] == last["error"]["type"] == "/problems/overloaded"


def test_texts_that_cannot_start_in_time_are_refused(client, written, monkeypatch):
    monkeypatch.setattr(routes, "PAGES_SECONDS", -1)
    results = sent(client, written, "/read/batch").json()["results"]
    assert [result["error"]["type"] for result in results] == [
        "/problems/overloaded"
    ] * len(written)


def test_one_text_of_a_batch_is_read_at_once(client, digits):
    registry, most = client.app_state["service"].metrics.registry, 0
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(
            sent, client, [encode(number(digits[[350, 120]]))] * 20, "/read/batch"
        )
        while not answer.done():
            most = max(
                most,
                registry.get_sample_value("digits_queue_depth", {"queue": "large"}),
            )
    assert most == 1


@contextmanager
def slow_batch(url: str, picture: bytes, slow: int, route: str, accept: str):
    """Send a picture and then some that take seconds each; yield a client of the
    service, and the open connection.
    """
    files = [("files", each) for each in (picture, *[pdf_of((A4, COSTLY))] * slow)]
    request = httpx2.Request(
        "POST",
        url + route,
        files=files,
        headers={"accept": accept, "connection": "close"},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with httpx2.Client(base_url=url) as client, connect(url) as connection:
        connection.sendall(
            f"POST {route} HTTP/1.1\r\n{head}\r\n".encode() + request.read()
        )
        yield client, connection


def receive_until(connection: socket.socket, end: bytes) -> bytes:
    """Receive an answer to a certain end; one that is over before would be waited for
    in vain.
    """
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
    with slow_batch(url, encode(seven), 1, route, LINES) as (client, connection):
        first = receive_until(connection, b"}\n")
        assert field in first
        assert b"error" not in first
        assert until(lambda: samples(client)[BEING_READ] == 1)  # the second
        assert b"/problems/too-complex" in received(connection)


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["*/*", LINES])
@pytest.mark.parametrize("route", ROUTES)
def test_the_rest_of_a_batch_is_not_read_once_the_client_has_left(
    url, seven, route, accept
):
    with slow_batch(url, encode(seven), 20, route, accept) as (client, connection):
        given_up = "digits_rejected_total", ("reason", "too-complex")
        before = samples(client).get(given_up, 0)
        receive_until(connection, b"}")
        assert until(lambda: samples(client)[BEING_READ] == 1)
        # To break it off.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        connection.close()
        assert until(
            lambda: (
                samples(client)[BEING_READ] == 0
                and samples(client)["digits_requests_in_flight",] == 1
            )
        )
        assert (
            client.post("/read", content=encode(seven), timeout=30).json()["text"]
            == "7"
        )
        after = samples(client)
        assert after.get(given_up, 0) - before <= 1
        assert after[BEING_READ] == 0
        assert (
            after.get(("digits_rejected_total", ("reason", "internal-error")), 0) == 0
        )
