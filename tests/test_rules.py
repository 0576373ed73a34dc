"""Printed lines are removed, while writing across or beside them stays."""

import numpy as np
import pytest

from app.preprocess.rules import without_rules
from support import inked

LEVEL = 0.3
Boxes = list[tuple[int, int, int, int]]


def page(boxes: Boxes) -> np.ndarray:
    """Make a map of 100×300 with full ink in boxes."""
    return inked((100, 300), *boxes)


def dividers(*bottoms: int) -> Boxes:
    """Draw upright lines side by side that begin at the same height."""
    return [(20, bottom, 60 + 80 * place, 62 + 80 * place) for place, bottom in enumerate(bottoms)]


STROKES = [(30, 70, 100, 105), (30, 34, 150, 180)]  # a 1, and the bar of a 7
CELLS = [(y, y + 2, 20, 260) for y in (20, 80)] + [(20, 82, x, x + 2) for x in (20, 80, 140, 200, 258)]
BOX = [(y, y + 2, 20, 82) for y in (20, 80)] + [(20, 82, x, x + 2) for x in (20, 80)]
PRINTED = {
    "a ruled line": (STROKES, [(80, 82, 0, 300)]),
    "a slanted line": (STROKES, [(78 + step, 80 + step, 60 * step, 60 * step + 60) for step in range(5)]),
    "a line across a stroke": ([(30, 90, 100, 106)], [(60, 62, 0, 300)]),
    "a table around a 1 nearly as tall as its cells": (STROKES, CELLS),
    "a box": ([(35, 70, 48, 53)], BOX),
    "dividers": (STROKES, dividers(82, 82, 82)),
    "uneven dividers": (STROKES, dividers(82, 83, 81)),
    "a stroke from edge to edge": ([], [(1, 99, 100, 105)]),
}
WRITTEN = {
    "nothing": [],
    "strokes": STROKES,
    "a stroke nearly as tall as the picture": [(4, 96, 100, 105)],
    "two strokes that may be dividers": [*STROKES, *dividers(82, 82)],
    "strokes that end at other heights": [*STROKES, *dividers(82, 76, 70)],
}


@pytest.mark.parametrize("turned", [False, True], ids=["level", "upright"])
@pytest.mark.parametrize("name", PRINTED)
def test_printed_lines_are_removed_and_writing_stays(name, turned):
    written, printed = PRINTED[name]
    before, after = page(written + printed), page(written)
    np.testing.assert_array_equal(without_rules(before.T if turned else before, LEVEL), after.T if turned else after)


@pytest.mark.parametrize("name", WRITTEN)
def test_writing_without_printed_lines_is_unchanged(name):
    assert without_rules(page(WRITTEN[name]), LEVEL) is None
