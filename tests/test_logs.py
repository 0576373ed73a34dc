"""Log lines: JSON, and at the level that is asked for."""

import json
import logging
from contextlib import suppress
from io import StringIO

import pytest
import structlog

from app.server import logs


@pytest.fixture
def lines(monkeypatch):
    """The log lines written so far, parsed."""
    root, stream = logging.getLogger(), StringIO()
    monkeypatch.setattr(root, "handlers", [])  # pytest's own, which must not be closed
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_library_lines_are_json_too(lines):
    logging.getLogger("uvicorn.error").warning("from a library")
    assert [(line["event"], line["level"]) for line in lines()] == [("from a library", "warning")]


def test_a_request_for_http_2_is_no_reason_for_a_warning(lines):
    logging.getLogger("uvicorn.error").warning("Unsupported upgrade request.")
    assert not lines()


def test_what_cannot_be_written_is_lost_and_no_more(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert logs.Stderr().write("a line\n" * 10_000) == 70_000
        monkeypatch.setattr("sys.stderr", None)
        assert logs.Stderr().write("a line\n") == 7
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_lines_below_the_level_are_left_out(lines):
    structlog.get_logger("digits").debug("too much")
    logging.getLogger("library").debug("too much")
    structlog.get_logger("digits").info("just right", seconds=1)
    (line,) = lines()
    assert (line["event"], line["level"], line["seconds"]) == ("just right", "info", 1)
    assert line["timestamp"].endswith("Z")
