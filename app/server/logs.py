"""Log lines: one JSON object each, ours and the libraries'. Ignores: what is logged."""

import json
import logging
import sys
from typing import TextIO

import structlog

ENCODER = json.JSONEncoder(default=repr)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process, ours and the libraries', as JSON to stderr or `stream`."""
    stream = stream or sys.stderr
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(to_json)],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(to_json),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    logging.captureWarnings(True)


def to_json(line: structlog.types.EventDict, **_: object) -> str:
    """A line as JSON; what has no form there as Python writes it."""
    return ENCODER.encode(line)
