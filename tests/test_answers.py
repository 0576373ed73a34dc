import threading
import time

import pytest

from app.cli.answers import AHEAD, in_order


def test_results_come_in_the_order_of_the_items():
    seconds = [0.05, 0, 0.02, 0]
    assert list(in_order(lambda pause: time.sleep(pause) or pause, seconds, at_once=4)) == seconds


def test_several_items_are_processed_at_once():
    together = threading.Barrier(3, timeout=5)
    assert len(list(in_order(lambda _: together.wait(), range(6), at_once=3))) == 6


def test_items_are_consumed_lazily():
    taken = []
    numbers = (taken.append(number) or number for number in range(10_000))
    results = in_order(lambda number: number, numbers, at_once=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 * AHEAD
    results.close()


def test_closing_the_results_cancels_pending_items():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.01)

    results = in_order(work, range(1000), at_once=1)
    next(results)
    results.close()
    time.sleep(0.1)
    assert len(begun) < 5


@pytest.mark.parametrize("at_once", [1, 16])
def test_no_items_give_no_results(at_once):
    assert list(in_order(len, [], at_once)) == []
