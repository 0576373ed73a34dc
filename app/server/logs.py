"""Log lines of the service and its libraries: text on a terminal, else one JSON object
per line.
"""

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

from app.server.console import Console, is_for_people


def configure(level: str, format: str, stream: TextIO | None = None) -> None:
    """Write all log lines of this process, including those of libraries, to stderr or
    `stream`.
    """
    stream = stream or Stderr()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    is_text = format == "text" or (format == "auto" and stream.isatty())
    render: structlog.types.Processor
    if is_text:
        stamp, render = TimeStamper("%H:%M:%S", utc=False), Console(stream.isatty())
    else:
        stamp, render = TimeStamper("iso"), JSONRenderer(to_json)
    shared: list[structlog.types.Processor] = [add_log_level, stamp, format_exc_info]
    structlog.configure(
        processors=[*shared, render],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
    )
    handler = logging.StreamHandler(stream)
    processors: list[structlog.types.Processor] = [
        ProcessorFormatter.remove_processors_meta,
        render,
    ]
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=shared, processors=processors)
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
    """Return False if a client, such as Java's or curl, only asked for HTTP/2, or for
    what `loop` logs in words.
    """
    return not record.getMessage().startswith(
        (
            "Unsupported upgrade request",
            "No supported WebSocket library",
            "socket.accept() out of system resource",
        )
    )


class Stderr(io.StringIO):
    """Standard error, which may be closed or on a full disk: lines that cannot be
    written are dropped.
    """

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return bool(sys.stderr and sys.stderr.isatty())

    def write(self, text: str, /) -> int:
        """Write text, if possible."""
        if sys.stderr:
            with suppress(OSError):
                sys.stderr.write(text)
        return len(text)
