"""Many requests' frames → few calls of the classifier.

There is no timer: the next batch is whatever queues while the event loop has something else to do, and a lone
frame waits for nobody. The classifier runs in the loop's own thread: to hand a frame to another one and back takes
longer than to read it. Ignores: where frames come from.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.limits import Overloaded

Array = NDArray[np.float32]


class WrongCount(Exception):
    """The classifier answered with more or fewer rows than it was given frames."""


class Waiting(NamedTuple):
    """A frame in the queue, and the future that its probabilities go to."""

    frame: Array  # (28, 28)
    answer: "asyncio.Future[Array]"
    since: float


class Batcher:
    """A bounded queue in front of the classifier; used within one event loop.

    Parameters
    ----------
    classify : callable
        Frames (N, 28, 28) → probabilities (N, 10).
    max_batch : int
        Most frames in one call.
    max_queue : int
        Most frames that wait; one more is refused.
    observe : callable
        Told of each call: how long its frames waited and how long it took, in seconds.
    """

    def __init__(
        self,
        classify: Callable[[Array], Array],
        max_batch: int,
        max_queue: int,
        observe: Callable[[list[float], float], None],
    ) -> None:
        self.classify = classify
        self.max_batch = max_batch
        self.max_queue = max_queue
        self.observe = observe
        self.queue: deque[Waiting] = deque()  # while it holds anything, `run` is due

    def refuse_if_full(self) -> None:
        """Raise Overloaded where one more frame would be refused: to be asked before the work of making it."""
        if len(self.queue) >= self.max_queue:
            raise Overloaded(f"{self.max_queue} pictures are waiting already: send this one again in a second.")

    async def __call__(self, frame: Array) -> Array:
        """The probabilities (10,) of a frame (28, 28); a caller that is cancelled gives up its place."""
        self.refuse_if_full()
        loop = asyncio.get_running_loop()
        waiting = Waiting(frame, loop.create_future(), perf_counter())
        self.queue.append(waiting)
        if len(self.queue) == 1:
            loop.call_soon(self.run, 1)
        return await waiting.answer

    def run(self, seen: int) -> None:
        """Classify the frames at the head of the queue, a batch of them at most, when no more are coming.

        More are, where the queue has grown in the last round of the event loop: it had `seen` frames before.
        """
        loop = asyncio.get_running_loop()
        if seen < len(self.queue) < self.max_batch:
            loop.call_soon(self.run, len(self.queue))
            return
        batch = self.next_batch()
        if self.queue:
            loop.call_soon(self.run, len(self.queue))
        if not batch:
            return
        started = perf_counter()
        try:
            rows = self.classify(np.stack([waiting.frame for waiting in batch]))
            if len(rows) != len(batch):
                raise WrongCount(f"{len(batch)} frames were classified, and {len(rows)} answers came.")
        except Exception as error:  # whatever it is, the callers must not wait for ever
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        for waiting, row in zip(batch, rows, strict=True):
            waiting.answer.set_result(row)
        self.observe([started - waiting.since for waiting in batch], perf_counter() - started)

    def next_batch(self) -> list[Waiting]:
        """Take frames off the queue, leaving out those that nobody waits for any more."""
        batch: list[Waiting] = []
        while self.queue and len(batch) < self.max_batch:
            waiting = self.queue.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch
