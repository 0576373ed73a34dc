"""How long requests are tried again, told what the service says and when."""

import pytest

from app.many.patience import SILENT_SECONDS, Patience, Tries
from stand_ins import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_busy_service_is_tried_until_patience_ends_and_a_silent_one_for_two_minutes(
    clock,
):
    tries = Tries(Patience(600, clock))
    assert tries.note_busy() == 600
    clock.sleep(100)
    assert tries.note_busy() == 500
    assert tries.note_silence() == SILENT_SECONDS == 120
    clock.sleep(30)
    assert tries.note_silence() == 90
    assert tries.note_busy() == 470  # it is back
    clock.sleep(30)
    assert tries.note_silence() == 120
    clock.sleep(500)
    assert tries.note_busy() < 0


def test_patience_of_less_than_two_minutes_also_ends_the_wait_for_a_silent_service(
    clock,
):
    assert Tries(Patience(6, clock)).note_silence() == 6


def test_a_service_is_stuck_if_it_answers_nothing_and_silent_if_it_says_nothing(clock):
    patience = Patience(600, clock)
    assert not patience.has_heard()
    patience.note_answer()
    assert patience.has_heard()
    clock.sleep(119)
    assert not patience.is_silent()
    clock.sleep(1)
    assert patience.is_silent()
    Tries(patience).note_busy()
    assert not patience.is_silent()
    clock.sleep(479)
    assert not patience.is_stuck()
    clock.sleep(1)
    assert patience.is_stuck()
    patience.note_answer()
    assert not patience.is_stuck()
    assert not patience.is_silent()


def test_pauses_are_those_requested_or_else_double_up_to_eight_seconds(clock):
    tries = Tries(Patience(600, clock))
    for requested in (30, 0.1):
        assert requested <= tries.pause(requested) <= 1.25 * requested
    for least in (0.5, 1, 2, 4, 8, 8, 8):
        assert least <= tries.pause(0) <= 1.25 * least
    pauses = {tries.pause(30) for _ in range(9)}
    assert len(pauses) > 1  # clients do not try again together
