"""Lines are cut between digits and at their narrowest places, on real digits."""

import numpy as np
import pytest

from app.preprocess.lines import Line
from app.preprocess.maps import Box
from app.preprocess.seams import MAX_SEAMS, cuts_of


def line_of(ink: np.ndarray, height: float) -> Line:
    ink = ink.astype(np.float32)
    return Line(ink / ink.max(), Box(0, ink.shape[0], 0, ink.shape[1]), height)


def beside(*inks: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Put digits in a row, cropped to their columns; also return each pixel's digit, or -1 without ink."""
    parts = [ink[4:24, ink.any(axis=0)] for ink in inks]
    width = sum(part.shape[1] for part in parts) + gap * (len(parts) - 1)
    row, owner, left = np.zeros((20, width)), np.full((20, width), -1), 0
    for index, part in enumerate(parts):
        place = np.s_[:, left : left + part.shape[1]]
        owner[place][part > row[place]] = index
        np.maximum(row[place], part, out=row[place])
        left += part.shape[1] + gap
    return row, owner


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_a_gap_is_cut_at_any_spacing(digits, scale):
    row, owner = beside(digits[350], digits[150], digits[400], gap=3)
    big, owners = np.kron(row, np.ones((scale, scale))), np.kron(owner, np.ones((scale, scale), int))
    part, depth = cuts_of(line_of(big, 20 * scale))
    cut_freely = [index for index, ink in enumerate(depth[1:-1].tolist(), 1) if ink < 0.2]
    assert len(cut_freely) >= 2
    for one in range(3):  # no digit shares a part with another one
        own = set(np.unique(part[(owners == one) & (big > 100)]))
        others = set(np.unique(part[(owners != one) & (big > 100)]))
        assert not own & others


@pytest.mark.parametrize(("gap", "least"), [(-1, 46), (-2, 41), (-3, 30)])
def test_touching_and_overlapping_digits_are_separated(digits, gap, least):
    found = 0
    for place in range(0, 500, 10):
        row, owner = beside(digits[place], digits[(7 * place + 13) % 500], gap=gap)
        part, _ = cuts_of(line_of(row, 20))
        cuts = range(1, int(part.max()) + 1)
        clean = [((part >= cut) == (owner == 1))[row > 100].mean() for cut in cuts]
        found += max(clean, default=0) > 0.97
    assert found >= least, found


@pytest.mark.parametrize("middle", [10, 20, 30])
def test_a_bar_between_two_strokes_is_crossed_once_at_any_height(middle):
    ink = np.zeros((40, 48))
    ink[:, 2:8] = ink[:, 40:46] = ink[middle - 3 : middle + 3, 8:40] = 1
    part, depth = cuts_of(line_of(ink, 40))
    assert part[:, 4].max() < part[:, 43].min()
    assert depth[1:-1].min() == pytest.approx(1, abs=0.15)


def test_a_comma_is_a_part_of_its_own():
    ink = np.zeros((50, 60))
    ink[0:40, 2:12] = ink[0:40, 44:54] = ink[36:48, 24:28] = 1
    part, _ = cuts_of(line_of(ink, 40))
    assert len({part[20, 5], part[40, 25], part[20, 50]}) == 3


def test_a_faint_tip_stays_with_its_stroke():
    ink = np.zeros((40, 60))
    ink[:, 2:12] = ink[:, 44:54] = 1
    ink[20, 12:15] = 0.45, 0.4, 0.35
    part, _ = cuts_of(line_of(ink, 40))
    assert part[20, 14] == part[20, 5] != part[20, 50]


def test_parts_are_numbered_from_left_to_right_in_every_row(digits):
    row, _ = beside(*digits[::50], gap=1)
    part, depth = cuts_of(line_of(row, 20))
    assert part.min() == 0
    assert (np.diff(part, axis=1) >= 0).all()
    assert len(depth) == part.max() + 2
    assert depth[0] == depth[-1] == 0


def test_the_number_of_parts_is_limited():
    stripes = np.zeros((20, 3000))
    stripes[:, ::4] = 1
    assert cuts_of(line_of(stripes, 20)).part.max() <= MAX_SEAMS


def test_one_pixel_is_one_part():
    part, depth = cuts_of(line_of(np.ones((1, 1)), 1))
    assert part.tolist() == [[0]]
    assert depth.tolist() == [0, 0]
