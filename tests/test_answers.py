import threading
import time

from app.cli.answers import AHEAD, in_order


def test_several_items_are_processed_at_once_and_their_results_come_in_order():
    assert list(in_order(lambda pause: time.sleep(pause) or pause, seconds := [0.05, 0, 0.02, 0], 4)) == seconds
    together = threading.Barrier(3, timeout=5)
    assert len(list(in_order(lambda _: together.wait(), range(6), at_once=3))) == 6
    assert list(in_order(len, [], at_once=1)) == []


def test_items_are_consumed_lazily_and_closing_the_results_cancels_pending_ones():
    taken, begun = [], []

    def work(number):
        begun.append(number)
        time.sleep(0.01)

    results = in_order(work, (taken.append(number) or number for number in range(10_000)), at_once=2)
    for _ in range(3):
        next(results)
    assert len(taken) <= 3 + 2 * AHEAD
    results.close()
    time.sleep(0.1)
    assert len(begun) < 10
