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
    # Pytest's handlers, which must not be closed.
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)

    def configure(
        format: str, level: str = "info", stream: type[StringIO] = StringIO
    ) -> StringIO:
        logs.configure(level, format, written := stream())
        return written

    yield configure
    logging.captureWarnings(False)
    structlog.reset_defaults()


def log_a_request(path="/predict", status=200, **more):
    line = {
        "request_id": "1",
        "method": "POST",
        "path": path,
        "status": status,
        "seconds": 0.00617,
        **more,
    }
    structlog.get_logger().info("request", **line)


def test_lines_of_libraries_are_json_too_and_those_below_the_level_are_dropped(
    configured,
):
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
    logging.getLogger("python_multipart.multipart").warning(
        "Unknown Content-Transfer-Encoding: secret"
    )
    logging.getLogger("another").debug("a line")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "a line"
    ]


@pytest.mark.parametrize(
    ("format", "stream", "is_text"),
    [
        ("auto", StringIO, False),
        ("auto", Terminal, True),
        ("text", StringIO, True),
        ("json", Terminal, False),
    ],
)
def test_terminals_get_text_and_others_json_by_default(
    configured, format, stream, is_text
):
    stream = configured(format, stream=stream)
    log_a_request()
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") != is_text
    if is_text:
        assert re.fullmatch(r"\d\d:\d\d:\d\d POST /predict 200 6\.2 ms", line)


def test_a_request_with_an_api_key_shows_its_name(configured):
    stream = configured("text")
    log_a_request(key="website")
    assert stream.getvalue()[9:] == "POST /predict 200 6.2 ms, key website\n"


def test_the_start_up_line_has_the_address(configured):
    stream = configured("text")
    models = {"digits": "121f", "lines": "8d41"}
    structlog.get_logger().info(
        "serving", url="http://x:80", version="1.0.0", models=models
    )
    line = (
        "Digits 1.0.0, digits model 121f, lines model 8d41, on http://x:80 (Ctrl-C "
        "stops it)\n"
    )
    assert stream.getvalue()[9:] == line


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


def test_a_path_cannot_forge_a_line_or_reach_the_terminal(configured):
    stream = configured("text", stream=Terminal)
    log_a_request("/\n12:00:00 POST /\x1b[2J\x9b")
    assert (
        stream.getvalue()[9:]
        == "POST /%0A12%3A00%3A00%20POST%20/%1B%5B2J%C2%9B 200 6.2 ms\n"
    )


@pytest.mark.parametrize(
    ("term", "no_color", "stream"),
    [
        ("xterm", "", Terminal),
        ("xterm", "1", Terminal),
        ("dumb", "", Terminal),
        ("xterm", "", StringIO),
    ],
)
def test_failures_are_coloured_on_a_colour_terminal(
    configured, monkeypatch, term, no_color, stream
):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    is_coloured = (term, no_color, stream) == ("xterm", "", Terminal)
    stream = configured("text", stream=stream)
    for status in (200, 422, 503):
        log_a_request(status=status)
    colours = [line.partition(":")[0][:-2] for line in stream.getvalue().splitlines()]
    assert colours == (["", "\x1b[33m", "\x1b[31m"] if is_coloured else [""] * 3)
