"""Answers for pictures, in order, with several in progress at once; `app.many.client`
and `app.many.local` provide them.

Unanswered     this picture has no answer
NoService      the service cannot be used: the other pictures need not be tried
└── NotConnected  no connection could be made
InvalidOption  an option is invalid for all pictures
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from app.text.field import ANYTHING, Field, InvalidField

AHEAD = 16  # items started or done per worker while an earlier one is still in progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Unanswered(Exception):
    """There is no answer for this picture; the message says why, and `problem` is the
    name of its type, as in the API.
    """

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class NoService(Exception):
    """The service cannot be used; the message says why and what to do."""


class NotConnected(NoService):
    """No connection could be made."""


class InvalidOption(Exception):
    """An option is invalid; the message says why."""


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
