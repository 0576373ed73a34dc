"""HTTP/1.1 on one connection: uvicorn's h11 protocol, which closes where the client takes too long."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """A connection that may be without a request in hand for so many seconds.

    The time covers what uvicorn's own timer for idle connections does not: headers that do not end, whatever is sent
    after a finished request, and the rest of a body that was refused.
    """

    def __init__(self, *arguments: Any, header_timeout_seconds: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.header_timeout_seconds = header_timeout_seconds
        self.header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect headers from now on."""
        super().connection_made(transport)
        self.set_timer()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)
        self.set_timer()

    def on_response_complete(self) -> None:
        """Expect the next headers, unless they came with the last request."""
        super().on_response_complete()
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
        """Let the time run where no request is in hand, and stop it where one is."""
        if self.cycle and not self.cycle.response_complete:
            self.stop_timer()
        elif self.header_timer is None:
            self.header_timer = self.loop.call_later(self.header_timeout_seconds, self.transport.close)

    def stop_timer(self) -> None:
        """Let no time run."""
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None
