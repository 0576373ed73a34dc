"""`POST /read` of PDFs and TIFFs with several pages."""

import asyncio
import json
import socket
import struct
import time
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

import httpx2
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from answers import assert_problem, samples
from app.answers.responses import Page
from app.main import create_app
from app.settings import Settings
from app.web.documents import Document
from hostile import HOSTILE, PNG
from pdfs import A4, COSTLY, ONE, filled_in, pdf_of, shown
from pictures import document, encode, number, with_damaged_page
from services import connect, until


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


EVERYTHING = "?characters=0123456789&frame=true&rotate=auto&alternatives=2&"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "query"), [("TIFF", "?"), ("TIFF", EVERYTHING), ("PDF", EVERYTHING)]
)
def test_all_pages_are_read_as_alone(client, pages, kind, query):
    file = document(pages, kind)
    answer = read(client, file, query)
    names = [*answer]
    if query == "?":
        assert names == ["pages", "text", "confidence", "model"]
        assert [*answer["pages"][0]] == ["page", "text", "confidence", "lines"]
    else:
        assert names == ["pages", "text", "confidence", "characters", "model"]
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", FILLED_IN)
def test_what_is_filled_into_a_form_is_read(client, name):
    assert read(client, FILLED_IN[name])["text"] == "4075"


@pytest.mark.slow
def test_what_viewers_hide_is_not_read(client):
    hidden = filled_in(TEXT + DRAWN).replace(b"/F 4/", b"/F 2/")
    assert read(client, hidden)["text"] == ""


def test_the_length_is_that_of_each_page(client, pages):
    answer = read(client, document(pages, "TIFF"), "?length=2")
    first, second, third = answer["pages"]
    assert first["text"] == "72"
    assert second["confidence"] < 0.5  # its lines have a digit each
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
    pages,
):
    empty = (A4, b"")
    file = pdf_of(*[empty] * 99, (A4, shown(pages[0])))
    with TestClient(create_app(Settings(max_pages=5))) as client:
        for query in ("", "?page=2-", "?page=1-3,7-9"):
            answer = client.post(f"/read{query}", content=file)
            assert_problem(answer, 422, "too-many-pages", "/read")
            detail = (
                "The file has 100 pages, and a request reads at most 5: ask for some "
                "of them, with ?page=1-5."
            )
            assert answer.json()["detail"] == detail
        assert read(client, file, "?page=100")["text"] == "72"
        assert len(read(client, file, "?page=1-5")["pages"]) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("2-3", [2, 3]),
        ("2-", [2, 3]),
        ("3,1", [3, 1]),
        ("1-2,2-3,1", [1, 2, 3]),
        ("3-3", [3]),
    ],
)
def test_some_pages_are_read_in_the_order_of_their_list(
    client, pages, listed, expected
):
    answer = read(client, document(pages, "TIFF"), f"?page={listed}")
    assert [page["page"] for page in answer["pages"]] == expected
    texts = ["72", "1\n0", ""]
    assert answer["text"] == "\f".join(texts[page - 1] for page in expected)


@pytest.mark.parametrize(
    ("listed", "error", "detail"),
    [
        ("4", "no-such-page", "There is no page 4: the last one is 3."),
        ("2-4", "no-such-page", "There is no page 4: the last one is 3."),
        ("7-", "no-such-page", "There is no page 7: the last one is 3."),
        ("3-1", "invalid-parameter", "page must not go back, as in 3-1."),
        *(
            (wrong, "invalid-parameter", "page must be a page, or several, such as 2 ")
            for wrong in ("0", "-1", "1,", "1--2", "one", "1-2-3", "1 ", "9" * 100)
        ),
    ],
)
def test_pages_that_do_not_exist_are_a_problem(client, pages, listed, error, detail):
    answer = client.post(f"/read?page={listed}", content=document(pages, "TIFF"))
    assert_problem(answer, 422, error, "/read")
    assert answer.json()["detail"].startswith(detail)


LINES = {"accept": "application/x-ndjson"}


def lines_of(client, file: bytes, query: str = "") -> list[dict]:
    answer = client.post(f"/read{query}", content=file, headers=LINES)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == LINES["accept"]
    assert answer.headers.get("x-accel-buffering", "no") == "no"
    return list(map(json.loads, answer.text.splitlines()))


def test_a_page_is_a_line_of_json_if_the_client_accepts_that(client, pages):
    file = with_damaged_page(document([pages[0]] * 3, "TIFF"))
    whole = read(client, file)
    lines = lines_of(client, file, "?page=2-")
    for line, page in zip(lines, whole["pages"][1:], strict=True):
        if "error" in line:
            line["error"]["request_id"] = page["error"]["request_id"]
        assert line == {**page, "pages": 3, "model": whole["model"]}
    (alone,) = lines_of(client, file, "?page=1")
    assert alone == read(client, file, "?page=1")
    (picture,) = lines_of(client, encode(pages[0]))
    assert picture == read(client, encode(pages[0]))
    refused = client.post("/read", content=b"no picture", headers=LINES)
    assert_problem(refused, 415, "not-an-image", "/read")


def test_no_more_of_an_answer_is_held_than_a_page():
    made = []

    async def pages() -> AsyncIterator[Page]:
        for place in range(1, 9):
            page = Page(page=place, text="", confidence=1, lines=[], picture="…")
            made.append(weakref.ref(page))
            yield page
            del page

    async def most_at_once() -> int:
        counts = []
        async for _ in Document(pages(), 8, "1f0c2a9b7d3e").in_one_object():
            counts.append(sum(page() is not None for page in made))
        return max(counts)

    assert asyncio.run(most_at_once()) == 1
    assert len(made) == 8


@pytest.mark.slow
@pytest.mark.parametrize("headers", [LINES, {}])
def test_a_page_is_sent_before_the_next_one_is_read(url, pages, headers):
    """The second page takes half a second, and has too much writing."""
    slow = COSTLY[: len(COSTLY) // 20]
    file = pdf_of((A4, shown(pages[0])), (A4, slow), (A4, shown(pages[0])))
    ask = partial(httpx2.stream, "POST", f"{url}/read", content=file, timeout=60)
    with ask(headers=headers) as answer:
        parts = answer.iter_text()
        first = next(parts)
        begin = time.perf_counter()
        rest = "".join(parts)
    assert '"page":1,' in first
    assert '"page":2' not in first
    assert time.perf_counter() - begin > 0.1
    text = first + rest
    found = (
        list(map(json.loads, text.splitlines()))
        if headers
        else json.loads(text)["pages"]
    )
    assert [page.get("text") for page in found] == ["72", None, "72"]


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


def test_a_page_that_is_not_sure_costs_only_itself(client, pages):
    file = document(pages[:2], "TIFF")
    sure, *others = sorted(page["confidence"] for page in read(client, file)["pages"])
    assert sure < others[0]
    least = (sure + others[0]) / 2
    answer = read(client, file, f"?min_confidence={least}")
    refused, *others = sorted(answer["pages"], key=lambda page: "text" in page)
    assert refused["error"]["type"] == "/problems/not-sure"
    alone = read(client, file, f"?page={refused['page']}")
    assert refused["error"]["reading"] == alone
    assert [page["confidence"] >= least for page in others] == [True]
    assert answer["confidence"] == 0


def test_pages_that_cannot_start_in_time_say_how_to_ask_for_them(
    client, pages, monkeypatch
):
    admission = client.app_state["service"].admission
    monkeypatch.setattr(admission, "page_seconds", 0.1)
    client.portal.call(admission.page.acquire)
    answer = read(client, document(pages, "TIFF"))
    admission.page.release()
    assert len(answer["pages"]) == 3
    for place, page in enumerate(answer["pages"], 1):
        error = page["error"]
        assert error["type"] == "/problems/overloaded"
        message = "There was no time left for this page: ask for it with ?page="
        assert error["detail"] == f"{message}{place}."


@pytest.mark.slow
@pytest.mark.alone
def test_pictures_are_read_between_the_pages_of_documents(url, pages):
    file = document(pages[:1] * 20, "TIFF")
    picture = encode(pages[0])
    health, reading = [], []
    with (
        httpx2.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = [pool.submit(client.post, "/read", content=file) for _ in range(3)]
        while not all(answer.done() for answer in answers):
            begin = time.perf_counter()
            assert client.get("/health").status_code == 200
            health.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            assert read(client, picture)["text"] == "72"
            reading.append(time.perf_counter() - begin)
    for answer in answers:
        pages = answer.result().json()["pages"]
        assert [page["text"] for page in pages] == ["72"] * 20
    # Or a picture would have waited for several pages each time.
    assert len(health) >= 20
    assert median(health) < median(reading) / 2


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
