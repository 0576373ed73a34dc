"""Pictures → proposals of lines, cut out of the grey picture, level and scaled."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.preprocess.errors import TooMuchWriting
from app.preprocess.maps import Box
from app.preprocess.strips import NARROWEST, WIDER, Proposal, Strip, proposals, strip_side
from support import encode, number, page, picture_from_bytes, speckled

HEIGHT = 40  # of the strips


def proposed(image: Image.Image | np.ndarray) -> list[Proposal]:
    data = encode(image)
    size = picture_from_bytes(data, 10**6).image.size
    return [*proposals(picture_from_bytes(data, strip_side(size)), HEIGHT)]


def box_of(strip: Strip) -> Box:
    """Return the part of the picture that a strip shows."""
    return strip.box(0, HEIGHT, 0, strip.pixels.shape[1])


def test_a_strip_shows_the_grey_picture_and_its_pixels_lie_where_they_were(digits):
    sheet = number(digits[[350, 120]], scale=1)
    for (strip,) in proposed(sheet):
        corners = strip.place @ [[0, strip.pixels.shape[1]], [0, HEIGHT], [1, 1]]
        (left, right), (top, bottom) = (corners + 40).round().astype(int).tolist()
        there = ImageOps.expand(sheet, 40, 255).crop((left, top, right, bottom))
        there = there.resize(strip.pixels.shape[::-1], Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(there, float) - strip.pixels).mean() < 12


def test_the_whole_picture_comes_first_then_the_lines_of_its_ink_then_the_whole_widened(digits):
    sheet = number(digits[[350, 120, 0]], digits[[60, 200]])
    (whole,), lines, (wide,) = proposed(sheet)
    assert box_of(whole) == box_of(wide) == Box(0, sheet.height, 0, sheet.width)
    np.testing.assert_allclose(whole.place @ [0, 0, 1], [0, 0], atol=1e-9)  # without a margin
    assert whole.pixels.shape == (HEIGHT, round(HEIGHT * sheet.width / sheet.height))
    assert wide.pixels.shape == (HEIGHT, round(WIDER * HEIGHT * sheet.width / sheet.height))
    upper, lower = map(box_of, lines)
    assert upper.top < 48 < upper.bottom < lower.bottom  # the digits are 60 pixels high, 144 apart
    assert lower.top > 144 - 20
    for strip in lines:
        assert strip.pixels[: HEIGHT // 10].min() > 250  # a margin


def test_the_whole_picture_comes_last_without_printed_lines(digits):
    sheet = ImageOps.expand(number(digits[[350, 120, 0]]), 50, 255)
    plain = proposed(sheet)
    ImageDraw.Draw(sheet).rectangle((20, 20, sheet.width - 21, sheet.height - 21), outline=60, width=3)
    *others, (erased,) = proposed(sheet)
    (whole,), (clean,) = others[0], plain[0]
    ruled, left = (np.abs(strip.pixels.astype(int) - clean.pixels).mean() for strip in (whole, erased))
    assert left < 0.2 * ruled


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (28, 28), (30, 100), (100, 100), (1, 2000), (2000, 1)])
def test_a_blank_picture_is_proposed_whole_if_it_may_be_a_line(size):
    found = proposed(np.full(size[::-1], 200, np.uint8))
    assert len(found) == 2 * (0.3 <= size[0] / size[1] <= 20)
    for (strip,) in found:
        assert strip.pixels.shape[0] == HEIGHT
        assert strip.pixels.shape[1] >= NARROWEST * HEIGHT
        assert np.ptp(strip.pixels) == 0
        assert box_of(strip) == Box(0, size[1], 0, size[0])


def test_a_narrow_digit_is_widened_by_the_background():
    one = np.full((120, 30), 255, np.uint8)
    one[10:110, 12:18] = 0
    ((strip,),) = proposed(one)
    assert strip.pixels.shape[1] >= NARROWEST * HEIGHT
    assert (strip.pixels[:, [0, -1]] == 255).all()


@pytest.mark.parametrize(
    ("rows", "columns", "is_refused"),
    [
        (40, 2, True),
        (20, 2, False),
        (1, 150, True),
        (1, 30, False),
        (40, 40, True),  # this and those below may be one line, by the picture's shape
        (33, 20, True),
        (32, 12, False),
        (25, 25, True),
    ],
)
def test_more_than_32_lines_600_pieces_or_a_line_of_80_heights_are_refused(digits, rows, columns, is_refused):
    sheet = number(*np.resize(digits, (rows, columns, 28, 28)), scale=1)
    if is_refused:
        with pytest.raises(TooMuchWriting):
            proposed(sheet)
    else:
        assert proposed(sheet)


def test_too_much_writing_is_not_proposed_as_one_line(digits):
    """Seen from afar, lines of writing look like a 1."""
    sheet = page(*digits[:120].reshape(40, 3, 28, 28), size=(1400, 2000))
    with pytest.raises(TooMuchWriting):
        next(proposals(picture_from_bytes(encode(sheet), 640), HEIGHT))


def test_a_number_among_many_specks_is_proposed_as_one_line_before_too_much_writing_is_refused(digits):
    picture = picture_from_bytes(encode(speckled(number(digits[[350, 120, 0]], scale=4))), 640)
    lengths = []
    with pytest.raises(TooMuchWriting):
        lengths.extend(len(proposal) for proposal in proposals(picture, HEIGHT))
    assert {*lengths} == {1}


@pytest.mark.parametrize("apart", [15, 20, 60])
def test_printed_lines_are_no_writing(apart):
    ruled = Image.new("L", (600, 800), 255)
    for row in range(apart, 800, apart):
        ImageDraw.Draw(ruled).line((0, row, 600, row), fill=120)
    assert all(len(proposal) == 1 for proposal in proposed(ruled))
