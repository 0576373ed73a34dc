"""Ink map → pieces that may be the digit, on maps small enough to draw by hand."""

import numpy as np
import pytest

from app.picture.maps import PixelBox, connected
from app.picture.pieces import RANK_PRIOR, pieces
from pictures import inked

LEVEL = 0.3
# Pieces, as (top, bottom, left, right).
SMALL = (40, 60, 10, 16)
LARGE = (30, 70, 40, 60)
MIDDLE = (30, 70, 80, 90)
SLENDER = (30, 80, 90, 98)
AT_THE_EDGE = (40, 60, 93, 100)
BAR = (20, 26, 45, 75)
FIVE = [BAR, (32, 60, 35, 41), (54, 60, 35, 65), (60, 80, 60, 66)]
CORNER = [(20, 80, 40, 48), (72, 80, 40, 80)]
SPECKS = [(5, 7, 5, 7), (90, 93, 90, 93), (50, 52, 62, 64)]
INNER_SPECK = (30, 33, 60, 63)
Boxes = list[tuple[int, int, int, int]]
# What is drawn, and the pieces that are found.
DRAWN: dict[str, tuple[Boxes, list[Boxes]]] = {
    "nothing": ([], []),
    "a stroke": ([LARGE], [[LARGE]]),
    "three strokes, by size": (
        [SMALL, LARGE, MIDDLE],
        [[SMALL, LARGE, MIDDLE], [LARGE], [MIDDLE], [SMALL]],
    ),
    "a five with a bar apart, and its neighbour": (
        [*FIVE, SLENDER],
        [[*FIVE, SLENDER], FIVE, [SLENDER], [BAR]],
    ),
    "a stroke and specks": ([LARGE, *SPECKS], [[LARGE]]),
    "a speck inside the box": ([*CORNER, INNER_SPECK], [CORNER]),
    "a stroke beside one that the edge cuts": (
        [MIDDLE, AT_THE_EDGE],
        [[MIDDLE, AT_THE_EDGE], [MIDDLE]],
    ),
}


def drawn(boxes: Boxes) -> np.ndarray:
    """Make a map of 100×100 with full ink in boxes."""
    return inked((100, 100), *boxes)


@pytest.mark.parametrize("name", DRAWN)
def test_all_the_ink_comes_first_then_large_strokes_with_their_neighbours(name):
    boxes, expected = DRAWN[name]
    found = list(pieces(drawn(boxes), LEVEL))
    priors = [0, 0, RANK_PRIOR, 2 * RANK_PRIOR]
    assert [piece.prior for piece in found] == priors[: len(found)]
    for piece, own in zip(found, expected, strict=True):
        np.testing.assert_array_equal(piece.ink, drawn(own)[piece.box.slices])
        assert piece.ink.sum() == drawn(own).sum()
        assert piece.box == PixelBox.around(np.array(own))


def test_a_mask_has_the_same_components_however_it_is_turned():
    """The library mislabels boolean masks of odd width."""
    random = np.random.default_rng(0)
    for height, width in random.integers(2, 40, (100, 2)):
        mask = random.random((height, width)) < 0.4
        turned = [np.ascontiguousarray(np.rot90(mask, turn)) for turn in range(4)]
        assert len({connected(each).max() for each in turned}) == 1
