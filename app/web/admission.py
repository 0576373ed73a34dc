"""Admission control: which requests with pictures wait, and which are refused. Nothing
else decides this.

A request waits its turn as long as a client would. It is refused only if that would
take longer, judging by what pictures of late have cost; so an overloaded service spends
its time on the requests that it has accepted.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import pairwise
from time import monotonic
from typing import TypeVar

from fastapi import Request
from prometheus_client import Gauge
from starlette.requests import ClientDisconnect

from app.answers.errors import Overloaded, UploadTooLarge
from app.digit.reading import Reading
from app.serving.decoders import Busy, turn_of
from app.serving.reader import JPEG_BYTES
from app.settings import Settings
from app.text.transcription import Transcription

REFUSAL_SECONDS = 0.5, 1.0
# Seconds; during a shorter wait, it is not watched whether the client leaves.
NOTICED = 0.05
# For one of several pictures or pages to be read. Proxies wait for a minute.
PAGE_SECONDS = 50.0
LATE = "There was no time left for this picture: send it again."
RECENT = 0.1  # weight of the last picture in the mean cost
Outcome = TypeVar("Outcome", Reading, Transcription)
Result = TypeVar("Result")


class Queue:
    """Pictures of one kind that wait or are being read.

    Parameters
    ----------
    name : str
        Its name in metrics.
    places : int
        Number of pictures that are read at once.
    seconds : float
        The longest wait.
    depth : Gauge
        Metric of its length, by its name.
    must_stay_open : bool
        Whether a client that closes its side while its picture waits has left.
    """

    def __init__(
        self,
        name: str,
        places: int,
        seconds: float,
        depth: Gauge,
        must_stay_open: bool = False,
    ) -> None:
        self.name = name
        self.places = places
        self.seconds = seconds
        self.must_stay_open = must_stay_open
        self.depth = depth.labels(name)
        self.length = 0
        self.cost = 0.0  # mean seconds to read a picture, of late

    @property
    def is_full(self) -> bool:
        """Whether another picture would wait."""
        return self.length >= self.places

    def check(self) -> float:
        """Return how long another picture would wait, in seconds.

        Raises Overloaded if that is too long.
        """
        wait = self.length * self.cost / self.places
        if wait > self.seconds:
            raise Overloaded(math.ceil(wait))
        return wait

    @contextmanager
    def place(self) -> Iterator[float]:
        """Hold a place for one picture, and yield its wait; see `check`."""
        wait = self.check()
        with self.depth.track_inprogress():
            self.length += 1
            try:
                yield wait
            finally:
                self.length -= 1

    async def read(
        self, request: Request, read: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """Read a picture in its turn.

        A client that leaves gives it up, if the wait is long enough to notice. Raises
        Overloaded or ClientDisconnect.
        """
        is_behind = self.must_stay_open and self.is_full
        with self.place() as wait:
            if is_behind:
                await require_open(request)
            if is_behind or wait > NOTICED:
                outcome = await unless_gone(request, read())
            else:
                outcome = await read()
        nanoseconds = 0
        for before, stage in pairwise(outcome.stages):
            if stage.name != "wait":
                nanoseconds += stage.end - before.end
        self.cost += RECENT * (nanoseconds / 1e9 - self.cost)
        return outcome


class Admission:
    """The queues of pictures, and the memory for request bodies; used within one event
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
        self.small = Queue("small", 1, self.seconds, depth)
        self.large = Queue("large", settings.decoders, self.seconds, depth, True)
        # Documents take turns, page by page, so that pictures wait for one page at
        # most.
        self.pages = asyncio.Lock()
        # Held by the one request that may exceed the memory for bodies.
        self.overdraft = asyncio.Lock()
        # What takes long to parse takes turns: a piece of a form may take 0.1 s.
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
        queue = self.large if size > JPEG_BYTES else self.small
        try:
            queue.check()
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
            except (Overloaded, Busy) as error:
                pause = error.seconds
            if monotonic() + pause > end:
                raise Busy(message)
            await asyncio.sleep(pause)

    def turn_of_page(self) -> AbstractAsyncContextManager[None]:
        """Hold the turn of a page of a document; see `turn_of`."""
        return turn_of(self.pages, self.page_seconds)

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


async def require_open(request: Request) -> None:
    """Take the client to have left if it closes its side, where the server can tell.

    Raises ClientDisconnect if it has.
    """
    require = getattr(request.state, "require_open", None)
    if require:
        require()
        await asyncio.sleep(0)  # the connection is closed in the next iteration
        if await request.is_disconnected():
            raise ClientDisconnect


async def unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Await work for a request that has arrived; cancel it if the client leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
