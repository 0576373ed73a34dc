"""HTTP/1.1 on one connection: uvicorn's h11 protocol, which hangs up on clients that take too long."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """A connection that may wait for its client for so many seconds.

    The time covers what uvicorn's own timer for idle connections does not: headers that do not end, whatever is sent
    after a finished request, the rest of a body that was refused, and an answer that the client does not read.
    """

    def __init__(self, *arguments: Any, client_timeout_seconds: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.client_timeout_seconds = client_timeout_seconds
        self.timer: asyncio.TimerHandle | None = None
        self.has_ended = False  # the client will send no more

    @property
    def is_busy(self) -> bool:
        """Whether there is a request without its whole answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect headers from now on."""
        super().connection_made(transport)
        self.set_timer()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)
        self.set_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that closed its side after a whole request; True keeps the connection open for that."""
        self.has_ended = True
        return self.is_busy and not self.cycle.more_body

    def on_response_complete(self) -> None:
        """Expect the next headers, unless they came with the last request."""
        super().on_response_complete()
        if self.has_ended and not self.is_busy:
            self.transport.close()
        self.set_timer()

    def pause_writing(self) -> None:
        """Expect the client to read."""
        super().pause_writing()
        self.set_timer()

    def resume_writing(self) -> None:
        """Go on answering."""
        super().resume_writing()
        self.set_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; hang up where it belongs to a request that has its answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        super().connection_lost(exc)
        self.stop_timer()

    def set_timer(self) -> None:
        """Let the time run where it is the client's turn, and stop it where it is not."""
        if self.is_busy and not self.flow.write_paused:
            self.stop_timer()
        elif self.timer is None:  # abort, since close would wait until the client has read all
            self.timer = self.loop.call_later(self.client_timeout_seconds, self.transport.abort)

    def stop_timer(self) -> None:
        """Let no time run."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
