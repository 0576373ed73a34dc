"""Pictures → proposals of lines, cut out of the grey picture, level and scaled."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.preprocess.maps import Box
from app.preprocess.strips import MIN_WIDTH, STRIP_HEIGHT, Proposal, proposals, strip_side
from support import encode, number, picture_from_bytes


def proposed(image: Image.Image | np.ndarray) -> list[Proposal]:
    data = encode(image)
    size = picture_from_bytes(data, 10**6).image.size
    return proposals(picture_from_bytes(data, strip_side(size)))


def test_a_strip_shows_the_grey_picture_and_its_pixels_lie_where_they_were(digits):
    sheet = number(digits[[350, 120]], scale=1)
    for (strip,) in proposed(sheet):
        corners = strip.place @ [[0, strip.pixels.shape[1]], [0, STRIP_HEIGHT], [1, 1]]
        (left, right), (top, bottom) = (corners + 40).round().astype(int).tolist()
        there = ImageOps.expand(sheet, 40, 255).crop((left, top, right, bottom))
        there = there.resize(strip.pixels.shape[::-1], Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(there, float) - strip.pixels).mean() < 12


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (28, 28), (100, 100), (1, 2000), (2000, 1)])
def test_a_blank_picture_is_proposed_whole_if_it_may_be_a_line(size):
    found = proposed(np.full(size[::-1], 200, np.uint8))
    assert len(found) == (0.3 <= size[0] / size[1] <= 20)
    for (strip,) in found:
        assert strip.pixels.shape[1] >= MIN_WIDTH
        assert np.ptp(strip.pixels) == 0
        assert strip.box(0, STRIP_HEIGHT, 0, strip.pixels.shape[1]) == Box(0, size[1], 0, size[0])


def test_a_narrow_digit_is_widened_by_the_background():
    one = np.full((120, 30), 255, np.uint8)
    one[10:110, 12:18] = 0
    ((strip,),) = proposed(one)
    assert strip.pixels.shape[1] >= MIN_WIDTH
    assert (strip.pixels[:, [0, -1]] == 255).all()
