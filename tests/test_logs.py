"""Log lines: as text or JSON, and at the configured level."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog

from app.server import logs

UVICORN = logging.getLogger("uvicorn.error")


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def configured(monkeypatch) -> Iterator[Callable]:
    """Configure logging in a format, to a stream."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # pytest's handlers, which must not be closed
    monkeypatch.setattr(root, "level", root.level)

    def configure(format: str, level: str = "info", stream: type[StringIO] = StringIO) -> StringIO:
        logs.configure(level, format, written := stream())
        return written

    yield configure
    logging.captureWarnings(False)
    structlog.reset_defaults()


REQUEST = {"request_id": "1", "method": "POST", "path": "/predict", "status": 200, "seconds": 0.00617}


def test_lines_of_libraries_are_json_too_and_those_below_the_level_are_dropped(configured):
    stream = configured("json")
    structlog.get_logger("digits").debug("too much")
    logging.getLogger("library").debug("too much")
    UVICORN.warning("Unsupported upgrade request.")  # such as to HTTP/2: of no interest
    UVICORN.warning("from a library")
    structlog.get_logger("digits").info("just right", seconds=1)
    library, own = map(json.loads, stream.getvalue().splitlines())
    assert library.items() >= {"event": "from a library", "level": "warning"}.items()
    assert own.pop("timestamp").endswith("Z")
    assert own == {"event": "just right", "level": "info", "seconds": 1}


def test_metadata_of_pictures_is_not_logged_at_any_level(configured):
    stream = configured("json", "debug")
    for library in ("PIL.PngImagePlugin", "python_multipart.multipart"):
        logging.getLogger(library).debug("ImageDescription: secret")
    logging.getLogger("python_multipart.multipart").warning("Unknown Content-Transfer-Encoding: secret")
    logging.getLogger("another").debug("a line")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a line"]


@pytest.mark.parametrize(
    ("format", "stream", "is_text"),
    [("auto", StringIO, False), ("auto", Terminal, True), ("text", StringIO, True), ("json", Terminal, False)],
)
def test_terminals_get_text_and_others_json_by_default(configured, format, stream, is_text):
    stream = configured(format, stream=stream)
    structlog.get_logger().info("request", **REQUEST)
    assert stream.getvalue().startswith("{") != is_text


def test_text_shows_libraries_warnings_but_not_their_info_lines(configured):
    stream = configured("text")
    UVICORN.info("Waiting for application startup.")
    UVICORN.info("Waiting for connections to close. (CTRL+C to force quit)")
    UVICORN.warning("Invalid HTTP request received.")
    assert [line[9:] for line in stream.getvalue().splitlines()] == [
        "Waiting for connections to close. (CTRL+C to force quit)",
        "warning: Invalid HTTP request received.",
    ]
    stream = configured("text", "debug")
    UVICORN.info("Waiting for application startup.")
    assert stream.getvalue().endswith("Waiting for application startup.\n")


def test_an_unexpected_error_is_logged_with_its_traceback(configured):
    stream = configured("text")
    try:
        raise RuntimeError("\x1b[2Jcleared")
    except RuntimeError:
        structlog.get_logger().exception("unforeseen error", request_id="order-66")
    first, *traceback = stream.getvalue().splitlines()
    assert first.endswith("error: unforeseen error request_id=order-66")
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "RuntimeError: �[2Jcleared"


MODELS = {"digits": "121f41", "lines": "8d41b6"}


@pytest.mark.parametrize(
    ("event", "values", "line"),
    [
        ("request", {"path": "/predict"}, "POST /predict 200 6.2 ms"),
        ("request", {"path": "/\n12:00 POST /\x1b[2J\x9b"}, "POST /%0A12%3A00%20POST%20/%1B%5B2J%C2%9B 200 6.2 ms"),
        (
            "serving",
            {"url": "http://127.0.0.1:8000", "version": "1.0.0", "models": MODELS},
            "Digits 1.0.0, digits model 121f41, lines model 8d41b6, on http://127.0.0.1:8000 (Ctrl-C stops it)",
        ),
    ],
    ids=["a request", "a path that would forge a line", "the start"],
)
def test_lines_are_short_and_cannot_be_forged(configured, event, values, line):
    stream = configured("text", stream=Terminal)
    structlog.get_logger().info(event, **REQUEST | values if event == "request" else values)
    assert re.fullmatch(r"\d\d:\d\d:\d\d " + re.escape(line) + "\n", stream.getvalue())


@pytest.mark.parametrize(
    ("environment", "stream", "is_coloured"),
    [
        ({"TERM": "xterm"}, Terminal, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, Terminal, False),
        ({"TERM": "dumb"}, Terminal, False),
        ({"TERM": "xterm"}, StringIO, False),
    ],
)
def test_failures_are_coloured_on_a_colour_terminal(configured, monkeypatch, environment, stream, is_coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = configured("text", stream=stream)
    for status in (200, 422, 503):
        structlog.get_logger().info("request", **REQUEST | {"status": status})
    colours = [line.partition(":")[0][:-2] for line in stream.getvalue().splitlines()]
    assert colours == (["", "\x1b[33m", "\x1b[31m"] if is_coloured else [""] * 3)
