"""Log lines as a person reads them at a terminal: a short one for each request, in colour where it failed."""

import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from structlog.typing import EventDict, WrappedLogger

YELLOW, RED = "\x1b[33m", "\x1b[31m"
PLAIN = "\x1b[0m"


def is_for_people(record: logging.LogRecord) -> bool:
    """Whether a library's line is worth reading: its warnings, and what uvicorn waits for when it stops."""
    return record.levelno >= logging.WARNING or "to force quit" in record.getMessage()


class Console:
    """Renders log lines, in colour if the terminal wants it: https://no-color.org."""

    def __init__(self, is_terminal: bool) -> None:
        self.has_colours = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> str:
        """A line, below it the traceback if there is one."""
        values = dict(line)
        time, level, event = (values.pop(name) for name in ("timestamp", "level", "event"))
        traceback = values.pop("exception", "")
        severity = "" if level in ("debug", "info") else f"{level}: "
        text = printable("\n".join(filter(None, [f"{time} {severity}{sentence(event, values)}", traceback])))
        colour = colour_of(level, values.get("status", 0)) if self.has_colours else ""
        return f"{colour}{text}{PLAIN}" if colour else text


def sentence(event: str, values: Mapping[str, Any]) -> str:
    """What happened: for a request its method, path, status and time."""
    if event == "serving":
        return "Digits {version}, model {model}, on {url} (Ctrl-C stops it)".format(**values)
    if event == "request":
        return f"{values['method']} {quote(values['path'])} {values['status']} {1000 * values['seconds']:.1f} ms"
    return " ".join([event, *(f"{name}={value}" for name, value in values.items())])


def colour_of(level: str, status: int) -> str:
    """Red for errors, yellow for warnings and what clients do wrong."""
    if level in ("error", "critical") or status >= 500:
        return RED
    return YELLOW if level == "warning" or status >= 400 else ""


def printable(text: str) -> str:
    """Text without letters that would do something to the terminal; its lines stay lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
