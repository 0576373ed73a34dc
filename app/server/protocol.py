"""uvicorn's HTTP/1.1 protocol on h11, with a timeout for slow clients."""

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# asyncio's default is 256 kB.
READ_BYTES = 16_384
# h11 takes 13 µs for each chunk of a chunked body: chunks of one byte, which take six
# with their length, would then block the event loop for 0.6 s. Smaller reads for all
# bodies would cost large uploads 8 %.
CHUNKED_READ_BYTES = 4096


class Protocol(H11Protocol, asyncio.BufferedProtocol):
    """A connection that waits for its client for a limited time, and reads a limited
    number of bytes at a time.

    The timeout covers what uvicorn's keep-alive timeout does not: incomplete headers,
    anything sent after a complete request, the rest of a refused body, and a response
    that the client does not read.
    """

    buffer = bytearray(READ_BYTES)  # one for all, since its content is copied at once

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        client_timeout_seconds: float,
    ) -> None:
        state = {**app_state, "require_open": self.require_open}
        super().__init__(config, server_state, state, _loop)
        self.client_timeout_seconds = client_timeout_seconds
        self.timer: asyncio.TimerHandle | None = None
        self.has_ended = False  # the client will send no more
        self.must_stay_open = False  # else the client is taken to have left

    @property
    def is_busy(self) -> bool:
        """Whether there is a request without a complete response."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_answerable(self) -> bool:
        """Whether there is a complete request without a complete response."""
        return self.is_busy and not self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for headers."""
        super().connection_made(transport)
        self.set_timer()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into."""
        is_body = self.conn.their_state is h11.SEND_BODY
        is_chunked = is_body and b"transfer-encoding" in dict(self.headers)
        return memoryview(self.buffer)[: CHUNKED_READ_BYTES if is_chunked else None]

    def buffer_updated(self, nbytes: int) -> None:
        """Handle what was read into the buffer."""
        self.data_received(bytes(memoryview(self.buffer)[:nbytes]))
        self.set_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Still answer a client that closed its side after a complete request, unless
        that takes long.
        """
        self.has_ended = True
        return self.is_answerable and not self.must_stay_open

    def require_open(self) -> None:
        """Until the response, take a client that closes its side to have left.

        Most programs that close a connection do so on both sides; until something is
        sent to them, that looks the same.
        """
        self.must_stay_open = True
        if self.has_ended:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Wait for the next headers, unless they came with the last request."""
        super().on_response_complete()
        self.must_stay_open = False
        if self.has_ended and not self.is_answerable:
            self.transport.close()
        self.set_timer()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self.set_timer()

    def resume_writing(self) -> None:
        """Continue with the response."""
        super().resume_writing()
        self.set_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP; close the connection if a response has already begun."""
        if self.is_busy:
            self.cycle.disconnected = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self.stop_timer()

    def set_timer(self) -> None:
        """Start the timer if it is the client's turn, and stop it otherwise."""
        if self.is_busy and not self.flow.write_paused:
            self.stop_timer()
        elif self.timer is None:
            # Abort, since close would wait until the client has read everything.
            self.timer = self.loop.call_later(
                self.client_timeout_seconds, self.transport.abort
            )

    def stop_timer(self) -> None:
        """Stop the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
