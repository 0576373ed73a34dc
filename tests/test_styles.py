"""Strokes that other writers add, on real digits and on hand-drawn strokes."""

import numpy as np
import pytest
import torch

from tensors import generator
from training import styles
from training.pen import draw


@pytest.fixture
def sample(digits, labels):
    return torch.from_numpy(digits).float() / 255, torch.from_numpy(labels)


def written(*strokes: tuple[tuple[float, float], ...], n: int = 50) -> torch.Tensor:
    """Draw the same strokes on n images."""
    drawn = [draw(torch.tensor([points], dtype=torch.float), torch.tensor([2.5])) for points in strokes]
    return torch.cat(drawn).amax(dim=0).expand(n, 28, 28)


def test_about_the_stated_share_of_each_digit_changes_and_the_others_do_not(sample):
    images, labels = sample
    changed = (styles.restyle(images, labels, generator()) != images).any(dim=2).any(dim=1)
    untouched = dict.fromkeys(range(10), 1.0)
    for digit, _, _, share in styles.STYLES:
        untouched[digit] *= 1 - share
    for digit, share in untouched.items():
        assert changed[labels == digit].float().mean().item() == pytest.approx(1 - share, abs=0.2 * (share < 1))


@pytest.mark.parametrize(("source", "style"), [row[1:3] for row in styles.STYLES])
def test_a_style_stays_in_range_and_leaves_its_input_as_it_was(sample, source, style):
    images, labels = sample
    images = images[labels == source]
    before = images.clone()
    styled = style(styles.Ink(images, generator()))
    assert images.equal(before)
    assert 0 <= styled.min() <= styled.max() <= 1
    assert (styled - images).abs().sum() > 0.02 * images.sum()


ONE = (((14, 4), (14, 23)),)
THREE = (((9, 6), (14, 4), (18, 7), (17, 11), (12, 13), (18, 15), (20, 19), (16, 23), (9, 22)),)
FOUR = ((8, 5), (6, 15), (22, 15)), ((18, 5), (18, 23))
SIX = (((14, 4), (9, 12), (9, 20), (14, 23), (18, 19), (14, 15), (9, 18)),)
NINE = ((18, 8), (14, 5), (10, 9), (14, 12), (18, 8)), ((18, 5), (18, 23))
SEVEN = (((6, 5), (20, 5), (12, 23)),)
ZERO = (((14, 4), (19, 7), (20, 14), (19, 21), (14, 24), (9, 21), (8, 14), (9, 7), (14, 4)),)


@pytest.mark.parametrize(
    ("style", "strokes", "inked", "empty"),
    [
        # to the left of a 1's top, rising to it
        (styles.with_upstroke, ONE, [np.s_[5:22, :12]], [np.s_[:, 17:], np.s_[22:]]),
        # on both sides of the foot
        (styles.with_base, ONE, [np.s_[:, :13], np.s_[:, 16:]], [np.s_[:18]]),
        # on both sides of the stem
        (styles.crossed, SEVEN, [np.s_[:, :14], np.s_[:, 18:]], [np.s_[:8], np.s_[22:]]),
        # between the ends of the upper bow
        (styles.nines_from_threes, THREE, [np.s_[6:13, 7:12]], [np.s_[15:], np.s_[:, 14:]]),
        # between the upper ends
        (styles.closed, FOUR, [np.s_[4:8, 12:15]], [np.s_[12:]]),
        # inside of the 0
        (styles.tailed, ZERO, [np.s_[6:22, 10:19]], [np.s_[:4], np.s_[24:], np.s_[:, :8], np.s_[:, 21:]]),
        # through the middle, from the lower left to the upper right
        (styles.slashed, ZERO, [np.s_[12:17, 12:17], np.s_[15:, :14], np.s_[:14, 15:]], []),
        # to the right of the top
        (styles.roofed, SIX, [np.s_[:12, 13:]], [np.s_[:, :13], np.s_[12:]]),
        # at the left end of the bar
        (styles.hooked, SEVEN, [np.s_[5:14, :10]], [np.s_[14:], np.s_[:, 12:]]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_stroke_is_added_where_the_style_has_it(style, strokes, inked, empty):
    digit = written(*strokes)
    added = (style(styles.Ink(digit, generator())) - digit).permute(1, 2, 0)
    for place in inked:
        assert (added[place].sum(dim=(0, 1)) > 1).float().mean() > 0.9, place
    for place in empty:
        assert added[place].sum() == 0, place


def test_a_four_with_one_upper_end_stays_open_and_a_short_stem_hardly_rises_above_the_bar():
    half, four = written(FOUR[0]), written(*FOUR)
    assert styles.closed(styles.Ink(half, generator())).equal(half)
    cut = styles.short_stemmed(styles.Ink(four, generator()))
    assert cut[:, :10, 15:].sum() == 0
    assert cut[:, :, :14].equal(four[:, :, :14])
    assert cut[:, 14:].equal(four[:, 14:])
