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
    HOSTILE,
    ONE,
    PNG,
    assert_problem,
    connect,
    document,
    encode,
    filled_in,
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_all_pages_are_read_as_alone(client, pages, kind):
    file = document(pages, kind)
    for query in (
        "?",
        "?marks=false&alternatives=2&",
        "?characters=0123456789&frame=true&rotate=auto&",
    ):
        answer = read(client, file, query)
        confidences = []
        for place, page in enumerate(answer["pages"], 1):
            alone = read(client, file, f"{query}page={place}")
            assert page.pop("page") == place
            for name in ("characters", "model"):
                assert alone.pop(name, None) == answer.get(name)
            assert page == alone
            confidences.append(page["confidence"])
        assert place == 3
        assert answer["text"] == "72\f1\n0\f"
        assert answer["confidence"] == min(confidences)
    assert [*answer] == ["pages", "text", "confidence", "characters", "model"]
    first, *_ = read(client, file)["pages"]
    assert [*first] == ["page", "text", "confidence", "lines"]


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_file_of_one_page_is_answered_as_a_picture(client, pages, kind):
    answer = read(client, encode(pages[0], kind))
    assert [*answer] == ["text", "confidence", "lines", "model"]


TEXT = b"/Subtype/Widget/FT/Tx/V(4075)"
DRAWN = b"/AP<</N 7 0 R>>"
REQUIRED = b"/NeedAppearances true"
XFA = b"/XFA[(template)7 0 R]"
SCRIPT = b"<</S/JavaScript/JS(this.getField\\('a'\\).value = '9';)>>"
SCRIPTS = b"/AA<</F %s/C %s/K %s/PO %s>>" % ((SCRIPT,) * 4)
FILLED_IN = {
    "text": filled_in(TEXT),
    "text with an appearance": filled_in(TEXT + DRAWN),
    "text whose appearance is asked for": filled_in(TEXT, REQUIRED),
    "text with an old appearance": filled_in(
        TEXT + DRAWN, REQUIRED, content=b"BT /F 40 Tf 4 14 Td (98) Tj ET"
    ),
    "choice": filled_in(b"/Subtype/Widget/FT/Ch/Ff 131072/Opt[(1)(4075)]/V(4075)"),
    "field that is in no form": filled_in(TEXT + DRAWN).replace(b"/AcroForm", b"/None"),
    "annotation": filled_in(b"/Subtype/FreeText" + DRAWN),
    "static XFA": filled_in(TEXT, XFA),
    "static XFA with an appearance": filled_in(TEXT + DRAWN, XFA),
    "field with JavaScript": filled_in(
        TEXT + SCRIPTS, b"/CO[5 0 R]", b"/OpenAction " + SCRIPT
    ),
}


@pytest.mark.parametrize("name", FILLED_IN)
def test_what_is_filled_into_a_form_is_read(client, name):
    assert read(client, FILLED_IN[name])["text"] == "4075"


def test_what_viewers_hide_is_not_read(client):
    hidden = filled_in(TEXT + DRAWN).replace(b"/F 4/", b"/F 2/")
    assert read(client, hidden)["text"] == ""


def test_the_length_is_that_of_each_page(client, pages):
    answer = read(client, document(pages, "TIFF"), "?length=2")
    first, second, third = answer["pages"]
    assert first["text"] == "72"
    assert second["text"] == "1\n0"
    assert third["error"]["type"] == "/problems/impossible-length"


def test_a_damaged_page_has_its_problem_and_the_others_are_read(client, pages):
    file = with_damaged_page(document([pages[0]] * 3, "TIFF"))
    answer = client.post("/read", content=file)
    assert answer.status_code == 200
    assert answer.json()["text"] == "72\f\f72"
    assert answer.json()["confidence"] == 0
    first, second, third = answer.json()["pages"]
    assert first["text"] == third["text"] == "72"
    alone = client.post("/read?page=2", content=file)
    assert_problem(alone, 422, "corrupt-image", "/read")
    error = {**alone.json(), "request_id": answer.headers["x-request-id"]}
    assert second == {"page": 2, "error": error}


@pytest.mark.slow
def test_a_hostile_page_costs_only_itself(client, pages):
    good = (A4, shown(pages[0]))
    slow = (A4, COSTLY)
    square_kilometre = (b"/MediaBox[0 0 2834645 2834645]", ONE)
    narrow = (b"/MediaBox[0 0 1 20000]", ONE)
    without_area = (A4 + b"/CropBox[900 900 999 999]", ONE)
    file = pdf_of(good, slow, square_kilometre, narrow, without_area, good)
    answer = read(client, file)["pages"]
    texts = [page.get("text") for page in answer]
    assert texts == ["72", None, "", "", None, "72"]
    assert answer[1]["error"]["type"] == "/problems/too-complex"
    assert answer[4]["error"]["type"] == "/problems/corrupt-image"


@pytest.mark.slow
def test_a_hostile_form_costs_only_itself(client, pages):
    slow = filled_in(TEXT + DRAWN, content=4 * COSTLY)
    answer = client.post("/read", content=slow)
    assert_problem(answer, 422, "too-complex", "/read")
    fields = b"/Fields[%s]" % (b"5 0 R " * 10**6)
    endless = filled_in(TEXT + DRAWN + b"/Kids[5 0 R]/Parent 5 0 R", fields)
    assert client.post("/read", content=endless).status_code == 200
    assert read(client, encode(pages[0]))["text"] == "72"


@pytest.mark.slow
def test_more_pages_than_one_request_reads_are_a_problem_that_names_the_parameter(
    client, pages
):
    empty = (A4, b"")
    file = pdf_of(*[empty] * 99, (A4, shown(pages[0])))
    answer = client.post("/read", content=file)
    assert_problem(answer, 422, "too-many-pages", "/read")
    detail = (
        "The file has 100 pages, more than 20: ask for one at a time, with ?page=1."
    )
    assert answer.json()["detail"] == detail
    assert read(client, file, "?page=100")["text"] == "72"
    answer = read(client, pdf_of(*[empty] * 20))
    assert len(answer["pages"]) == 20


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("encrypted pdf", 415, "not-an-image"),
        ("dynamic xfa pdf", 415, "not-an-image"),
        ("pdf of no pages", 422, "corrupt-image"),
        ("cut pdf", 422, "corrupt-image"),
    ],
)
def test_a_document_that_cannot_be_opened_is_a_problem_that_says_what_to_do(
    client, name, status, error
):
    data, _, message = HOSTILE[name]
    answer = client.post("/read", content=data)
    assert_problem(answer, status, error, "/read")
    assert message in answer.json()["detail"]


def test_a_document_is_as_sure_as_its_least_sure_page(client, pages):
    file = document(pages[:2], "TIFF")
    answer = client.post("/read?min_confidence=1", content=file)
    assert_problem(answer, 422, "not-sure", "/read")
    assert answer.json()["reading"] == read(client, file)


def test_pages_that_cannot_start_in_time_say_how_to_ask_for_them(
    client, pages, monkeypatch
):
    late = replace(client.app_state["service"], pages_seconds=-1)
    monkeypatch.setitem(client.app_state, "service", late)
    answer = read(client, document(pages, "TIFF"))
    assert len(answer["pages"]) == 3
    for place, page in enumerate(answer["pages"], 1):
        error = page["error"]
        assert error["type"] == "/problems/overloaded"
        message = "There was no time left for this page: ask for it with ?page="
        assert error["detail"] == f"{message}{place}."


@pytest.mark.slow
@pytest.mark.alone
def test_pictures_are_read_between_the_pages_of_documents(url, pages):
    file = document(pages[:1] * 20)
    picture = encode(pages[0])
    health = []
    with (
        httpx2.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = [pool.submit(client.post, "/read", content=file) for _ in range(3)]
        while not all(answer.done() for answer in answers):
            begin = time.perf_counter()
            assert client.get("/health").status_code == 200
            health.append(time.perf_counter() - begin)
            assert read(client, picture)["text"] == "72"
    for answer in answers:
        pages = answer.result().json()["pages"]
        assert [page["text"] for page in pages] == ["72"] * 20
    # Or a picture would have waited for several pages each time.
    assert len(health) >= 20
    assert median(health) < 0.1


@pytest.mark.slow
def test_no_page_is_read_after_the_client_broke_the_connection_off(url):
    file = pdf_of(*[(A4, COSTLY)] * 20)  # which would take 20 s
    head = f"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: {len(file)}\r\n\r\n"
    depth = ("digits_queue_depth", ("queue", "large"))
    with connect(url) as leaving:
        # The connection is reset.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.sendall(head.encode() + file)
        with httpx2.Client(base_url=url) as client:
            assert until(lambda: samples(client)[depth] == 1)
            leaving.close()
            assert until(lambda: samples(client)[depth] == 0)
            assert client.post("/read", content=PNG).status_code == 200
            assert samples(client)[depth] == 0
