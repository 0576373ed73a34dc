"""Answers for pictures, in order, with several in progress at once; `app.cli.client` and `app.cli.local` provide them.

Unanswered   this picture has no answer
NoService    the service cannot be used: the other pictures need not be tried
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from app.web.answers import Prediction, Text

AHEAD = 16  # items started or done per worker while an earlier one is still in progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Unanswered(Exception):
    """There is no answer for this picture; the message says why."""


class NoService(Exception):
    """The service cannot be used; the message says why and what to do."""


class Answerer(Protocol):
    """Reads pictures, through a service or in this process."""

    at_once: int  # maximum number of calls in progress
    together: int  # maximum number of pictures per batch

    def predict_several(self, pictures: Sequence[bytes]) -> list[Prediction | Unanswered]:
        """Return the digit in each picture, or why there is none."""

    def read(self, data: bytes, length: int | None) -> Text:
        """Return all digits in a picture, or exactly `length`; raise Unanswered if it cannot be read."""

    def about(self) -> dict[str, Any]:
        """Return the metadata of the model, and of the service if there is one."""

    def close(self) -> None:
        """Release its resources."""


def attempt_each(ask: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | Unanswered]:
    """Return the answer for each item, or why there is none."""

    def attempt(item: Item) -> Result | Unanswered:
        try:
            return ask(item)
        except Unanswered as error:
            return error

    return [attempt(item) for item in items]


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Yield each item with its finished work, in order; `at_once` are in progress at the same time."""
    pool = ThreadPoolExecutor(at_once)
    begun: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            begun.append((item, pool.submit(work, item)))
            if len(begun) >= at_once * AHEAD:
                yield finished(*begun.popleft())
        while begun:
            yield finished(*begun.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def finished(item: Item, future: Future[Result]) -> tuple[Item, Future[Result]]:
    """Wait for the work on an item."""
    future.exception()
    return item, future
