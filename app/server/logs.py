"""Log lines of the service and its libraries: text on a terminal, JSON elsewhere."""

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO

import pydantic_core
import structlog
from structlog.processors import (
    JSONRenderer,
    TimeStamper,
    add_log_level,
    format_exc_info,
)
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from app.server.console import Console, is_for_people

OF_NO_INTEREST = (
    # A client, such as Java's or curl, only asked for HTTP/2.
    "Unsupported upgrade request",
    "No supported WebSocket library",
    # `app.server.loop` says it in words.
    "socket.accept() out of system resource",
)


def configure(level: str, format: str, stream: TextIO | None = None) -> None:
    """Write the log lines of this process and its libraries to stderr, or `stream`."""
    stream = stream or Stderr()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    is_text = format == "text" or (format == "auto" and stream.isatty())
    stamp = TimeStamper("%H:%M:%S", utc=False) if is_text else TimeStamper("iso")
    render: Processor = JSONRenderer(to_json)
    if is_text:
        render = Console(stream.isatty())
    shared: list[Processor] = [add_log_level, stamp, format_exc_info]
    structlog.configure(
        processors=[*shared, render],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, render],
        )
    )
    if is_text and threshold > logging.DEBUG:
        handler.addFilter(is_for_people)
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    logging.captureWarnings(True)
    # Its debug lines contain metadata.
    logging.getLogger("PIL").setLevel(max(threshold, logging.INFO))
    # Its other lines contain bodies and their headers.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(is_of_interest)


def to_json(line: object, **_: object) -> str:
    """Convert a log line to JSON, whatever its values are."""
    return pydantic_core.to_json(line, fallback=repr).decode()


def is_of_interest(record: logging.LogRecord) -> bool:
    """Return whether a line of uvicorn or asyncio says something worth knowing."""
    return not record.getMessage().startswith(OF_NO_INTEREST)


class Stderr(io.StringIO):
    """Standard error, which drops what it cannot write: it may be closed, or full."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return bool(sys.stderr and sys.stderr.isatty())

    def write(self, text: str, /) -> int:
        """Write text, if possible."""
        if sys.stderr:
            with suppress(OSError):
                sys.stderr.write(text)
        return len(text)
