"""Documents on the page: their pages arrive one by one, and those that were lost are
asked for again.
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread

import httpx2
import pytest
from playwright.sync_api import Route, expect

from browsing import (
    answered,
    button,
    choose,
    click,
    columns_of,
    expect_text,
    expect_words,
    press,
    saved,
    stored_answers,
)
from pictures import encode
from services import until

pytestmark = pytest.mark.slow

PDF = b"%PDF-"
CUT = object()  # in place of a line: the connection is lost
SENT_AGAIN = "Trying again …"


def problem(status: int, name: str, detail: str) -> dict:
    error = {"type": f"/problems/{name}", "status": status, "detail": detail}
    return {"error": error}


BUSY = problem(503, "overloaded", "Earlier pages take too long: try again in 1 s.")
DAMAGED = problem(422, "corrupt-image", "The page is damaged.")


@pytest.fixture(scope="module")
def read(url, sheet) -> dict:
    """The service's answer for a page with four lines."""
    address = f"{url}/read?frame=true&picture=true"
    return httpx2.post(address, content=encode(sheet), timeout=60).json()


class Stream:
    """A service whose answers to /read are the lines that a test sends."""

    def __init__(self, read: dict) -> None:
        self.read = read
        self.lines: Queue = Queue()
        self.asked: list[httpx2.QueryParams] = []
        self.accepted: list[str] = []

    def send(self, number: int, count: int, page: dict | None = None) -> None:
        """Send a page, which is read unless something else is given."""
        line = {"page": number, "pages": count, **(page or self.read)}
        self.lines.put(json.dumps(line).encode() + b"\n")

    def end(self, how: object = b"") -> None:
        """End the answer, as a whole or cut off."""
        self.lines.put(how)

    @property
    def ranges(self) -> list[str | None]:
        """The pages of each request."""
        return [query.get("page") for query in self.asked]


@pytest.fixture
def stream(page, read) -> Iterator[Stream]:
    """The service that answers the page's requests to read something."""
    stream = Stream(read)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            stream.asked.append(httpx2.URL(self.path).params)
            stream.accepted.append(self.headers["Accept"])
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while (line := stream.lines.get()) is not CUT:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                if not line:
                    return
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        address = f"http://127.0.0.1:{server.server_port}"

        def redirect(route: Route) -> None:
            query = route.request.url.partition("?")[2]
            route.continue_(url=f"{address}/read?{query}")

        page.route("**/read?*", redirect)
        yield stream
        stream.end(CUT)
        server.shutdown()


def test_each_page_is_shown_as_soon_as_it_has_arrived(page, stream):
    progress = page.locator("#list progress")
    choose(page, "scan.pdf", PDF)
    expect_text(page, "#message", "Reading …")
    expect(progress).to_be_hidden()
    stream.send(1, 4)
    expect_text(page, "#sum", "Page 1 of 4 (1 read): 4 lines, all sure")
    assert answered(page) == "725"
    expect_words(page, "#list li", "1 of 4 pages read")
    expect(progress).to_have_js_property("value", 0.25)
    button(page, "Next page").press("Enter")
    expect_text(page, "#message", "Reading …")
    stream.send(2, 4)
    expect_text(page, "#sum", "Page 2 of 4 (2 read): 4 lines, all sure")
    assert answered(page) == "725"
    expect_text(page, "#counts", "0 of 1 read")
    stream.send(3, 4)
    stream.send(4, 4)
    stream.end()
    expect_text(page, "#counts", "1 in all: 1 sure, 0 in doubt, 0 not read")
    expect_text(page, "#sum", "Page 2 of 4: 4 lines, all sure")
    expect(progress).to_be_hidden()
    assert columns_of(saved(page), "page")[::4] == ["1", "2", "3", "4"]
    [asked] = stream.asked
    assert asked["rotate"] == "auto"
    assert asked["picture"] == "true"
    assert stream.accepted == ["application/x-ndjson"]


def test_what_is_edited_or_chosen_stays_while_further_pages_arrive(page, stream):
    choose(page, "scan.pdf", PDF)
    stream.send(1, 3)
    page.click("#lines label >> nth=2")
    for text in ("17", "18"):
        click(page, "Edit")
        page.get_by_label("Line 3: ").fill(text)
        if text == "17":
            press(page, "Enter")
    stream.send(2, 3)
    expect_words(page, "#sum", "(2 read)")
    stream.send(3, 3)
    stream.end()
    expect_words(page, "#counts", "1 in all")
    expect(page.get_by_label("Line 3: ")).to_be_focused()
    press(page, "Enter")
    expect_text(page, "#digits", "18")
    assert columns_of(saved(page), "text")[2] == "18"
    press(page, "Control+z", "Control+z")
    assert columns_of(saved(page), "text") == ["725", "10", "42.50", "-35"] * 3
    assert len(stream.asked) == 1


def test_only_lost_pages_are_asked_for_again_and_none_is_read_twice(page, stream):
    """The connection is lost, the answer ends early, and the service is busy."""
    choose(page, "scan.pdf", PDF)
    stream.send(1, 7)
    stream.send(2, 7)
    expect_words(page, "#list li", "2 of 7 pages read")
    stream.end(CUT)
    expect_words(page, "#list li", f"2 of 7 pages read. {SENT_AGAIN}")
    stream.send(3, 7)
    expect_text(page, "#list li > button > span:last-of-type", "3 of 7 pages read")
    stream.send(4, 7, BUSY)
    stream.send(5, 7)
    stream.send(6, 7, BUSY)
    stream.end()
    expect_words(page, "#list li", f"The service is busy. {SENT_AGAIN}")
    stream.send(4, 7)
    stream.send(6, 7, DAMAGED)
    stream.end()
    stream.send(7, 7)
    stream.end()
    expect_words(page, "#list li", "1 of 7 pages not read")
    assert stream.ranges == [None, "3-7", "4-4,6-7", "7-7"]
    expect_text(page, "#counts", "1 in all: 0 sure, 0 in doubt, 1 not read")
    expect(button(page, "Try again")).to_be_hidden()  # the file is damaged
    rows = saved(page)
    assert len(rows) == 6 * 4 + 1
    assert columns_of(rows[20:21], "page", "error", "problem") == [
        "6,The page is damaged.,corrupt-image"
    ]


def test_a_document_in_doubt_is_read_only_once(page, stream):
    """A picture without a digit is read again, to say what it is most like."""
    nothing = {**stream.read, "text": "", "lines": [], "confidence": 0.4}
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    choose(page, "scan.pdf", PDF)
    for number in (1, 2):
        stream.send(number, 2, nothing)
    stream.end()
    expect_text(page, "#counts", "1 in all: 0 sure, 1 in doubt, 0 not read")
    click(page, "Next page")
    assert answered(page) == "?"
    assert saved(page)[1]["text"] == ""
    assert stream.ranges == [None]
    assert sent.count("POST") == 2  # the document, and the rows of the CSV


def test_pages_that_were_read_survive_a_reload_and_a_removal(page, stream):
    choose(page, "scan.pdf", PDF)
    stream.send(1, 3)
    expect_words(page, "#sum", "(1 read)")
    assert until(lambda: "42.50" in stored_answers(page))
    stream.end(CUT)
    expect_words(page, "#list li", SENT_AGAIN)
    page.reload()
    expect_text(page, "#sum", "Page 1 of 3 (1 read): 4 lines, all sure")
    stream.send(2, 3)
    expect_words(page, "#list li", "2 of 3 pages read")
    with page.expect_event("requestfailed"):  # aborted by the page
        click(page, "Remove scan.pdf")
    stream.end(CUT)
    assert until(stream.lines.empty)  # the removed one has taken it
    press(page, "Control+z")
    stream.send(3, 3)
    stream.end()
    expect_text(page, "#counts", "1 in all: 1 sure, 0 in doubt, 0 not read")
    assert set(stream.ranges) == {None, "2-3", "3-3"}
