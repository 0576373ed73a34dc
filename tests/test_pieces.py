"""Ink map → pieces that may be the digit, on maps small enough to draw by hand."""

import numpy as np
import pytest

from app.picture.maps import Box, connected
from app.picture.pieces import RANK_PRIOR, pieces
from support import inked

LEVEL = 0.3
Boxes = list[tuple[int, int, int, int]]
SMALL, LARGE, MIDDLE = (40, 60, 10, 16), (30, 70, 40, 60), (30, 70, 80, 90)
# The first is its bar.
FIVE = [(20, 26, 45, 75), (32, 60, 35, 41), (54, 60, 35, 65), (60, 80, 60, 66)]
CORNER = [(20, 80, 40, 48), (72, 80, 40, 80)]
# What is drawn, and the pieces that are found.
DRAWN: dict[str, tuple[Boxes, list[Boxes]]] = {
    "nothing": ([], []),
    "a stroke": ([LARGE], [[LARGE]]),
    "three strokes, by size": (
        [SMALL, LARGE, MIDDLE],
        [[SMALL, LARGE, MIDDLE], [LARGE], [MIDDLE], [SMALL]],
    ),
    "a five with a bar apart, and its neighbour": (
        [*FIVE, (30, 80, 90, 98)],
        [[*FIVE, (30, 80, 90, 98)], FIVE, [(30, 80, 90, 98)], FIVE[:1]],
    ),
    "a stroke and specks": (
        [LARGE, (5, 7, 5, 7), (90, 93, 90, 93), (50, 52, 62, 64)],
        [[LARGE]],
    ),
    "a speck inside the box": ([*CORNER, (30, 33, 60, 63)], [CORNER]),
    "a stroke beside one that the edge cuts": (
        [MIDDLE, (40, 60, 93, 100)],
        [[MIDDLE, (40, 60, 93, 100)], [MIDDLE]],
    ),
}


def drawn(boxes: Boxes) -> np.ndarray:
    """Make a map of 100×100 with full ink in boxes."""
    return inked((100, 100), *boxes)


@pytest.mark.parametrize("name", DRAWN)
def test_all_the_ink_comes_first_then_large_strokes_with_their_neighbours(name):
    boxes, expected = DRAWN[name]
    found = list(pieces(drawn(boxes), LEVEL))
    for piece, own in zip(found, expected, strict=True):
        np.testing.assert_array_equal(piece.ink, drawn(own)[piece.box.slices])
        assert piece.ink.sum() == drawn(own).sum()
        assert piece.box == Box.around(np.array(own))
    assert [piece.prior for piece in found] == [
        0,
        *(RANK_PRIOR * rank for rank in range(3)),
    ][: len(found)]


def test_a_mask_has_the_same_components_however_it_is_turned():
    """The library mislabels boolean masks of odd width."""
    random = np.random.default_rng(0)
    for height, width in random.integers(2, 40, (100, 2)):
        mask = random.random((height, width)) < 0.4
        counts = [
            connected(np.ascontiguousarray(np.rot90(mask, turn))).max()
            for turn in range(4)
        ]
        assert len(set(counts)) == 1
