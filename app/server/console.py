"""Log lines for people at a terminal: a short one per request, in colour if it failed."""

import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from structlog.typing import EventDict, WrappedLogger

YELLOW, RED = "\x1b[33m", "\x1b[31m"
PLAIN = "\x1b[0m"


def is_for_people(record: logging.LogRecord) -> bool:
    """Return whether a library's log line is worth showing: a warning, or what uvicorn
    waits for at shutdown.
    """
    return record.levelno >= logging.WARNING or "to force quit" in record.getMessage()


class Console:
    """Renders log lines, in colour unless the terminal has none or NO_COLOR is set:
    https://no-color.org.
    """

    def __init__(self, is_terminal: bool) -> None:
        self.has_colours = (
            is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> str:
        """Render a line, followed by its traceback if there is one."""
        values = dict(line)
        time, level, event = (
            values.pop(name) for name in ("timestamp", "level", "event")
        )
        traceback = values.pop("exception", "")
        severity = "" if level in ("debug", "info") else f"{level}: "
        text = printable(
            "\n".join(
                filter(None, [f"{time} {severity}{sentence(event, values)}", traceback])
            )
        )
        colour = colour_of(level, values.get("status", 0)) if self.has_colours else ""
        return f"{colour}{text}{PLAIN}" if colour else text


def sentence(event: str, values: Mapping[str, Any]) -> str:
    """Describe an event; for a request: method, path, status, time, and the name of its
    API key.
    """
    if event == "serving":
        models = ", ".join(
            f"{name} model {version}" for name, version in values["models"].items()
        )
        return (
            f"Digits {values['version']}, {models}, on {values['url']} (Ctrl-C stops "
            "it)"
        )
    if event == "request":
        key = f", key {values['key']}" if "key" in values else ""
        return (
            f"{values['method']} {quote(values['path'])} {values['status']} "
            f"{1000 * values['seconds']:.1f} ms{key}"
        )
    return " ".join([event, *(f"{name}={value}" for name, value in values.items())])


def colour_of(level: str, status: int) -> str:
    """Return red for errors, yellow for warnings and client errors."""
    if level in ("error", "critical") or status >= 500:
        return RED
    return YELLOW if level == "warning" or status >= 400 else ""


def printable(text: str) -> str:
    """Replace non-printable characters, which could affect the terminal; line breaks
    stay.
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "�" for letter in text
    )
