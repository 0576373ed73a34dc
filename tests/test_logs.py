"""Log lines: as text or JSON, and at the configured level."""

import json
import logging
import re
from contextlib import suppress
from io import StringIO

import pytest
import structlog

from app.server import logs


@pytest.fixture
def lines(monkeypatch):
    """Parse the log lines written so far."""
    root, stream = logging.getLogger(), StringIO()
    monkeypatch.setattr(root, "handlers", [])  # pytest's handlers, which must not be closed
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("info", "auto", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_library_lines_are_json_too(lines):
    logging.getLogger("uvicorn.error").warning("from a library")
    assert [(line["event"], line["level"]) for line in lines()] == [("from a library", "warning")]


def test_a_request_for_http_2_logs_no_warning(lines):
    logging.getLogger("uvicorn.error").warning("Unsupported upgrade request.")
    assert not lines()


def test_a_line_that_cannot_be_written_is_dropped(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert logs.Stderr().write("a line\n" * 10_000) == 70_000
        monkeypatch.setattr("sys.stderr", None)
        assert logs.Stderr().write("a line\n") == 7
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_lines_below_the_level_are_dropped(lines):
    structlog.get_logger("digits").debug("too much")
    logging.getLogger("library").debug("too much")
    structlog.get_logger("digits").info("just right", seconds=1)
    (line,) = lines()
    assert (line["event"], line["level"], line["seconds"]) == ("just right", "info", 1)
    assert line["timestamp"].endswith("Z")


def test_metadata_of_pictures_is_not_logged_at_any_level(configured):
    stream = configured("json", StringIO(), "debug")
    for library in ("PIL.PngImagePlugin", "python_multipart.multipart"):
        logging.getLogger(library).debug("ImageDescription: secret")
    logging.getLogger("python_multipart.multipart").warning("Unknown Content-Transfer-Encoding: secret")
    logging.getLogger("another").debug("a line")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a line"]


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def configured(lines):
    """Configure logging in a format, to a stream."""

    def configure(format, stream, level="info"):
        logs.configure(level, format, stream)
        return stream

    return configure


def log_a_request(path="/predict", status=200):
    structlog.get_logger().info("request", request_id="1", method="POST", path=path, status=status, seconds=0.00617)


@pytest.mark.parametrize(
    ("format", "stream", "is_text"),
    [
        ("auto", StringIO, False),
        ("auto", Terminal, True),
        ("text", StringIO, True),
        ("json", Terminal, False),
    ],
)
def test_terminals_get_text_and_others_json_by_default(configured, format, stream, is_text):
    stream = configured(format, stream())
    log_a_request()
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") != is_text
    if is_text:
        assert re.fullmatch(r"\d\d:\d\d:\d\d POST /predict 200 6\.2 ms", line)


def test_the_start_up_line_has_the_address(configured):
    stream = configured("text", StringIO())
    models = {"digits": "121f4111e3d5", "lines": "8d41b6e05c72"}
    structlog.get_logger().info("serving", url="http://127.0.0.1:8000", version="1.0.0", models=models)
    versions = "digits model 121f4111e3d5, lines model 8d41b6e05c72"
    assert stream.getvalue()[9:] == f"Digits 1.0.0, {versions}, on http://127.0.0.1:8000 (Ctrl-C stops it)\n"


def test_text_shows_libraries_warnings_but_not_their_info_lines(configured):
    stream = configured("text", StringIO())
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("uvicorn.error").info("Waiting for connections to close. (CTRL+C to force quit)")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [line[9:] for line in stream.getvalue().splitlines()] == [
        "Waiting for connections to close. (CTRL+C to force quit)",
        "warning: Invalid HTTP request received.",
    ]
    stream = configured("text", StringIO(), "debug")
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    assert stream.getvalue().endswith("Waiting for application startup.\n")


def test_an_unexpected_error_is_logged_with_its_traceback(configured):
    stream = configured("text", StringIO())
    try:
        raise RuntimeError("\x1b[2Jcleared")
    except RuntimeError:
        structlog.get_logger().exception("unforeseen error", request_id="order-66")
    first, *traceback = stream.getvalue().splitlines()
    assert first.endswith("error: unforeseen error request_id=order-66")
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "RuntimeError: �[2Jcleared"


def test_a_path_cannot_forge_a_line_or_reach_the_terminal(configured):
    stream = configured("text", Terminal())
    log_a_request("/\n12:00:00 POST /\x1b[2J\x9b")
    assert stream.getvalue()[9:] == "POST /%0A12%3A00%3A00%20POST%20/%1B%5B2J%C2%9B 200 6.2 ms\n"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_failures_are_coloured_on_a_colour_terminal(configured, monkeypatch, environment, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = configured("auto", Terminal())
    for status in (200, 422, 503):
        log_a_request(status=status)
    good, wrong, failed = stream.getvalue().splitlines()
    assert "\x1b" not in good
    assert ([wrong[:5], failed[:5]] == ["\x1b[33m", "\x1b[31m"]) == coloured
    assert ("\x1b" in wrong, "\x1b" in failed) == (coloured, coloured)
    file = configured("text", StringIO())
    log_a_request(status=503)
    assert "\x1b" not in file.getvalue()
