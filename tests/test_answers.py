"""Work on many items at once."""

import threading
from collections.abc import Iterator

from app.many.engine import AHEAD, in_order


def test_items_are_consumed_lazily_several_at_once_and_their_results_come_in_order():
    together = threading.Barrier(3, timeout=5)
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(99):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        together.wait()
        return number

    results = in_order(work, numbers(), at_once=3)
    assert [next(results) for _ in range(9)] == list(range(9))
    assert len(taken) <= 9 + 3 * AHEAD
    assert list(results) == list(range(9, 99))
