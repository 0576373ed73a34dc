"""Items of concurrent requests → batches.

There is no timer: the next batch is whatever queues while the event loop is busy, and a lone item does not wait. The
work runs on the event loop's thread, since handing a small picture to another thread and back takes longer than reading
it. Over 16 connections, batching raises the throughput of MNIST PNGs by a factor of 1.4.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """A queue of items that are processed in batches; used within one event loop.

    Parameters
    ----------
    work : callable
        Takes a list of items and returns a result for each, in order. An exception among them is raised in its caller.
    size : callable
        Returns the size of an item.
    max_size : int
        Maximum total size of a batch; a larger item is processed alone.
    """

    def __init__(
        self, work: Callable[[list[Item]], Sequence[Result | Exception]], size: Callable[[Item], int], max_size: int
    ) -> None:
        self.work = work
        self.size = size
        self.max_size = max_size
        self.queue: list[tuple[Item, asyncio.Future[Result]]] = []  # `run` is scheduled unless it is empty

    async def __call__(self, item: Item) -> Result:
        """Return the result for an item; if the caller is cancelled, the item is dropped."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self.queue.append((item, result))
        if len(self.queue) == 1:
            loop.call_soon(self.run, 1)
        return await result

    def run(self, seen: int) -> None:
        """Process the next batch once no more items arrive, then yield to the event loop.

        Items are still arriving if the queue has grown beyond `seen` items in the last iteration of the event loop.
        """
        loop = asyncio.get_running_loop()
        totals = accumulate(self.size(item) for item, _ in self.queue)
        count = max(1, sum(total <= self.max_size for total in totals))
        if seen < len(self.queue) == count:
            loop.call_soon(self.run, len(self.queue))
            return
        batch, self.queue = self.queue[:count], self.queue[count:]
        if self.queue:
            loop.call_soon(self.run, len(self.queue))
        self.work_on([(item, result) for item, result in batch if not result.done()])

    def work_on(self, batch: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        """Process a batch, and set the results of its futures."""
        items, futures = [item for item, _ in batch], [future for _, future in batch]
        try:
            outcomes = list(zip(futures, self.work(items) if items else [], strict=True))
        except Exception as error:  # callers must never wait forever
            outcomes = [(future, error) for future in futures]
        for future, outcome in outcomes:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
