"""What comes back for pictures: answers, in the pictures' order, with several worked on at once.

Ignores: who answers, which is `app.cli.client` or `app.cli.local`.

    Unanswered   this picture has no answer
    NoService    nobody answers, or not to us: the other pictures need not be tried
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

AHEAD = 16  # items that are begun or done for each that may be worked on, while an earlier one takes its time

Item = TypeVar("Item")
Result = TypeVar("Result")


class Unanswered(Exception):
    """There is no answer for this picture; the message says why."""


class NoService(Exception):
    """There is nobody to ask; the message says why and what to do."""


class Answer(NamedTuple):
    """What is on a picture, as the service says it."""

    digit: int
    confidence: float
    probabilities: list[float]  # of the digits 0 to 9
    legibility: float  # how probably it is one whole digit
    model: str


class TextAnswer(NamedTuple):
    """All digits on a picture, as the service says it."""

    text: str  # its lines, with a newline between them
    confidence: float
    lines: list[dict[str, Any]]  # each with its digits, as in the service's JSON
    model: str


class Answerer(Protocol):
    """Whoever reads pictures: a service, or the same code in this process."""

    at_once: int
    together: int  # most pictures to ask for together

    def predict(self, data: bytes) -> Answer:
        """The digit on a picture; Unanswered where there is none."""

    def predict_several(self, pictures: Sequence[bytes]) -> list[Answer | Unanswered]:
        """The digit on each picture, or why there is none."""

    def read(self, data: bytes, length: int | None) -> TextAnswer:
        """All digits on a picture, or just so many; Unanswered where it cannot be read so."""

    def about(self) -> dict[str, Any]:
        """What there is to say of it and of its model."""

    def close(self) -> None:
        """Say that nothing more will be asked."""


def attempt_each(ask: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | Unanswered]:
    """The answer to each item, or why there is none."""

    def attempt(item: Item) -> Result | Unanswered:
        try:
            return ask(item)
        except Unanswered as error:
            return error

    return [attempt(item) for item in items]


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Each item with its finished work, in the items' order; `at_once` are worked on at the same time."""
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
    """The same, once the work is done."""
    future.exception()
    return item, future
