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
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

from fastapi import Request
from prometheus_client import Gauge
from starlette.requests import ClientDisconnect

from app.answers.errors import Overloaded, UploadTooLarge
from app.digit.reading import Reading
from app.serving.reader import JPEG_BYTES
from app.settings import Settings
from app.text.text import Text

REFUSAL_SECONDS = 0.5, 1.0
# Seconds; during a shorter wait, it is not watched whether the client leaves.
NOTICED = 0.05
RECENT = 0.1  # weight of the last picture in the mean cost
Outcome = TypeVar("Outcome", Reading, Text)
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
    """

    def __init__(self, name: str, places: int, seconds: float, depth: Gauge) -> None:
        self.name = name
        self.places = places
        self.seconds = seconds
        self.depth = depth.labels(name)
        self.length = 0
        self.cost = 0.0  # mean seconds to read a picture, of late

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
        with self.place() as wait:
            if wait > NOTICED:
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
    ) -> None:
        self.seconds = settings.queue_seconds
        self.refusal_seconds = refusal_seconds
        self.max_upload_bytes = min(settings.max_upload_bytes, settings.max_held_bytes)
        self.max_held_bytes = settings.max_held_bytes
        self.held_bytes = 0
        self.small = Queue("small", 1, self.seconds, depth)
        self.large = Queue("large", settings.decoders, self.seconds, depth)
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

    def check_size(self, size: int) -> None:
        """Raise UploadTooLarge if a body is larger than allowed."""
        if size > self.max_upload_bytes:
            raise UploadTooLarge(
                f"The request is larger than {self.max_upload_bytes:,} bytes: send a "
                "smaller picture."
            )


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
