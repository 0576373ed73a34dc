"""Many requests' items → few calls of the work on them.

There is no timer: the next batch is whatever queues while the event loop has something else to do, and a lone
item waits for nobody. The work is done in the loop's own thread: to hand a small picture to another one and back
takes longer than to read it. Ignores: what the work is.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

from app.web.admission import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")


class WrongCount(Exception):
    """The work gave more or fewer results than it was given items."""


class Waiting(NamedTuple, Generic[Item, Result]):
    """An item in the queue, and the future that its result goes to."""

    item: Item
    result: "asyncio.Future[Result]"
    since: float


class Batcher(Generic[Item, Result]):
    """A bounded queue in front of some work; used within one event loop.

    Parameters
    ----------
    work : callable
        Items → a result for each, in their order; one that is an exception is raised for its caller.
    max_batch : int
        Most items in one call.
    max_queue : int
        Most items that wait; one more is refused.
    observe : callable
        Told before each call how long its items have waited, in seconds.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Result | Exception]],
        max_batch: int,
        max_queue: int,
        observe: Callable[[list[float]], None],
    ) -> None:
        self.work = work
        self.max_batch = max_batch
        self.max_queue = max_queue
        self.observe = observe
        self.queue: deque[Waiting[Item, Result]] = deque()  # while it holds anything, `run` is due

    def refuse_if_full(self) -> None:
        """Raise Overloaded where one more item would be refused: to be asked before the work of making it."""
        if len(self.queue) >= self.max_queue:
            raise Overloaded(f"{self.max_queue} pictures are waiting already: send this one again in a second.")

    async def __call__(self, item: Item, admitted: bool = False) -> Result:
        """The result of the work on an item; a caller that is cancelled gives up its place.

        An item that was admitted before, and worked on since, is taken even where the queue is full.
        """
        if not admitted:
            self.refuse_if_full()
        loop = asyncio.get_running_loop()
        waiting: Waiting[Item, Result] = Waiting(item, loop.create_future(), perf_counter())
        self.queue.append(waiting)
        if len(self.queue) == 1:
            loop.call_soon(self.run, 1)
        return await waiting.result

    def run(self, seen: int) -> None:
        """Work through the queue, batch by batch, when no more items are coming.

        More are, where the queue has grown in the last round of the event loop: it had `seen` items before.
        """
        if seen < len(self.queue) < self.max_batch:
            asyncio.get_running_loop().call_soon(self.run, len(self.queue))
            return
        while batch := self.next_batch():
            self.work_on(batch)

    def next_batch(self) -> list[Waiting[Item, Result]]:
        """Take items off the queue, leaving out those that nobody waits for any more."""
        batch: list[Waiting[Item, Result]] = []
        while self.queue and len(batch) < self.max_batch:
            waiting = self.queue.popleft()
            if not waiting.result.done():
                batch.append(waiting)
        return batch

    def work_on(self, batch: list[Waiting[Item, Result]]) -> None:
        """Do the work, and hand out its results."""
        started = perf_counter()
        self.observe([started - waiting.since for waiting in batch])
        try:
            results = self.work([waiting.item for waiting in batch])
            if len(results) != len(batch):
                raise WrongCount(f"{len(batch)} items went in, and {len(results)} results came out.")
        except Exception as error:  # whatever it is, the callers must not wait for ever
            results = [error] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                waiting.result.set_exception(result)
            else:
                waiting.result.set_result(result)
