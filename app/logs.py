"""Log lines: one JSON object each, and one for each request, with its id.

Ignores: what a request carries; no content, file name or picture reaches the log.
"""

import logging
import re
import time
import uuid
from typing import TextIO

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process, ours and the libraries', as JSON to stderr or `stream`."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)


class RequestLog:
    """ASGI middleware: gives each request its id, logs it, and answers what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.stdlib.get_logger("digits")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; see the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.state.request_id = request_id
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except ClientDisconnect:
                self.log.info("the client hung up")
            except Exception:  # the last place to answer it, and to log it under the request's id
                self.log.exception("unforeseen error")
                if not status:
                    await problems.on_unforeseen(request)(scope, receive, send_with_id)
            self.log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(time.perf_counter() - started, 6),
            )
