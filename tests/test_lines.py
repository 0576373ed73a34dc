"""Ink map → lines of writing, on maps small enough to draw by hand."""

import numpy as np
import pytest

from app.preprocess.errors import TooMuchWriting
from app.preprocess.lines import MAX_COMPONENTS, MAX_LINES, Line, lines_of, stray
from app.preprocess.pieces import Components
from support import inked

LEVEL = 0.3


def page(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Make a map of 200×300 with full ink in boxes."""
    return inked((200, 300), *boxes)


def lines_on(ink: np.ndarray) -> list[Line]:
    return lines_of(ink, Components.of(ink, LEVEL))


def boxes_of(*boxes: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    return [tuple(line.box) for line in lines_on(page(*boxes))]


def test_an_empty_page_has_no_line():
    assert lines_on(page()) == []


def test_pieces_side_by_side_form_a_line_and_those_below_another():
    first, second = [(10, 50, x, x + 20) for x in (10, 50, 90)], [(100, 140, x, x + 20) for x in (30, 70)]
    assert boxes_of(*second, *first) == [(10, 50, 10, 110), (100, 140, 30, 90)]


def test_a_line_may_slope():
    assert boxes_of(*[(100 - 2 * x // 10, 140 - 2 * x // 10, x, x + 20) for x in range(10, 270, 40)]) == [
        (50, 138, 10, 270)
    ]


def test_the_height_of_a_line_is_that_of_most_of_its_ink():
    (line,) = lines_on(page((10, 50, 10, 30), (12, 50, 50, 70), (46, 60, 80, 84)))
    assert line.height in (38, 40)


def test_a_bar_above_and_a_comma_below_belong_to_their_line():
    first, second = [(30, 60, 10, 30), (20, 25, 14, 34), (58, 68, 36, 40)], [(120, 160, 10, 30)]
    assert boxes_of(*first, *second) == [(20, 68, 10, 40), (120, 160, 10, 30)]


@pytest.mark.parametrize(("height", "is_kept"), [(25, False), (28, True), (58, True), (62, False)])
def test_ink_cut_by_the_edge_can_be_left_out_unless_it_is_as_large_as_digits(height, is_kept):
    ink = page((0, height, 10, 30), (10, 50, 50, 70))
    assert lines_on(ink)[0].box == (0, max(height, 50), 10, 70)
    found = Components.of(ink, LEVEL)
    (line,) = lines_of(ink, found, left_out=stray(found))
    assert line.box == ((0, max(height, 50), 10, 70) if is_kept else (10, 50, 50, 70))


@pytest.mark.parametrize(
    "around",
    [
        [(20, 90, 20, 22), (20, 90, 98, 100), (20, 22, 20, 100), (88, 90, 20, 100)],  # a frame around one digit
        [(70, 74, 30, 160)],  # a line under two of them
    ],
)
def test_what_surrounds_digits_can_be_left_out(around):
    digits = (30, 65, 40, 60), (30, 65, 120, 140)
    ink = page(*digits, *around)
    assert lines_on(ink)[0].box != (30, 65, 40, 140)
    found = Components.of(ink, LEVEL)
    (line,) = lines_of(ink, found, left_out=stray(found))
    assert line.box == (30, 65, 40, 140)


def test_an_underline_that_is_as_long_as_digits_are_tall_can_be_left_out():
    digits = (30, 65, 40, 48), (30, 65, 60, 68)
    ink = page(*digits, (70, 74, 36, 72))
    assert lines_on(ink)[0].box == (30, 74, 36, 72)
    found = Components.of(ink, LEVEL)
    (line,) = lines_of(ink, found, left_out=stray(found))
    assert line.box == (30, 65, 40, 68)


def test_noise_is_not_tested_for_surrounding_others():
    ink = np.zeros((400, 400), np.float32)
    ink[::6, ::6] = 1
    ink[3, :-10] = ink[3:200, 5] = 1
    assert stray(Components.of(ink, LEVEL)).sum() == (ink[[0, -1]].sum() + ink[1:-1, [0, -1]].sum())


def test_cut_off_ink_is_marked_by_the_share_of_the_other_ink():
    (line,) = lines_on(page((0, 40, 10, 30), (10, 50, 50, 110)))
    np.testing.assert_allclose(line.cut_off[:40, :20], 0.75)
    assert not line.cut_off[:, 20:].any()


def test_if_all_ink_is_cut_off_none_is_marked():
    (line,) = lines_on(page((0, 40, 10, 30), (0, 40, 50, 70)))
    assert not line.cut_off.any()


def test_without_cut_off_ink_there_are_no_marks():
    assert lines_on(page((10, 50, 10, 30)))[0].cut_off is None


def test_what_is_left_may_be_much_smaller_than_the_cut_ink():
    ink = page((100, 140, 50, 70), (0, 200, 200, 260))
    found = Components.of(ink, LEVEL)
    (line,) = lines_of(ink, found, left_out=stray(found))
    assert line.box == (100, 140, 50, 70)


@pytest.mark.parametrize("place", [10, 60, 110])
def test_the_halves_of_a_broken_digit_stay_in_its_line(place):
    whole = [(20, 80, left, left + 30) for left in (10, 60, 110) if left != place]
    halves = (22, 48, place, place + 30), (53, 80, place - 5, place + 25)
    assert len(lines_on(page(*whole, *halves))) == 1


def test_specks_belong_to_no_line():
    assert boxes_of((20, 60, 10, 30), (30, 33, 50, 53)) == [(20, 60, 10, 30)]


def test_a_line_has_only_its_own_ink():
    first, second = lines_on(page((10, 40, 10, 30), (20, 50, 50, 90), (45, 75, 10, 30)))
    assert first.box == (10, 50, 10, 90)
    assert first.ink.sum() == 30 * 20 + 30 * 40
    assert second.ink.sum() == 30 * 20


def test_high_lines_are_downscaled_with_their_marks():
    (line,) = lines_on(page((10, 90, 10, 30), (20, 100, 50, 90)))
    assert line.box == (10, 100, 10, 90)
    assert line.ink.shape == (45, 40)
    assert line.height == 40
    assert line.ink.mean() == pytest.approx((80 * 20 + 80 * 40) / (90 * 80), abs=1e-3)
    (cut,) = lines_on(page((0, 80, 10, 30), (0, 80, 50, 70), (10, 90, 90, 130)))
    assert cut.cut_off.shape == cut.ink.shape
    assert cut.cut_off.sum() == pytest.approx(0.5 * cut.ink.sum() / 2, rel=0.01)


def test_the_scale_of_a_line_is_relative_to_the_one_with_the_most_ink():
    small, main = lines_on(page((10, 30, 10, 60), (60, 100, 10, 30), (60, 100, 50, 70)))
    assert (small.scale, main.scale) == (0.5, 1)


def test_many_pieces_are_noise():
    ink = np.zeros((200, 300), np.float32)
    ink[::4, ::4] = ink[1::4, ::4] = ink[::4, 1::4] = 1
    assert MAX_COMPONENTS < 50 * 75
    with pytest.raises(TooMuchWriting):
        lines_on(ink)


def test_many_lines_are_noise():
    tops = range(0, 200, 200 // (MAX_LINES + 1))
    assert len(tops) > MAX_LINES
    with pytest.raises(TooMuchWriting):
        boxes_of(*[(top, top + 4, 10, 30) for top in tops])
    assert len(boxes_of(*[(top, top + 4, 10, 30) for top in tops[:MAX_LINES]])) == MAX_LINES
