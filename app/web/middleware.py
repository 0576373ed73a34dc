"""What every request gets: an id, security headers, a log line, and its place in the metrics.

Ignores: what a request carries; no content, file name or picture reaches the log.
"""

import re
import secrets
from collections.abc import Mapping
from functools import cache
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web import problems
from app.metrics import Metrics
from app.inference.reader import Abandoned
from app.web.headers import Headers

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HUNG_UP = 499  # as nginx has it: nobody was there to be answered


class RequestMiddleware:
    """ASGI middleware around the whole application; it also answers what nobody foresaw.

    `headers` are those of each path, and under "" of all others.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: Mapping[str, Headers]) -> None:
        self.app = app
        self.metrics = metrics
        self.headers = headers
        self.log = structlog.get_logger().bind()  # bound once: it would be anew for each line
        self.collectors = cache(self.collectors_of)  # there are few routes and statuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; see the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        added = [*self.headers.get(scope["path"], self.headers[""]), (b"x-request-id", request_id.encode())]
        started, status = perf_counter(), 0

        async def send_more(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, send_more)
            except (ClientDisconnect, Abandoned):
                status = HUNG_UP
            except Exception as error:  # the last place to answer it, and to log it under the request's id
                self.log.exception("unforeseen error", request_id=request_id)
                if not status:
                    response = await problems.on_unforeseen(request, error)
                    await response(scope, receive, send_more)
            self.finish(scope, status, perf_counter() - started)

    def finish(self, scope: Scope, status: int, seconds: float) -> None:
        """Log and count a request that is over."""
        self.log.info(
            "request",
            request_id=scope["state"]["request_id"],
            method=scope["method"],
            path=scope["path"],
            status=status,
            seconds=round(seconds, 6),
        )
        requests, durations = self.collectors(getattr(scope.get("route"), "path", "none"), status)
        requests.inc()
        durations.observe(seconds)
        if problem := scope["state"].get("problem"):
            self.metrics.rejected.labels(problem).inc()

    def collectors_of(self, route: str, status: int) -> tuple[Counter, Histogram]:
        """What counts and what times the requests for a route that get a status."""
        return self.metrics.requests.labels(route, status), self.metrics.request_seconds.labels(route)
