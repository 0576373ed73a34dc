"""The window of requests in flight, told which of them were refused."""

import threading

import pytest

from app.many.congestion import Window
from services import until


def enter(window: Window, count: int) -> list[int]:
    """Let new requests enter, for which there are places."""
    return [window.enter(window.age()) for _ in range(count)]


def outcome(window: Window, was_refused: bool) -> float:
    """Let a request enter and leave; return the new size."""
    window.leave(window.enter(window.age()), was_refused)
    return window.size


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
    outcome(window, was_refused=False)
    window.leave(late, was_refused=True)
    assert window.size == pytest.approx(4.25)


def test_the_window_grows_by_one_for_each_window_of_answers_up_to_the_limit():
    window = Window(8)
    assert [outcome(window, was_refused=True) for _ in range(4)] == [4, 2, 1, 1]
    sizes = [outcome(window, was_refused=False) for _ in range(40)]
    assert sizes[:2] == [2, 2.5]
    assert sizes[30] > 7
    assert sizes[-1] == 8


def test_the_oldest_request_gets_a_place_first_even_if_it_came_last():
    window = Window(1)
    (ticket,) = enter(window, 1)
    ages = [window.age() for _ in range(5)]
    entered = []

    def work(age: int) -> None:
        ticket = window.enter(age)
        entered.append(age)
        window.leave(ticket, was_refused=True)  # so that there is one place

    threads = [threading.Thread(target=work, args=[age]) for age in ages]
    for thread in reversed(threads):
        thread.start()
    assert until(lambda: len(window.waiting) == 5)
    assert (window.in_flight, entered) == (1, [])
    window.leave(ticket, was_refused=True)
    for thread in threads:
        thread.join(10)
    assert (window.in_flight, entered) == (0, ages)
