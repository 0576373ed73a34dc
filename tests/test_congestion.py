"""The window of requests in flight, told which of them were refused."""

import threading

import pytest

from app.cli.congestion import Window
from support import until


def enter(window: Window, count: int) -> list[int]:
    return [window.enter() for _ in range(count)]


def test_as_many_requests_as_allowed_begin_at_once():
    assert enter(Window(16), 16) == [*range(1, 17)]


def test_requests_that_were_refused_together_halve_the_window_once():
    window = Window(16)
    together = enter(window, 16)
    for ticket in together:
        window.leave(ticket, was_refused=True)
    assert window.size == 8
    first, second = enter(window, 2)
    window.leave(first, was_refused=True)
    assert window.size == 4
    window.leave(second, was_refused=True)
    assert window.size == 4


def test_a_refusal_that_comes_late_does_not_halve_the_window_again():
    window = Window(8)
    early, late = enter(window, 2)
    window.leave(early, was_refused=True)
    window.leave(window.enter(), was_refused=False)
    window.leave(late, was_refused=True)
    assert window.size == pytest.approx(4.25)


def test_the_window_grows_by_one_for_each_window_of_answers_up_to_the_limit():
    window = Window(8)
    for size in (4, 2, 1, 1):
        window.leave(window.enter(), was_refused=True)
        assert window.size == size
    sizes = []
    for _ in range(40):
        window.leave(window.enter(), was_refused=False)
        sizes.append(window.size)
    assert sizes[:2] == [2, 2.5]
    assert sizes[30] > 7
    assert sizes[-1] == 8


def test_requests_get_a_place_in_the_order_in_which_they_came():
    window = Window(1)
    first = window.enter()
    entered = []

    def work() -> None:
        ticket = window.enter()
        entered.append(ticket)
        window.leave(ticket, was_refused=ticket % 2 == 0)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert until(lambda: window.asked == 6)
    assert (window.in_flight, entered) == (1, [])
    window.leave(first, was_refused=False)
    for thread in threads:
        thread.join(10)
    assert entered == [2, 3, 4, 5, 6]
    assert window.in_flight == 0
