"""Log lines for people: a short one for each request, in colour if it failed."""

import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from structlog.typing import EventDict, WrappedLogger

from app.printable import printable

YELLOW = "\x1b[33m"
RED = "\x1b[31m"
PLAIN = "\x1b[0m"


def is_for_people(record: logging.LogRecord) -> bool:
    """Return whether a library's line is a warning, or what shutdown waits for."""
    return record.levelno >= logging.WARNING or "to force quit" in record.getMessage()


class Console:
    """Renders log lines, in colour unless the terminal has none or NO_COLOR is set.

    See https://no-color.org.
    """

    def __init__(self, is_terminal: bool) -> None:
        self.has_colours = (
            is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> str:
        """Render a line, followed by its traceback if there is one."""
        time = line.pop("timestamp")
        level = line.pop("level")
        event = line.pop("event")
        traceback = line.pop("exception", None)
        severity = "" if level in ("debug", "info") else f"{level}: "
        text = f"{time} {severity}{sentence(event, line)}"
        if traceback:
            text += f"\n{traceback}"
        text = printable(text, kept="\n")
        colour = colour_of(level, line.get("status", 0)) if self.has_colours else ""
        return f"{colour}{text}{PLAIN}" if colour else text


def sentence(event: str, values: Mapping[str, Any]) -> str:
    """Describe an event, such as a request, in one line."""
    if event == "serving":
        models = ", ".join(
            f"{name} model {version}" for name, version in values["models"].items()
        )
        address = f"on {values['url']} (Ctrl-C stops it)"
        return f"Digits {values['version']}, {models}, {address}"
    if event == "request":
        request = f"{values['method']} {quote(values['path'])} {values['status']}"
        key = f", key {values['key']}" if "key" in values else ""
        return f"{request} {1000 * values['seconds']:.1f} ms{key}"
    return " ".join([event, *(f"{name}={value}" for name, value in values.items())])


def colour_of(level: str, status: int) -> str:
    """Return red for errors, yellow for warnings and client errors."""
    if level in ("error", "critical") or status >= 500:
        return RED
    return YELLOW if level == "warning" or status >= 400 else ""
