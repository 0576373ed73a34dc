"""Decoded picture → candidates: their boxes are in pixels of the picture that was sent."""

from itertools import chain

import numpy as np
import pytest
from PIL import Image

from app.inference.reading import COARSE_SIDE as SIDE
from app.preprocess.candidates import candidates
from app.preprocess.maps import Box
from support import cropped, drawing, encode, picture_from_bytes


def boxes_in(image: Image.Image) -> list[Box]:
    """Find the boxes of the candidates in all views of a picture."""
    return [candidate.box for candidate in chain(*candidates(picture_from_bytes(encode(image), SIDE)))]


def box_of(digit: np.ndarray, scale: int) -> Box:
    """Return the box of a digit on its drawing."""
    left, top, right, bottom = Image.fromarray(digit).point(lambda level: 255 * (level > 25)).getbbox()
    return Box(scale * (10 + top), scale * (10 + bottom), scale * (5 + left), scale * (5 + right))


@pytest.mark.parametrize("scale", [2, 5, 10, 30])
def test_the_box_of_a_drawing_of_any_size(digits, scale):
    for digit in digits[::100]:
        box, *_ = boxes_in(drawing(digit, scale))
        assert box == pytest.approx(box_of(digit, scale), abs=scale + 2 * max(1, 60 * scale / SIDE))


@pytest.mark.parametrize("side", [400, 2000])
def test_the_box_of_a_drawing_within_transparent_margins(seven, side):
    picture = Image.new("RGBA", (side, side))
    picture.paste(drawing(seven, 4).convert("RGBA"), (100, 200))
    assert boxes_in(picture)[0] == pytest.approx(box_of(seven, 4).shifted(200, 100), abs=4 + 2 * max(1, side / SIDE))


@pytest.mark.parametrize("mode", ["L", "RGB", "alpha"])
@pytest.mark.parametrize("size", [(28, 28), (20, 300), (163, 161), (1601, 37), (7, 900), (339, 201)], ids=str)
def test_boxes_lie_within_the_picture(seven, size, mode):
    for levels in (seven, cropped(seven), 255 - cropped(seven)):
        grey = Image.fromarray(levels).resize(size)
        image = grey.convert("L" if mode == "alpha" else mode)
        if mode == "alpha":
            image.putalpha(grey)
        for top, bottom, left, right in boxes_in(image):
            assert 0 <= top < bottom <= size[1]
            assert 0 <= left < right <= size[0]
