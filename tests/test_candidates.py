"""Decoded picture → candidates: their number, their frames and their boxes."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.inference.reading import COARSE_SIDE as SIDE
from app.preprocess.candidates import Candidate, candidates
from app.preprocess.maps import Box, connected
from support import cropped, drawing, encode, picture_from_bytes


def views_of(image: Image.Image | np.ndarray) -> list[list[Candidate]]:
    """Find the candidates in each view of a picture."""
    return list(candidates(picture_from_bytes(encode(image), SIDE)))


@pytest.mark.parametrize(
    "make", [lambda digit: np.pad(digit, 4), drawing, lambda digit: ImageOps.invert(drawing(digit))]
)
def test_a_picture_as_simple_as_mnist_has_one_candidate(digits, make):
    simple = [digit for digit in digits[::10] if connected(digit >= 20).max() == 1]
    assert len(simple) > 40
    assert {len(views_of(make(digit))[0]) for digit in simple} == {1}


def test_two_digits_have_several_candidates_and_none_twice(digits):
    for digit in digits[::50]:
        found = [*chain(*views_of(np.hstack([digit, digit[:, ::-1]])))]
        assert len({(one.box, one.frame.tobytes(), one.prior) for one in found}) == len(found) > 2


def box_of(digit: np.ndarray, scale: int) -> Box:
    """Return the box of a digit on its drawing."""
    left, top, right, bottom = Image.fromarray(digit).point(lambda level: 255 * (level > 25)).getbbox()
    return Box(scale * (10 + top), scale * (10 + bottom), scale * (5 + left), scale * (5 + right))


def in_margins(side: int) -> Callable[[np.ndarray], Image.Image]:
    def on_canvas(digit: np.ndarray) -> Image.Image:
        picture = Image.new("RGBA", (side, side))
        picture.paste(drawing(digit, 4).convert("RGBA"), (100, 200))
        return picture

    return on_canvas


@pytest.mark.parametrize(
    ("make", "side", "scale", "down", "right"),
    [
        (lambda digit: drawing(digit, 2), 120, 2, 0, 0),
        (lambda digit: drawing(digit, 5), 300, 5, 0, 0),
        (drawing, 600, 10, 0, 0),
        (lambda digit: drawing(digit, 30), 1800, 30, 0, 0),
        (in_margins(400), 400, 4, 200, 100),
        (in_margins(2000), 2000, 4, 200, 100),
    ],
)
def test_a_box_is_in_pixels_of_the_original_picture(digits, make, side, scale, down, right):
    for digit in digits[::100]:
        box, true = views_of(make(digit))[0][0].box, box_of(digit, scale).shifted(down, right)
        assert box == pytest.approx(true, abs=scale + 2 * max(1, side / SIDE))


@pytest.mark.parametrize("mode", ["L", "RGB", "alpha"])
@pytest.mark.parametrize("size", [(28, 28), (20, 300), (163, 161), (1601, 37), (7, 900), (339, 201)], ids=str)
def test_boxes_lie_within_the_picture(seven, size, mode):
    for levels in (seven, cropped(seven), 255 - cropped(seven)):
        grey = Image.fromarray(levels).resize(size)
        image = grey.convert("L" if mode == "alpha" else mode)
        if mode == "alpha":
            image.putalpha(grey)
        for top, bottom, left, right in (candidate.box for candidate in chain(*views_of(image))):
            assert 0 <= top < bottom <= size[1]
            assert 0 <= left < right <= size[0]
