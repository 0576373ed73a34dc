"""Middleware: request id, security headers, log line, metrics; rests of bodies.

No content, file name or picture is logged.
"""

import asyncio
import re
import secrets
from contextlib import ExitStack, suppress
from time import perf_counter

import structlog
from opentelemetry import trace
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.answers.errors import AmbiguousLength, ShuttingDown
from app.answers.problems import TYPES
from app.metrics import Metrics
from app.text.field import InvalidField
from app.web import problems

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_QUERY_BYTES = 1024  # 16 kB of parameters take 8 ms to parse
# Nginx's code for a client that disconnected before the response.
CLIENT_CLOSED_REQUEST = 499
POLICY = (
    "default-src 'none'; script-src 'self'{}; style-src 'self'; img-src 'self' data: "
    "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Nothing from another host, nothing inline.
    (b"content-security-policy", POLICY.format("").encode()),
    # The page's scripts import each other, and so must be of one version.
    (b"cache-control", b"no-cache"),
]


class RequestMiddleware:
    """ASGI middleware around the whole application; also answers unforeseen errors."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self.log = structlog.get_logger().bind()  # bound once, not for each line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; see the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Or it passes a proxy that blocks a path.
        scope["path"] = scope["path"].replace("\n", "%0A")
        request = Request(scope)
        request_id = request.headers.get("x-request-id", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16)
        request.state.request_id = request_id
        headers = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
        started = perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = dict(message["headers"])
                message["headers"] += [each for each in headers if each[0] not in given]
            await send(message)

        with (
            self.metrics.in_flight.track_inprogress(),
            ExitStack() as request.state.until_sent,
        ):
            try:
                check(request)
                await self.app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = CLIENT_CLOSED_REQUEST
            # The last place to answer it, and to log it.
            except (Exception, asyncio.CancelledError) as error:
                # uvicorn cancels what is left as it stops.
                cause = error if isinstance(error, Exception) else ShuttingDown()
                if type(cause) not in TYPES:
                    self.log.exception("unforeseen error", request_id=request_id)
                if not status:
                    response = await problems.respond(request, cause)
                    await response(scope, receive, send_with_headers)
        self.finish(scope, status, perf_counter() - started)

    def finish(self, scope: Scope, status: int, seconds: float) -> None:
        """Log and count a finished request."""
        state = scope["state"]
        line = {
            "request_id": state["request_id"],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "seconds": round(seconds, 6),
        }
        if "key" in state:
            line["key"] = state["key"]
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
        self.log.info("request", **line)
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.requests.labels(route, status).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)


def check(request: Request) -> None:
    """Raise InvalidField if the query is too long, or AmbiguousLength if two headers
    say where the body ends.
    """
    query = request.scope["query_string"]
    if len(query) > MAX_QUERY_BYTES:
        raise InvalidField(
            f"The query has {len(query):,} bytes, more than {MAX_QUERY_BYTES:,}: "
            "shorten it."
        )
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        raise AmbiguousLength(
            "The request has both Content-Length and Transfer-Encoding: send one of "
            "them."
        )


class LingeringMiddleware:
    """ASGI middleware that reads a refused body before the connection closes.

    It is for clients that send the whole request before they read, as Python's urllib
    does. Data that arrives on a closed connection resets it, and such a client would
    see that in place of the response.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; see the class."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        options = headers.get("connection", "").lower().split(",")
        is_last = "close" in map(str.strip, options)
        closes = is_last or scope.get("http_version") == "1.0"
        if not closes or "expect" in headers:
            await self.app(scope, receive, send)
            return
        has_more = True

        async def receive_and_note() -> Message:
            nonlocal has_more
            message = await receive()
            has_more = message.get("more_body", False)
            return message

        async def send_after_the_body(message: Message) -> None:
            nonlocal has_more
            with suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    while has_more:
                        await receive_and_note()
            has_more = False  # or each further message would wait again
            await send(message)

        await self.app(scope, receive_and_note, send_after_the_body)
