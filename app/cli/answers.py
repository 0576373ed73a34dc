"""Answers for pictures, in order, with several in progress at once; `app.cli.client`
and `app.cli.local` provide them.

Unanswered     this picture has no answer
NoService      the service cannot be used: the other pictures need not be tried
InvalidOption  an option is invalid for all pictures
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 16  # items started or done per worker while an earlier one is still in progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Unanswered(Exception):
    """There is no answer for this picture; the message says why."""


class NoService(Exception):
    """The service cannot be used; the message says why and what to do."""


class InvalidOption(Exception):
    """An option is invalid; the message says why."""


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[Result]:
    """Yield the result for each item, in order; `at_once` are in progress at the same
    time.
    """
    pool = ThreadPoolExecutor(at_once)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= at_once * AHEAD:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    # As all pictures are answered; no request is in flight when its connection is
    # closed.
    except InvalidOption:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
