"""Log lines: one JSON object each, ours and the libraries'."""

import logging
import sys
from typing import TextIO

import pydantic_core
import structlog
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter


def configure(level: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process, ours and the libraries', as JSON to stderr or `stream`."""
    stream = stream or sys.stderr
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
