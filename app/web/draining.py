"""SIGTERM → the health check answers 503 for a while → the server's own handler, which stops it."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.web.errors import ShuttingDown


class Draining:
    """Whether the service has been told to stop."""

    def __init__(self) -> None:
        self.has_begun = False

    def check(self) -> None:
        """Raise ShuttingDown if it has."""
        if self.has_begun:
            raise ShuttingDown("The service is shutting down: send the request to another instance.")

    @contextmanager
    def on_sigterm(self, seconds: float) -> Iterator[None]:
        """Within this context, delay SIGTERM by some seconds before it reaches the previous handler."""
        stop = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(stop):
            yield  # a test, or a server that handles signals in another way
            return
        loop = asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            self.has_begun = True
            loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, None)

        signal.signal(signal.SIGTERM, drain)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
