"""SIGTERM → the health check answers 503 for a while → the server stops."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.answers.errors import ShuttingDown


class Draining:
    """Whether the service has been told to stop."""

    def __init__(self) -> None:
        self.has_begun = False

    def check(self) -> None:
        """Raise ShuttingDown if it has."""
        if self.has_begun:
            raise ShuttingDown

    @contextmanager
    def on_sigterm(self, seconds: float, most: float) -> Iterator[None]:
        """Within this context, delay SIGTERM on its way to the previous handler.

        `most` seconds after SIGTERM, the process ends, even if a thread hangs on a
        disk, or another process does.
        """
        stop = signal.getsignal(signal.SIGTERM)
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not callable(stop):
            yield  # a test, or a server that handles signals in another way
            return
        loop = asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            self.has_begun = True
            end = threading.Timer(most, os._exit, [1])
            end.daemon = True  # or the process would last until then
            end.start()
            loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, None)

        signal.signal(signal.SIGTERM, drain)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
