"""Middleware for every request: admission, request id, security headers, log line and metrics.

No content, file name or picture is logged.
"""

import asyncio
import random
import re
import secrets
from time import perf_counter

import structlog
from opentelemetry import trace
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics
from app.web import problems
from app.web.admission import Admission, Resource, picture_route
from app.web.errors import Overloaded, WebError

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_QUERY_BYTES = 1024  # the rest is ignored; 16 kB of parameters take 8 ms to parse
CLIENT_CLOSED_REQUEST = 499  # nginx's code for a client that disconnected before the response
# Delay of an Overloaded response: random, so that clients that retry at once do not do so together.
REFUSAL_SECONDS = 0.5, 1.0
POLICY = (
    "default-src 'none'; script-src 'self'{}; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", POLICY.format("").encode()),  # nothing from another host, nothing inline
]


class RequestMiddleware:
    """ASGI middleware around the whole application; also answers unforeseen errors."""

    def __init__(self, app: ASGIApp, admission: Admission, metrics: Metrics) -> None:
        self.app = app
        self.admission = admission
        self.metrics = metrics
        self.log = structlog.get_logger().bind()  # bound once, not for each line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; see the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Files are sent whole, as RFC 9110 allows: Starlette would answer an invalid Range in plain text. No route uses
        # cookies, but FastAPI parses them: before Python 3.11.10 and 3.12.6, 16 kB of backslashes in one take 0.2 s.
        scope["headers"] = [header for header in scope["headers"] if header[0] not in (b"range", b"cookie")]
        scope["query_string"] = scope["query_string"][:MAX_QUERY_BYTES]
        scope["path"] = scope["path"].replace("\n", "%0A")  # Starlette's routes would also match with one more newline
        request = Request(scope)
        given_id = request.headers.get("x-request-id", "")
        request_id = given_id if REQUEST_ID.fullmatch(given_id) else secrets.token_hex(16)
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # now: mounted applications change the root path
        route = picture_route(path) if scope["method"] == "POST" else None
        headers = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
        started, status = perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                message["headers"] += [header for header in headers if header[0] not in given]
            await send(message)

        with self.metrics.in_flight.track_inprogress(), self.admission.holding() as holding:
            scope["state"] |= {"request_id": request_id, "holding": holding}
            try:
                if route:
                    await self.admit(request, route)
                await self.app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = CLIENT_CLOSED_REQUEST
            except Exception as error:  # the last place to answer it, and to log it with the request id
                if not isinstance(error, WebError):
                    self.log.exception("unforeseen error", request_id=request_id)
                if not status:
                    response = await problems.respond(request, error)
                    await response(scope, receive, send_with_headers)
        self.finish(scope, path, status, perf_counter() - started)

    async def admit(self, request: Request, route: str) -> None:
        """Raise UploadTooLarge or Overloaded if a request has to be refused before its body is read.

        Overloaded is raised after a delay. When 400 clients send 640×480 JPEGs at ten times the capacity and retry at
        once, the throughput is 77 % of the unloaded one with the delay, and 35 % without.
        """
        declared = int(request.headers.get("content-length", 0))  # a server refuses what is not a number
        try:
            self.admission.check(route, declared)
        except Overloaded:
            request.state.holding.take(Resource.REFUSED)  # raises at once if many are waiting already
            await asyncio.sleep(random.uniform(*REFUSAL_SECONDS))  # noqa: S311 - no secret
            raise

    def finish(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        """Log and count a finished request; `path` is that without the root path."""
        request_id, span = scope["state"]["request_id"], trace.get_current_span().get_span_context()
        line = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
        traced = {"trace_id": trace.format_trace_id(span.trace_id)} if span.is_valid else {}
        self.log.info("request", **line, seconds=round(seconds, 6), **traced)
        route = getattr(scope.get("route"), "path", picture_route(path) or "none")
        self.metrics.requests.labels(route, status).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
