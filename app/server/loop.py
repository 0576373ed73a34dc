"""asyncio's event loop, which waits quietly while there is no room for a connection."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

import structlog

# After these errors, asyncio accepts no connections for a second. But first it goes on
# for as many as may wait, and each failure takes a log line and a timer: 8,000 lines
# per second.
NO_ROOM = errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM
SILENT_SECONDS = 10  # between two lines in the log
LOG = structlog.get_logger("digits")


class Listener(socket.socket):
    """A listening socket that pretends, after a failure, that no connection waits."""

    has_failed = False
    silent_until = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        if self.has_failed:
            self.has_failed = False
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as error:
            self.has_failed = error.errno in NO_ROOM
            if self.has_failed:
                self.report(error)
            raise

    def report(self, error: OSError) -> None:
        """Log why no connection is accepted, unless that was said a moment ago."""
        if time.monotonic() < self.silent_until:
            return
        self.silent_until = time.monotonic() + SILENT_SECONDS
        LOG.error(
            f"New connections wait for others to end ({os.strerror(error.errno or 0)}):"
            " raise the limit on open files, which is `ulimit -n`, or LimitNOFILE in "
            "systemd."
        )


class Loop(asyncio.SelectorEventLoop):
    """asyncio's event loop, which listens on a Listener."""

    async def create_server(  # type: ignore[override]  # as uvicorn calls it
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *,
        sock: socket.socket,
        ssl: SSLContext | None,
        backlog: int,
    ) -> asyncio.Server:
        """Serve on the file descriptor of a listening socket, which gives it up."""
        listener = Listener(fileno=sock.detach())
        return await super().create_server(
            protocol_factory, sock=listener, ssl=ssl, backlog=backlog
        )
