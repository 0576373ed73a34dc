"""Log lines: one JSON object each, ours and the libraries'."""

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO

import pydantic_core
import structlog
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter


def configure(level: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process, ours and the libraries', as JSON to stderr or `stream`."""
    stream = stream or Stderr()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [add_log_level, TimeStamper(fmt="iso", utc=True), format_exc_info]
    render = JSONRenderer(lambda line, **_: pydantic_core.to_json(line, fallback=repr).decode())
    structlog.configure(
        processors=[*shared, render],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
    )
    handler = logging.StreamHandler(stream)
    processors: list[structlog.types.Processor] = [ProcessorFormatter.remove_processors_meta, render]
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=shared, processors=processors))
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn.error").addFilter(is_of_interest)


def is_of_interest(record: logging.LogRecord) -> bool:
    """Whether a line is more than that a client, as Java's and curl's may, asked for HTTP/2 and got HTTP/1.1."""
    return not record.getMessage().startswith(("Unsupported upgrade request", "No supported WebSocket library"))


class Stderr(io.StringIO):
    """Standard error, which may be closed, or on a full disk: a line that cannot be written is lost, no more."""

    def write(self, text: str, /) -> int:
        """Write what can be written."""
        if sys.stderr:
            with suppress(OSError):
                sys.stderr.write(text)
        return len(text)
