"""Pictures of one kind that wait or are being read, and how long another would wait."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from fastapi import Request
from prometheus_client import Gauge

from app.answers.errors import Overloaded
from app.web.clients import require_open, unless_gone

# Seconds; during a shorter wait, it is not watched whether the client leaves.
NOTICED = 0.05
RECENT = 0.1  # weight of the last picture in the mean cost
Result = TypeVar("Result")


class Lane:
    """Pictures of one kind that wait or are being read.

    Parameters
    ----------
    places : int
        Number of pictures that are read at once.
    seconds : float
        The longest wait.
    depth : Gauge
        Metric of their number.
    must_stay_open : bool
        Whether a client that closes its side while its picture waits has left.
    """

    def __init__(
        self, places: int, seconds: float, depth: Gauge, must_stay_open: bool = False
    ) -> None:
        self.places = places
        self.seconds = seconds
        self.depth = depth
        self.must_stay_open = must_stay_open
        self.length = 0
        self.cost = 0.0  # mean seconds to read a picture, of late
        self.last_end = 0.0  # when a picture left the lane

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
                self.last_end = monotonic()

    async def read(
        self, request: Request, read: Callable[[], Awaitable[Result]]
    ) -> Result:
        """Read a picture, and learn what that costs.

        A client that leaves gives it up, if the wait is long enough to notice. Raises
        Overloaded or ClientDisconnect.
        """
        is_behind = self.must_stay_open and self.is_full
        begin = monotonic()
        with self.place() as wait:
            if is_behind:
                await require_open(request)
            if is_behind or wait > NOTICED:
                result = await unless_gone(request, read())
            else:
                result = await read()
            self.learn(begin)
        return result

    def learn(self, begin: float) -> None:
        """Learn what a picture cost that came at `begin` and has been read.

        It was read since it came, or since the one before it left, at the same time as
        others: so it took its share of that time on each place.
        """
        seconds = monotonic() - max(begin, self.last_end)
        cost = seconds * min(self.length, self.places)
        self.cost += RECENT * (cost - self.cost)
