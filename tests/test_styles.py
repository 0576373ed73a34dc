"""Strokes that other writers add, on real digits and on hand-drawn strokes."""

import pytest
import torch

from tensors import generator
from training import styles
from training.extent import extent
from training.pen import draw


@pytest.fixture
def sample(digits, labels):
    return torch.from_numpy(digits).float() / 255, torch.from_numpy(labels)


def written(*corners: tuple[float, float], n: int = 50) -> torch.Tensor:
    """Draw the same polyline on n images."""
    return draw(torch.tensor([corners], dtype=torch.float), torch.tensor([2.5])).expand(n, 28, 28)


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
    styled = style(images, generator())
    assert images.equal(before)
    assert 0 <= styled.min() <= styled.max() <= 1
    if style not in (
        styles.curled,
        styles.ones_from_sevens,
        styles.waved,
        styles.short_stemmed,
    ):  # which move or remove ink
        assert (styled >= images).all()
        assert (styled - images).sum() > 0.02 * images.sum()


def test_an_upstroke_rises_from_the_left_to_the_top():
    one = written((14, 4), (14, 23))
    added = styles.with_upstroke(one, generator()) - one
    assert added[:, :, 17:].sum() == 0
    assert added[:, 22:].sum() == 0
    assert (added[:, 5:22, :12].sum(dim=(1, 2)) > 1).float().mean() > 0.9


def test_a_one_made_from_a_seven_has_its_bar_turned_down_to_the_left():
    seven = written((6, 5), (20, 5), (14, 23))
    made = styles.ones_from_sevens(seven, generator())
    box, axis = extent(made), torch.arange(28.0)
    ends = torch.stack([made[i, :, int(box.left[i]) :][:, :2].sum(dim=1) for i in range(len(made))])  # leftmost columns
    row = ends @ axis / ends.sum(dim=1)
    assert (row > box.top + 0.3 * box.height).all()


def test_a_nine_made_from_a_three_has_a_loop():
    three = written((9, 6), (14, 4), (18, 7), (17, 11), (12, 13), (18, 15), (20, 19), (16, 23), (9, 22))
    added = styles.nines_from_threes(three, generator()) - three
    assert (added[:, 6:13, 7:12].sum(dim=(1, 2)) > 3).all()  # between the ends of the upper bow
    assert added[:, 15:].sum() == added[:, :, 14:].sum() == 0


def test_a_batch_without_sevens_gets_no_ones_made_from_sevens(sample):
    images, labels = sample
    ones = images[labels == 1]
    assert styles.restyle(ones, torch.ones(len(ones), dtype=torch.long), generator()).shape == ones.shape


def test_a_base_extends_to_both_sides_of_the_foot():
    one = written((14, 4), (14, 23))
    added = styles.with_base(one, generator()) - one
    assert added[:, :18].sum() == 0
    assert (added[:, :, :13].sum(dim=(1, 2)) > 1).all()
    assert (added[:, :, 16:].sum(dim=(1, 2)) > 1).all()


def test_a_crossed_seven_has_a_bar_on_both_sides_of_its_stem():
    seven = written((6, 5), (20, 5), (12, 23))
    added = styles.crossed(seven, generator()) - seven
    assert added[:, :8].sum() == added[:, 22:].sum() == 0
    stem = 16
    assert (added[:, :, : stem - 2].sum(dim=(1, 2)) > 1).float().mean() > 0.9
    assert (added[:, :, stem + 2 :].sum(dim=(1, 2)) > 1).float().mean() > 0.9


def test_a_closed_four_has_its_ends_joined():
    four = torch.maximum(written((8, 5), (6, 15), (22, 15)), written((18, 5), (18, 23)))
    assert four[0, 5, 13] == 0
    assert (styles.closed(four, generator())[:, 4:8, 13].amax(dim=1) > 0.5).all()


def test_a_four_with_one_upper_end_stays_open():
    four = written((8, 5), (6, 15), (22, 15))
    assert styles.closed(four, generator()).equal(four)


def test_a_curled_nine_ends_left_of_its_stem():
    nine = torch.maximum(written((18, 8), (14, 5), (10, 9), (14, 12), (18, 8)), written((18, 5), (18, 23)))
    curled = styles.curled(nine, generator())
    assert curled[:, :, 0].sum() == curled[:, 27].sum() == 0
    lower_left = curled[:, 18:, :15].sum(dim=(1, 2))
    assert (lower_left > 1).float().mean() > 0.8


def test_a_wave_starts_below_its_crest_and_ends_above_it_and_the_stem_is_crossed():
    seven = written((6, 7), (21, 7), (21, 25))
    waved = styles.waved(seven, generator())
    upper, axis = waved[:, :13], torch.arange(13.0)
    start, crest, dip = (upper[:, :, x] @ axis / upper[:, :, x].sum(dim=1) for x in (6, 12, 17))
    assert (crest < start - 2).all()
    assert (crest < dip - 1.5).all()
    assert (waved[:, 11:22, 23].sum(dim=1) > 0.3).float().mean() > 0.9


def test_the_tail_of_a_zero_is_inside_it():
    zero = written((14, 4), (19, 7), (20, 14), (19, 21), (14, 24), (9, 21), (8, 14), (9, 7), (14, 4))
    added = styles.tailed(zero, generator()) - zero
    assert added[:, :4].sum() == added[:, 24:].sum() == added[:, :, :8].sum() == added[:, :, 21:].sum() == 0
    assert (added[:, 6:22, 10:19].sum(dim=(1, 2)) > 2).all()


def test_the_slash_of_a_zero_rises_through_its_middle():
    zero = written((14, 4), (19, 7), (20, 14), (19, 21), (14, 24), (9, 21), (8, 14), (9, 7), (14, 4))
    added = styles.slashed(zero, generator()) - zero
    assert (added[:, 12:17, 12:17].sum(dim=(1, 2)) > 2).all()
    lower_left, upper_right = added[:, 15:, :14].sum(), added[:, :14, 15:].sum()
    assert lower_left > 5 * added[:, :13, :13].sum()
    assert upper_right > 5 * added[:, 16:, 16:].sum()


def test_the_flat_end_of_a_six_is_to_the_right_of_its_top():
    six = written((14, 4), (9, 12), (9, 20), (14, 23), (18, 19), (14, 15), (9, 18))
    added = styles.roofed(six, generator()) - six
    assert added[:, :, :13].sum() == added[:, 12:].sum() == 0
    assert (added.sum(dim=(1, 2)) > 1).float().mean() > 0.9


def test_a_short_stem_of_a_four_hardly_rises_above_its_bar():
    four = torch.maximum(written((8, 5), (6, 15), (22, 15)), written((18, 5), (18, 23)))
    cut = styles.short_stemmed(four, generator())
    assert cut[:, :10, 15:].sum() == 0
    assert cut[:, :, :14].equal(four[:, :, :14])
    assert cut[:, 14:].equal(four[:, 14:])
