"""Parts of a line are combined to segments and framed like single digits."""

import numpy as np
import pytest

from app.preprocess.lines import lines_of
from app.preprocess.pieces import Components
from app.preprocess.seams import cuts_of
from app.preprocess.segments import MAX_PARTS, segments_of

LEVEL = 0.3


def page_with(*inks: np.ndarray, gap: int = 6) -> np.ndarray:
    """Put digits side by side with a margin, (H, W) float32 in [0, 1]."""
    parts = [ink[:, ink.any(axis=0)] for ink in inks]
    row = np.concatenate([np.pad(part, ((8, 8), (gap, 0))) for part in parts], axis=1)
    return np.pad(row, ((0, 0), (0, 6))).astype(np.float32) / 255


def found(page: np.ndarray):
    (line,) = lines_of(page, Components.of(page, LEVEL))
    return segments_of(line, cuts_of(line), LEVEL)


def test_each_digit_is_a_segment_with_the_frame_of_the_digit_alone(digits):
    some = digits[[20, 120, 320]]
    segments = found(page_with(*some))
    alone = [found(page_with(digit)) for digit in some]
    for each in alone:
        (one,) = each.frames[each.spans[:, 1] - each.spans[:, 0] == len(each.parts.ink)]
        assert min(np.abs(segments.frames - one).max(axis=(1, 2))) < 0.2


def test_segments_are_consecutive_parts(digits):
    segments = found(page_with(*digits[::60]))
    begin, end = segments.spans.T
    assert (end > begin).all()
    assert (end - begin).max() <= MAX_PARTS
    assert end.max() == len(segments.parts.ink)
    assert len(segments.frames) == len(segments.boxes) == len(segments.shapes.height) == len(segments.spans)


def test_boxes_are_relative_to_the_page(digits):
    page = page_with(*digits[::60])
    segments = found(page)
    for frame, (top, bottom, left, right) in zip(segments.frames, segments.boxes, strict=True):
        assert 0 <= top < bottom <= page.shape[0]
        assert 0 <= left < right <= page.shape[1]
        assert frame.max() == 1


def test_ink_on_a_printed_line_is_measured(digits):
    page = page_with(digits[20], digits[120])
    printed = np.zeros_like(page)
    page[:, -40:-36] = printed[:, -40:-36] = 1  # between them
    (line,) = lines_of(page, Components.of(page, LEVEL), printed)
    segments = segments_of(line, cuts_of(line), LEVEL)
    is_line = np.isin(segments.boxes[:, 2:], [page.shape[1] - 40, page.shape[1] - 36]).all(axis=1)
    assert segments.shapes.printed[is_line] == pytest.approx(1)


def test_ink_cut_by_an_edge_is_measured(digits):
    page = page_with(digits[20], digits[120], digits[220])
    page = page[:, np.flatnonzero(page.any(axis=0))[2] :]  # in the first digit
    segments = found(page)
    count = len(segments.parts.ink)
    first, last = (segments.spans.tolist().index([part, part + 1]) for part in (0, count - 1))
    assert segments.shapes.cut_off[first] == segments.parts.cut_off[0] > 0.5
    assert segments.shapes.cut_off[last] == segments.parts.cut_off[-1] == 0


def test_fainter_ink_has_less_strength(digits):
    dark, faint = digits[20], np.uint8(0.4 * digits[20])
    segments = found(page_with(dark, faint))
    of_dark, of_faint = segments.shapes.strength[np.argsort(segments.boxes[:, 2])][[0, -1]]
    assert of_faint == pytest.approx(0.4 * of_dark, rel=0.05)


def test_shapes_are_in_digit_heights_at_any_scale(digits):
    page = page_with(digits[20])
    for scale in (1, 2, 4):
        segments = found(np.kron(page, np.ones((scale, scale), np.float32)))
        (whole,) = np.flatnonzero(segments.spans[:, 1] - segments.spans[:, 0] == len(segments.parts.ink))
        assert segments.shapes.height[whole] == pytest.approx(1, abs=0.03)
        assert segments.shapes.offset[whole] == pytest.approx(0, abs=0.05)
        assert segments.shapes.depth[whole] == 0


def test_heights_are_relative_to_the_line_with_the_most_ink(digits):
    digit = page_with(digits[20])
    page = np.vstack([np.kron(digit, np.ones((2, 2), np.float32)), np.pad(digit, ((0, 0), (0, digit.shape[1])))])
    main, small = (
        segments_of(line, cuts_of(line), LEVEL).shapes.height.max()
        for line in lines_of(page, Components.of(page, LEVEL))
    )
    assert (main, small) == (pytest.approx(1, abs=0.03), pytest.approx(0.5, abs=0.03))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_a_dot_or_a_line_has_a_part(shape):
    page = np.zeros((50, 50), np.float32)
    page[4 : 4 + shape[0], 4 : 4 + shape[1]] = 1
    assert len(found(page).parts.ink) >= 1
