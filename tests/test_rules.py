"""Printed lines are removed, while writing across or beside them stays."""

import numpy as np
import pytest

from app.preprocess.rules import without_rules
from support import inked

LEVEL = 0.3


def page(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Make a map of 100×300 with full ink in boxes."""
    return inked((100, 300), *boxes)


STROKES = (30, 70, 100, 105), (30, 34, 150, 180)  # a 1, and the bar of a 7
CELLS = [(y, y + 2, 20, 260) for y in (20, 80)] + [(20, 82, x, x + 2) for x in (20, 80, 140, 200, 258)]


def test_writing_without_lines_is_unchanged():
    assert without_rules(page(*STROKES), LEVEL) is None


def test_a_one_in_a_tight_crop_stays():
    assert without_rules(inked((60, 40), (4, 56, 18, 23)), LEVEL) is None
    assert without_rules(inked((60, 40), (1, 59, 18, 23)), LEVEL) is not None  # or it is a line of a table


def test_an_empty_page_is_unchanged():
    assert without_rules(page(), LEVEL) is None


@pytest.mark.parametrize("turned", [False, True], ids=["level", "upright"])
def test_a_ruled_line_is_removed_and_writing_stays(turned):
    written, ruled = page(*STROKES), page(*STROKES, (80, 82, 0, 300))
    found = without_rules(ruled.T if turned else ruled, LEVEL)
    np.testing.assert_array_equal(found.T if turned else found, written)


def test_table_cells_are_removed_and_a_one_nearly_as_tall_stays():
    np.testing.assert_array_equal(without_rules(page(*CELLS, *STROKES), LEVEL), page(*STROKES))


def test_a_single_box_is_removed():
    box = [(y, y + 2, 20, 82) for y in (20, 80)] + [(20, 82, x, x + 2) for x in (20, 80)]
    np.testing.assert_array_equal(without_rules(page(*box, (35, 70, 48, 53)), LEVEL), page((35, 70, 48, 53)))


@pytest.mark.parametrize(
    ("bottoms", "are_removed"), [((82, 82, 82), True), ((82, 83, 81), True), ((82, 82), False), ((82, 76, 70), False)]
)
def test_dividers_that_begin_and_end_alike_are_removed(bottoms, are_removed):
    dividers = [(20, bottom, 60 + 80 * place, 62 + 80 * place) for place, bottom in enumerate(bottoms)]
    found = without_rules(page(*STROKES, *dividers), LEVEL)
    if are_removed:
        np.testing.assert_array_equal(found, page(*STROKES))
    else:
        assert found is None


def test_a_stroke_across_a_line_stays_whole():
    stroke = (30, 90, 100, 106)
    np.testing.assert_array_equal(without_rules(page(stroke, (60, 62, 0, 300)), LEVEL), page(stroke))


def test_a_slightly_slanted_line_is_removed():
    ink = page(*STROKES)
    for x in range(300):
        ink[78 + x // 60 : 80 + x // 60, x] = 1
    np.testing.assert_array_equal(without_rules(ink, LEVEL), page(*STROKES))
