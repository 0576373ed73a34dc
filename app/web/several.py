"""Several pictures or pages of one request: in which order, and for how long."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from time import monotonic
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.serving.decoders import Busy
from app.web import problems

SECONDS = 20.0  # for a request with several pictures of digits
# Small pictures of one request at once, so that those of others are read meanwhile.
AT_ONCE = 16
Item = TypeVar("Item")
Result = TypeVar("Result")


class Deadline:
    """The time for the pictures of one request; the large ones are read one by one.

    It is checked before each is opened, since 256 hostile headers take 5 s, and after
    it has waited.
    """

    def __init__(self, seconds: float) -> None:
        self.end = monotonic() + seconds
        self.reading = asyncio.Lock()

    def check(self) -> None:
        """Raise Busy if the time is up."""
        if monotonic() > self.end:
            raise Busy

    @asynccontextmanager
    async def for_large(self) -> AsyncGenerator[None]:
        """Wait for the large pictures before this one; raise Busy if the time is up."""
        async with self.reading:
            self.check()
            yield


async def read_several(
    request: Request,
    items: Sequence[Item],
    read: Callable[[Item], Awaitable[Result]],
    at_once: int = 1,
) -> AsyncGenerator[Result | Exception]:
    """Yield, in order, what a function reads of each picture or page, or the error."""

    async def outcome_of(item: Item) -> Result | Exception:
        try:
            return await read(item)
        except ClientDisconnect:
            raise
        except Exception as error:  # one that is bad must not affect the others
            return problems.log_unforeseen(request, error)

    left = iter(items)
    begun = deque[asyncio.Task[Result | Exception]]()
    try:
        for _ in items:
            for item in islice(left, at_once - len(begun)):
                begun.append(asyncio.create_task(outcome_of(item)))
            yield await begun.popleft()
    finally:  # also if the client leaves
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
