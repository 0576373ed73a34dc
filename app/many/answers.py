"""Answers for pictures, in order, with several in progress at once; `app.many.client`
and `app.many.local` provide them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from app.many.errors import InvalidOption
from app.text.field import ANYTHING, Field, InvalidField

AHEAD = 16  # items started or done per worker while an earlier one is still in progress

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadOptions:
    """How to read the texts in pictures, as in the parameters of `POST /read`."""

    field: Field = ANYTHING
    marks: bool = True
    rotate: Literal["none", "auto"] = "none"
    alternatives: int = 0


AS_WRITTEN = ReadOptions()


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[Result]:
    """Yield the result for each item, in order; `at_once` are in progress at a time."""
    pool = ThreadPoolExecutor(at_once)
    started: deque[Future[Result]] = deque()
    try:
        for item in items:
            started.append(pool.submit(work, item))
            if len(started) >= at_once * AHEAD:
                yield started.popleft().result()
        while started:
            yield started.popleft().result()
    except (InvalidOption, InvalidField):
        # Wait for the others, so that no connection is closed during a request.
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
