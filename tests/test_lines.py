"""Components → lines of writing, on maps small enough to draw by hand."""

import math

import numpy as np
import pytest

from app.preprocess.lines import MAX_COMPONENTS, MAX_LENGTH, MAX_LINES, Line, lines_of
from app.preprocess.pieces import Components
from support import inked


def lines_on(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (200, 300)) -> list[Line]:
    """Find the lines on a map with full ink in boxes."""
    found = Components.of(inked(shape, *boxes), 0.3)
    return lines_of(found.box[1:].astype(np.float64), found.mass[1:])


def edges_on(*boxes: tuple[int, int, int, int]) -> list[tuple[float, ...]]:
    return [line[:4] for line in lines_on(*boxes)]


def test_an_empty_page_has_no_line():
    assert lines_on() == []


def test_pieces_side_by_side_form_a_line_and_those_below_another():
    first, second = [(10, 50, x, x + 20) for x in (10, 50, 90)], [(100, 140, x, x + 20) for x in (30, 70)]
    assert edges_on(*second, *first) == [(10, 50, 10, 110), (100, 140, 30, 90)]


def test_the_height_of_a_line_is_that_of_most_of_its_ink():
    (line,) = lines_on((10, 50, 10, 30), (12, 50, 50, 70), (46, 60, 80, 84))
    assert line.height in (38, 40)


def test_a_minus_a_point_and_a_comma_belong_to_their_line():
    marks = (38, 42, 6, 20), (55, 60, 64, 69), (55, 66, 104, 109)
    assert edges_on((20, 60, 30, 50), (20, 60, 80, 100), *marks) == [(20, 66, 6, 109)]


@pytest.mark.parametrize("place", [10, 60, 110])
def test_the_halves_of_a_broken_digit_stay_in_its_line(place):
    whole = [(20, 80, left, left + 30) for left in (10, 60, 110) if left != place]
    halves = (22, 48, place, place + 30), (53, 80, place - 5, place + 25)
    assert len(lines_on(*whole, *halves)) == 1


def test_neither_specks_nor_small_ink_far_from_writing_are_lines():
    assert edges_on((20, 60, 10, 30), (30, 33, 50, 53), (100, 110, 50, 60)) == [(20, 60, 10, 30)]


@pytest.mark.parametrize(("within", "are_apart"), [(2, True), (1, False)])
def test_what_surrounds_several_pieces_is_no_writing(within, are_apart):
    frame = [(20, 120, 10, 12), (20, 120, 288, 290), (20, 22, 10, 290), (118, 120, 10, 290)]
    digits = [(40, 90, 60 + 50 * place, 80 + 50 * place) for place in range(within)]
    assert edges_on(*frame, *digits) == ([(40, 90, 60, 130)] if are_apart else [(20, 120, 10, 290)])


@pytest.mark.parametrize("slope", [-0.3, -0.1, 0.1, 0.3])
def test_the_tilt_of_a_line_is_measured(slope):
    tops = {x: 80 + slope * (x + 10 - 140) for x in range(10, 270, 40)}
    (line,) = lines_on(*[(round(top), round(top) + 40, x, x + 20) for x, top in tops.items()])
    assert line.tilt == pytest.approx(math.atan(slope), abs=0.01)
    assert line.bottom - line.top == pytest.approx(40, abs=2)
    middle = (line.top + line.bottom) / 2, (line.left + line.right) / 2
    y = middle[0] * math.cos(line.tilt) + middle[1] * math.sin(line.tilt)
    x = middle[1] * math.cos(line.tilt) - middle[0] * math.sin(line.tilt)
    assert (y, x) == (pytest.approx(100, abs=2), pytest.approx(140, abs=2))


@pytest.mark.parametrize(
    "boxes",
    [
        [(10, 50, 10, 30), (60, 100, 31, 51)],  # two lines
        [(10, 50, 10, 30), (15, 55, 40, 60), (20, 60, 70, 90)],  # short
        [(20 + y, 60 + y, x, x + 20) for x, y in ((10, 0), (60, 1), (120, 0), (180, 1), (240, 1))],  # nearly level
    ],
)
def test_no_tilt_is_measured_where_there_is_little_evidence(boxes):
    assert all(line.tilt == 0 for line in lines_on(*boxes))


def grid(columns: int, rows: int) -> list[tuple[int, int, int, int]]:
    return [(8 * y, 8 * y + 6, 6 * x, 6 * x + 4) for y in range(rows) for x in range(columns)]


@pytest.mark.parametrize(
    ("columns", "rows", "are_found"),
    [
        (2, MAX_LINES, True),
        (2, MAX_LINES + 1, False),
        (MAX_COMPONENTS // 20 + 1, 20, False),
        (MAX_LENGTH, 1, True),
        (MAX_LENGTH + 1, 1, False),
    ],
)
def test_noise_has_no_lines(columns, rows, are_found):
    assert bool(lines_on(*grid(columns, rows), shape=(300, 600))) == are_found
