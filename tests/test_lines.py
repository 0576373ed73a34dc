"""Components → lines of writing, on maps small enough to draw by hand."""

import numpy as np
import pytest

from app.preprocess.lines import MAX_COMPONENTS, MAX_LENGTH, MAX_LINES, Line, lines_of
from app.preprocess.pieces import Components
from support import inked

Boxes = list[tuple[int, int, int, int]]
MARKS = [(38, 42, 6, 20), (55, 60, 64, 69), (55, 66, 104, 109)]  # a minus, a point and a comma
FRAME = [(20, 120, 10, 12), (20, 120, 288, 290), (20, 22, 10, 290), (118, 120, 10, 290)]


def lines_on(boxes: Boxes, shape: tuple[int, int] = (200, 300)) -> list[Line]:
    """Find the lines on a map with full ink in boxes."""
    found = Components.of(inked(shape, *boxes), 0.3)
    return lines_of(found.box[1:].astype(np.float64), found.mass[1:])


def in_a_row(top: int, bottom: int, *left: int) -> Boxes:
    return [(top, bottom, x, x + 20) for x in left]


def broken(place: int) -> Boxes:
    """Draw three digits, one of which is in two halves."""
    whole = [(20, 80, left, left + 30) for left in (10, 60, 110) if left != place]
    return [*whole, (22, 48, place, place + 30), (53, 80, place, place + 25)]


PAGES: dict[str, tuple[Boxes, Boxes]] = {  # what is drawn, and the lines
    "nothing": ([], []),
    "two rows": (in_a_row(100, 140, 30, 70) + in_a_row(10, 50, 10, 50, 90), [(10, 50, 10, 110), (100, 140, 30, 90)]),
    "marks": ([*in_a_row(20, 60, 30, 80), *MARKS], [(20, 66, 6, 109)]),
    **{f"a digit in two halves at {place}": (broken(place), [(20, 80, 10, 140)]) for place in (10, 60, 110)},
    "specks and small ink": ([(20, 60, 10, 30), (30, 33, 50, 53), (100, 110, 50, 60)], [(20, 60, 10, 30)]),
    "a frame around two digits": ([*FRAME, *in_a_row(40, 90, 60, 110)], [(40, 90, 60, 130)]),
    "a frame around one": ([*FRAME, *in_a_row(40, 90, 60)], [(20, 120, 10, 290)]),
}


@pytest.mark.parametrize("name", PAGES)
def test_ink_side_by_side_forms_a_line(name):
    drawn, expected = PAGES[name]
    assert [line[:4] for line in lines_on(drawn)] == expected


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
    grid = [(8 * y, 8 * y + 6, 6 * x, 6 * x + 4) for y in range(rows) for x in range(columns)]
    assert bool(lines_on(grid, shape=(300, 600))) == are_found
