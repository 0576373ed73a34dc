"""`POST /read` of PDFs and TIFFs with several pages."""

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median

import httpx2
import pytest
from PIL import Image

from support import (
    A4,
    COSTLY,
    ENCRYPTED,
    ONE,
    PNG,
    assert_problem,
    connect,
    document,
    encode,
    number,
    pdf_of,
    samples,
    shown,
    until,
    with_damaged_page,
)


@pytest.fixture
def pages(digits) -> list[Image.Image]:
    return [
        number(digits[[350, 120]]),
        number(digits[[50]], digits[[0]]),
        Image.new("L", (300, 300), 255),
    ]


def read(client, file: bytes, query: str = "") -> dict:
    answer = client.post(f"/read{query}", content=file)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_all_pages_are_read_as_alone(client, pages, kind):
    file = document(pages, kind)
    for query in (
        "?",
        "?marks=false&alternatives=2&",
        "?characters=0123456789&frame=true&rotate=auto&",
    ):
        answer = read(client, file, query)
        alone = [read(client, file, f"{query}page={page}") for page in (1, 2, 3)]
        of_all = {
            name: alone[0][name] for name in ("characters", "model") if name in alone[0]
        }
        assert answer == {
            "pages": [
                {"page": page, **without(each, *of_all)}
                for page, each in enumerate(alone, 1)
            ],
            "text": "72\f1\n0\f",
            "confidence": min(each["confidence"] for each in alone),
            **of_all,
        }
    assert [*answer] == ["pages", "text", "confidence", "characters", "model"]
    assert [*read(client, file)["pages"][0]] == ["page", "text", "confidence", "lines"]


def without(answer: dict, *names: str) -> dict:
    return {name: value for name, value in answer.items() if name not in names}


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_file_of_one_page_is_answered_as_a_picture(client, pages, kind):
    assert [*read(client, encode(pages[0], kind))] == [
        "text",
        "confidence",
        "lines",
        "model",
    ]


def test_the_length_is_that_of_each_page(client, pages):
    answer = read(client, document(pages, "TIFF"), "?length=2")
    assert [
        page.get("text", page.get("error", {}).get("type")) for page in answer["pages"]
    ] == ["72", "1\n0", "/problems/impossible-length"]


def test_a_damaged_page_has_its_problem_and_the_others_are_read(client, pages):
    file = with_damaged_page(document([pages[0]] * 3, "TIFF"))
    answer = client.post("/read", content=file)
    first, second, third = answer.json()["pages"]
    assert (answer.status_code, first["text"], third["text"]) == (200, "72", "72")
    alone = client.post("/read?page=2", content=file)
    assert_problem(alone, 422, "corrupt-image", "/read")
    assert second == {
        "page": 2,
        "error": {**alone.json(), "request_id": answer.headers["x-request-id"]},
    }
    assert (answer.json()["text"], answer.json()["confidence"]) == ("72\f\f72", 0)


def test_a_hostile_page_costs_only_itself(client, pages):
    """A page takes too long, and the others are of a square kilometre, or 1×20,000
    points, or have no area.
    """
    boxes = (
        b"/MediaBox[0 0 2834645 2834645]",
        b"/MediaBox[0 0 1 20000]",
        A4 + b"/CropBox[900 900 999 999]",
    )
    good = A4, shown(pages[0])
    answer = read(
        client, pdf_of(good, (A4, COSTLY), *((box, ONE) for box in boxes), good)
    )
    assert [page.get("text") for page in answer["pages"]] == [
        "72",
        None,
        "",
        "",
        None,
        "72",
    ]
    errors = [page["error"]["type"] for page in answer["pages"] if "error" in page]
    assert errors == ["/problems/too-complex", "/problems/corrupt-image"]


def test_more_pages_than_one_request_reads_are_a_problem_that_names_the_parameter(
    client, pages
):
    file = pdf_of(*[(A4, b"")] * 99, (A4, shown(pages[0])))
    answer = client.post("/read", content=file)
    assert_problem(answer, 422, "too-many-pages", "/read")
    assert (
        answer.json()["detail"]
        == "The file has 100 pages, more than 20: ask for one at a time, with ?page=1."
    )
    assert read(client, file, "?page=100")["text"] == "72"
    assert len(read(client, pdf_of(*[(A4, b"")] * 20))["pages"]) == 20


def test_a_document_that_cannot_be_opened_is_one_problem(client):
    assert_problem(
        client.post("/read", content=ENCRYPTED), 415, "not-an-image", "/read"
    )
    assert_problem(
        client.post("/read", content=pdf_of()), 422, "corrupt-image", "/read"
    )


def test_a_document_is_as_sure_as_its_least_sure_page(client, pages):
    answer = client.post("/read?min_confidence=1", content=document(pages[:2], "TIFF"))
    assert_problem(answer, 422, "not-sure", "/read")
    assert answer.json()["reading"] == read(client, document(pages[:2], "TIFF"))


def test_pages_that_cannot_start_in_time_say_how_to_ask_for_them(
    client, pages, monkeypatch
):
    late = replace(client.app_state["service"], pages_seconds=-1)
    monkeypatch.setitem(client.app_state, "service", late)
    answer = read(client, document(pages, "TIFF"))
    assert [
        (page["error"]["type"], page["error"]["detail"]) for page in answer["pages"]
    ] == [
        (
            "/problems/overloaded",
            f"There was no time left for this page: ask for it with ?page={page}.",
        )
        for page in (1, 2, 3)
    ]


@pytest.mark.slow
@pytest.mark.alone
def test_pictures_are_read_between_the_pages_of_documents(url, pages):
    file, picture, health = document(pages[:1] * 20), encode(pages[0]), list[float]()
    read = 0
    with (
        httpx2.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = [pool.submit(client.post, "/read", content=file) for _ in range(3)]
        while not all(answer.done() for answer in answers):
            begin = time.perf_counter()
            assert client.get("/health").status_code == 200
            health.append(time.perf_counter() - begin)
            assert client.post("/read", content=picture).json()["text"] == "72"
            read += 1
    assert all(
        page["text"] == "72"
        for answer in answers
        for page in answer.result().json()["pages"]
    )
    assert read >= 20  # or it would have waited for several pages each time
    assert median(health) < 0.1


@pytest.mark.slow
def test_no_page_is_read_after_the_client_broke_the_connection_off(url):
    file = pdf_of(*[(A4, COSTLY)] * 20)  # which would take 20 s
    with connect(url) as leaving:
        # To break the connection off.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.sendall(
            b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(file)
            + file
        )
        depth = "digits_queue_depth", ("queue", "large")
        with httpx2.Client(base_url=url) as client:
            assert until(lambda: samples(client)[depth] == 1)
            leaving.close()
            assert until(lambda: samples(client)[depth] == 0)
            assert client.post("/read", content=PNG).status_code == 200
            assert samples(client)[depth] == 0
