"""Pictures → lines, cut out of the grey picture, level and scaled."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.picture.maps import PixelBox
from app.text.layout import LineBox
from app.text.strips import NARROWEST, WHOLE_STRIPS, WIDER, Sheet, Strip, whole_sheet
from pictures import encode, number, picture_from_bytes

HEIGHT = 40  # of the strips


def proposed(image: Image.Image | np.ndarray) -> list[Strip]:
    sheet = whole_sheet(picture_from_bytes(encode(image), 10**6))
    strips = [whole_strip(sheet, HEIGHT) for whole_strip in WHOLE_STRIPS]
    return [strip for strip in strips if strip]


def box_of(strip: Strip) -> PixelBox:
    """Return the part of the picture that a strip shows."""
    return strip.box(0, HEIGHT, 0, strip.pixels.shape[1])


def test_the_whole_picture_comes_first_then_widened(digits):
    sheet = number(digits[[350, 120, 0]], digits[[60, 200]])
    whole, wide = proposed(sheet)
    assert box_of(whole) == box_of(wide) == PixelBox(0, sheet.height, 0, sheet.width)
    # Without a margin.
    np.testing.assert_allclose(whole.place @ [0, 0, 1], [0, 0], atol=1e-9)
    width = HEIGHT * sheet.width / sheet.height
    assert whole.pixels.shape == (HEIGHT, round(width))
    assert wide.pixels.shape == (HEIGHT, round(WIDER * width))


@pytest.mark.parametrize("degrees", [0, 5, -10])
def test_a_tilted_line_is_cut_level_and_its_pixels_lie_where_they_were(digits, degrees):
    upright = Image.new("L", (800, 600), 255)
    upright.paste(number(digits[[350, 120, 0]], scale=1), (300, 270))
    # About the middle; clockwise.
    turned = upright.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=255)
    tilt = math.radians(degrees)
    # On axes that are turned about the origin.
    cos = math.cos(tilt)
    sin = math.sin(tilt)
    along = 400 * cos + 300 * sin
    down = 300 * cos - 400 * sin
    line = LineBox(down - 30, down + 18, along - 100, along + 12, tilt)
    sheet = Sheet.of(picture_from_bytes(encode(turned), 10**6))
    strip = sheet.strip(line, 48)
    expected = np.asarray(upright.crop((300, 270, 412, 318)), float)
    assert strip.pixels.shape == expected.shape
    assert np.abs(strip.pixels - expected).mean() < 6
    np.testing.assert_allclose(strip.tilt, tilt, atol=1e-9)
    np.testing.assert_allclose(strip.place @ [100, 30, 1], [400, 300], atol=1e-6)


def test_the_whole_picture_comes_last_without_printed_lines(digits):
    sheet = ImageOps.expand(number(digits[[350, 120, 0]]), 50, 255)
    clean = proposed(sheet)[0].pixels.astype(int)
    box = 20, 20, sheet.width - 21, sheet.height - 21
    ImageDraw.Draw(sheet).rectangle(box, outline=60, width=3)
    ruled, *_, erased = proposed(sheet)
    before = np.abs(ruled.pixels - clean).mean()
    assert np.abs(erased.pixels - clean).mean() < 0.2 * before


@pytest.mark.parametrize(
    "size",
    [(1, 1), (3, 200), (200, 3), (28, 28), (30, 100), (100, 100), (1, 2000), (2000, 1)],
)
def test_a_blank_picture_is_proposed_whole_if_it_may_be_a_line(size):
    found = proposed(np.full(size[::-1], 200, np.uint8))
    assert len(found) == 2 * (0.3 <= size[0] / size[1] <= 20)
    for strip in found:
        assert strip.pixels.shape[0] == HEIGHT
        assert strip.pixels.shape[1] >= NARROWEST * HEIGHT
        assert np.ptp(strip.pixels) == 0
        assert box_of(strip) == PixelBox(0, size[1], 0, size[0])
