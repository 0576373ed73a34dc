"""Ink map → pieces that may be the digit, on maps small enough to draw by hand."""

import time
from itertools import islice

import numpy as np
import pytest

from app.preprocess.maps import connected
from app.preprocess.pieces import RANK_PRIOR, pieces
from support import inked

LEVEL = 0.3


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Make a map of 100×100 with full ink in boxes."""
    return inked((100, 100), *boxes)


def test_no_ink_has_no_piece():
    assert list(pieces(np.full((9, 9), 0.2, np.float32), LEVEL)) == []


def test_a_single_piece_is_all_the_ink():
    (only,) = pieces(drawn((30, 70, 45, 55)), LEVEL)
    assert only.box == (30, 70, 45, 55)
    assert only.ink.sum() == 400
    assert only.prior == 0


def test_all_the_ink_comes_first_then_the_pieces_by_size():
    small, large, middle = (40, 60, 10, 16), (30, 70, 40, 60), (30, 70, 80, 90)
    everything, *others = pieces(drawn(small, large, middle), LEVEL)
    assert everything.box == (30, 70, 10, 90)
    assert everything.ink.sum() == drawn(small, large, middle).sum()
    assert [piece.box for piece in others] == [large, middle, small]
    assert [piece.prior for piece in others] == [0, RANK_PRIOR, 2 * RANK_PRIOR]


def test_the_bar_of_a_five_belongs_to_it_but_its_neighbour_does_not():
    five = [(20, 26, 45, 75), (32, 60, 35, 41), (54, 60, 35, 65), (60, 80, 60, 66)]  # the first is its bar
    neighbour = (30, 80, 90, 98)
    _, first, *_ = pieces(drawn(*five, neighbour), LEVEL)
    assert first.box == (20, 80, 35, 75)
    assert first.ink.sum() == drawn(*five).sum()


def test_specks_are_left_out():
    digit, specks = (20, 80, 40, 60), [(5, 7, 5, 7), (90, 93, 90, 93), (50, 52, 62, 64)]
    (only,) = pieces(drawn(digit, *specks), LEVEL)
    assert only.box == digit
    assert only.ink.sum() == 60 * 20


def test_a_piece_cut_by_an_edge_only_belongs_to_all_the_ink():
    digit, cut = (30, 70, 70, 80), (40, 60, 88, 100)  # closer than the bar of a 5 may be
    everything, *others = pieces(drawn(digit, cut), LEVEL)
    assert everything.box == (30, 70, 70, 100)
    assert [piece.box for piece in others] == [digit]


def test_a_speck_inside_the_box_is_left_out():
    corner = [(20, 80, 40, 48), (72, 80, 40, 80)]
    (only,) = pieces(drawn(*corner, (30, 33, 60, 63)), LEVEL)
    assert only.box == (20, 80, 40, 80)
    assert only.ink.sum() == drawn(*corner).sum()


def test_faint_ink_along_a_stroke_belongs_to_it():
    ink = drawn((30, 70, 45, 55), (30, 70, 57, 60))
    ink[30:70, 44] = 0.2  # the soft edge of the first
    ink[30:70, 20] = 0.2  # a shade elsewhere
    first = next(pieces(ink, LEVEL))
    assert first.box == (30, 70, 45, 60)
    narrow = ink.copy()
    narrow[:, 56:] = 0
    narrow[50, 48] = 0.2  # a hole
    assert next(pieces(narrow, LEVEL)).ink[20, 3] == np.float32(0.2)


def test_faint_ink_connects_pieces_at_a_lower_level():
    ink = drawn((30, 70, 20, 30), (30, 70, 60, 70))
    ink[48:52, 30:60] = 0.2
    assert len(list(pieces(ink, 0.1))) == 1
    assert len(list(pieces(ink, 0.3))) == 3


def test_noise_is_not_compared_pairwise():
    ink = (np.random.default_rng(0).random((700, 700)) < 0.2).astype(np.float32)
    assert connected(ink > 0).max() > 30_000
    started = time.process_time()
    assert len(list(pieces(ink, LEVEL))) <= 4
    assert time.process_time() - started < 0.5


def test_pieces_are_connected_components_at_any_mask_size():
    random = np.random.default_rng(0)
    for height, width in random.integers(2, 40, (40, 2)):
        inked = random.random((height, width)) < 0.4
        number = np.where(inked, np.arange(1, inked.size + 1).reshape(inked.shape), 0)
        while True:  # spreads the largest label until each component has its own
            padded = np.pad(number, 1)
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).max((2, 3))
            if np.array_equal(spread := np.where(inked, windows, 0), number):
                break
            number = spread
        pairs = set(zip(connected(inked).ravel().tolist(), number.ravel().tolist(), strict=True))
        assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3)])
def test_ink_that_fills_its_map_is_one_piece(shape):
    (only,) = islice(pieces(np.ones(shape, np.float32), LEVEL), 2)
    assert only.box == (0, shape[0], 0, shape[1])
