"""Admission control: which requests with pictures wait, and which are refused. Nothing
else decides this.

A request waits as long as a client would. It is refused only if that would
take longer, judging by what pictures of late have cost; so an overloaded service spends
its time on the requests that it has accepted.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from time import monotonic
from typing import TypeVar

from prometheus_client import Gauge

from app.answers.errors import Overloaded, UploadTooLarge
from app.serving.decoders import Busy, TryAgain, locked
from app.serving.reader import JPEG_BYTES
from app.settings import Settings
from app.web.lanes import Lane

REFUSAL_SECONDS = 0.5, 1.0
# For one of several pictures or pages to be read. Proxies wait for a minute.
PAGE_SECONDS = 50.0
LATE = "There was no time left for this picture: send it again."
Result = TypeVar("Result")


class Admission:
    """The lanes of pictures, and the memory for request bodies; used within one event
    loop.
    """

    def __init__(
        self,
        settings: Settings,
        depth: Gauge,
        refusal_seconds: tuple[float, float] = REFUSAL_SECONDS,
        page_seconds: float = PAGE_SECONDS,
    ) -> None:
        self.seconds = settings.queue_seconds
        self.page_seconds = page_seconds
        self.refusal_seconds = refusal_seconds
        self.max_upload_bytes = min(settings.max_upload_bytes, settings.max_held_bytes)
        self.max_held_bytes = settings.max_held_bytes
        self.held_bytes = 0
        self.small = Lane(1, self.seconds, depth.labels("small"))
        self.large = Lane(settings.decoders, self.seconds, depth.labels("large"), True)
        # Held by a page of a document, so that pictures wait for one page at most.
        self.page = asyncio.Lock()
        # Held by the one request that may exceed the memory for bodies.
        self.overdraft = asyncio.Lock()
        # Held to parse what may take long: a piece of a form may take 0.1 s.
        self.parsing = asyncio.Lock()

    async def admit(self, size: int) -> None:
        """Admit a body whose size is declared, or 0.

        Raises UploadTooLarge, or Overloaded after a delay, which is random, so that
        clients that retry at once do not do so together. When 400 clients send 640×480
        JPEGs at ten times the capacity, the throughput is three quarters of the
        unloaded one with the delay, and two fifths without (`benchmarks/overload.py`).
        """
        self.check_size(size)
        # A longer body holds a picture for a decoder process.
        lane = self.large if size > JPEG_BYTES else self.small
        try:
            lane.check()
        except Overloaded:
            delay = random.uniform(*self.refusal_seconds)  # noqa: S311 - no secret
            await asyncio.sleep(delay)
            raise

    async def patiently(
        self, read: Callable[[], Awaitable[Result]], message: str = LATE
    ) -> Result:
        """Read one of several pictures or pages of a request; try again while others
        are before it.

        Raises Busy, with this message, if it could not be read in time.
        """
        end = monotonic() + self.page_seconds
        while True:
            try:
                return await read()
            except (Overloaded, TryAgain) as error:
                pause = error.seconds
            if monotonic() + pause > end:
                raise Busy(message)
            await asyncio.sleep(pause)

    def for_page(self) -> AbstractAsyncContextManager[None]:
        """Wait for the pages of other documents before this one; see `locked`."""
        return locked(self.page, self.page_seconds)

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count what a request holds besides its body, such as a part of its answer."""
        self.held_bytes += size
        try:
            yield
        finally:
            self.held_bytes -= size

    def check_size(self, size: int) -> None:
        """Raise UploadTooLarge if a body is larger than allowed."""
        if size > self.max_upload_bytes:
            raise UploadTooLarge(
                f"The request is larger than {self.max_upload_bytes:,} bytes: send a "
                "smaller picture."
            )
