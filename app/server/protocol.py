"""HTTP/1.1 on one connection: uvicorn's protocol, and limits on what comes before the application.

Where the service has too much to do, requests are refused here, before they are read: an eighth of what it costs
to let the application refuse them, which would leave it little time to answer the others. Ignores: request bodies,
which `app.web.uploads` counts as it reads them.
"""

import asyncio
import secrets
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.web import admission as limits, problems

MAX_HEADER_BYTES = 32_768
REFUSED = SimpleNamespace(response_complete=True, message_event=asyncio.Event())  # in the place of a request in hand
MAX_PIPELINED = 32  # requests that one connection may have waiting behind the one that is answered


class Protocol(HttpToolsProtocol):
    """A connection that closes where headers are too long, too slow, or too many requests are sent ahead."""

    def __init__(self, *arguments: Any, header_timeout_seconds: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.header_timeout_seconds = header_timeout_seconds
        self.header_timer: asyncio.TimerHandle | None = None
        self.header_bytes = 0
        self.in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Headers are expected from now on."""
        super().connection_made(transport)
        self.await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        super().connection_lost(exc)
        self.stop_timer()

    def data_received(self, data: bytes) -> None:
        """Parse what came; where headers are begun and not complete, they have so much time and room."""
        super().data_received(data)
        if self.in_headers and not self.transport.is_closing():
            self.header_bytes += len(data)
            if self.header_bytes > MAX_HEADER_BYTES:
                self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"At most {MAX_HEADER_BYTES:,} bytes.")
            self.await_headers()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.in_headers = True
        self.header_bytes = 0

    def on_headers_complete(self) -> None:
        """The empty line after the headers."""
        self.in_headers = False
        self.stop_timer()
        if self.url.startswith(b"/predict") and self.is_idle() and not self.will_be_taken():
            self.refuse_to_predict()
            return
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Whether the last request of this connection has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def will_be_taken(self) -> bool:
        """Whether the application has room for the request whose headers have come."""
        sizes = [int(value) for name, value in self.headers if name == b"content-length" and value.isdigit()]
        taken: bool = self.app_state["service"].reader.will_take(max(sizes, default=0))
        return taken

    def refuse_to_predict(self) -> None:
        """Answer that there is too much to do, and let what comes of the request pass by."""
        kind, path = problems.KINDS[limits.Overloaded], "/predict"
        detail = "Too many pictures are waiting already: send this one again in a second."
        self.write_problem(kind.status, kind.name, kind.title, detail, path, b"retry-after: 1")
        metrics = self.app_state["service"].metrics
        metrics.requests.labels(path, kind.status).inc()
        metrics.rejected.labels(kind.name).inc()
        self.cycle = REFUSED  # type: ignore[assignment] # uvicorn asks no more of it
        if self.parser.should_keep_alive():
            self.await_headers()  # the next ones, after the rest of this request
        else:
            self.transport.close()

    def await_headers(self) -> None:
        """Let the time for the headers run, where it does not yet."""
        if self.header_timer is None:
            self.header_timer = self.loop.call_later(self.header_timeout_seconds, self.headers_too_slow)

    def stop_timer(self) -> None:
        """The headers are complete."""
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None

    def headers_too_slow(self) -> None:
        """Close a connection whose headers take too long, without a word where there are none."""
        if self.header_bytes:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers took {self.header_timeout_seconds:g} seconds.")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self.refuse(HTTPStatus.BAD_REQUEST, msg)

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer with a problem, and close."""
        name = status.phrase.lower().replace(" ", "-")
        self.write_problem(status, name, status.phrase, detail, "", b"connection: close")
        self.transport.close()

    def write_problem(self, status: int, name: str, title: str, detail: str, instance: str, header: bytes) -> None:
        """Answer with a problem, as `app.web.problems` would."""
        request_id = secrets.token_hex(16)
        problem = problems.Problem(
            type=f"/problems/{name}",
            title=title,
            status=status,
            detail=detail,
            instance=instance,
            request_id=request_id,
        )
        body = problem.model_dump_json().encode()
        self.transport.write(
            b"%bcontent-type: application/problem+json\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n\r\n%b"
            % (STATUS_LINE[status], len(body), request_id.encode(), header, body)
        )
