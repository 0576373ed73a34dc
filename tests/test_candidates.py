"""Decoded picture → candidates: their number, their frames and their boxes."""

from itertools import chain

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.inference.reading import COARSE_SIDE as SIDE
from app.preprocess.candidates import Candidate, candidates, ink_around
from app.preprocess.maps import Box, connected
from support import cropped, drawing, encode, picture_from_bytes


def found_on(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> list[Candidate]:
    """Return the candidates in all views of a picture."""
    return [*chain(*candidates(picture_from_bytes(encode(image, format, **options), SIDE)))]


def first_on(image: Image.Image | np.ndarray) -> list[Candidate]:
    """Return the candidates in the first view of a picture."""
    return next(candidates(picture_from_bytes(encode(image), SIDE)))


@pytest.mark.parametrize("form", ["small", "drawn", "inverted"])
def test_a_picture_as_simple_as_mnist_has_one_candidate(digits, form):
    make = {"small": lambda d: np.pad(d, 4), "drawn": drawing, "inverted": lambda d: ImageOps.invert(drawing(d))}[form]
    simple = [digit for digit in digits[::10] if connected(digit >= 20).max() == 1]
    assert len(simple) > 40
    assert {len(first_on(make(digit))) for digit in simple} == {1}


def test_a_less_simple_picture_has_several_candidates(seven):
    two = Image.fromarray(np.hstack([np.asarray(drawing(seven))] * 2))
    assert len(first_on(two)) > 2


def test_no_candidate_is_returned_twice(digits):
    for digit in digits[::50]:
        found = found_on(np.hstack([digit, digit[:, ::-1]]))
        assert len({(c.box, c.frame.tobytes(), c.prior) for c in found}) == len(found)


def box_of(digit: np.ndarray, scale: int) -> Box:
    """Return the box of a digit on its drawing."""
    left, top, right, bottom = Image.fromarray(digit).point(lambda level: 255 * (level > 25)).getbbox()
    return Box(scale * (10 + top), scale * (10 + bottom), scale * (5 + left), scale * (5 + right))


def assert_near(box: Box, true: Box, pixels: float) -> None:
    assert np.abs(np.subtract(box, true)).max() <= pixels, (box, true)


@pytest.mark.parametrize("scale", [2, 5, 10, 30])
def test_a_box_on_a_reduced_picture_is_in_original_pixels(digits, scale):
    reduced = max(1, 60 * scale / SIDE)
    for digit in digits[::100]:
        assert_near(found_on(drawing(digit, scale))[0].box, box_of(digit, scale), scale + 2 * reduced)


@pytest.mark.parametrize("size", [400, 2000])
def test_a_box_on_a_picture_with_transparent_margins_is_in_original_pixels(seven, size):
    picture = Image.new("RGBA", (size, size))
    picture.paste(drawing(seven, 4).convert("RGBA"), (100, 200))
    box = found_on(picture)[0].box
    reduced = max(1, size / SIDE)
    assert_near(box, box_of(seven, 4).shifted(200, 100), 4 + 2 * reduced)


def test_ink_in_the_alpha_channel_has_the_right_box(seven):
    picture = Image.new("RGBA", (28, 28))
    picture.putalpha(Image.fromarray(seven))
    left, top, right, bottom = Image.fromarray(seven).getbbox()
    assert_near(found_on(picture)[0].box, Box(top, bottom, left, right), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_in_pixels_of_the_upright_picture(seven, orientation):
    held = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how the camera held it, as Image.Transpose
    sheet, exif = drawing(seven), Image.Exif()
    exif[0x0112] = orientation
    turned = sheet if orientation == 1 else sheet.transpose(Image.Transpose(held[orientation]))
    assert_near(found_on(turned, "JPEG", exif=exif)[0].box, box_of(seven, 10), 20)


@pytest.mark.parametrize("mode", ["L", "RGB", "alpha"])
@pytest.mark.parametrize("size", [(28, 28), (20, 300), (163, 161), (1601, 37), (7, 900), (339, 201)], ids=str)
def test_boxes_lie_within_the_picture(seven, size, mode):
    for levels in (seven, cropped(seven), 255 - cropped(seven)):
        grey = Image.fromarray(levels).resize(size)
        image = grey.convert("L" if mode == "alpha" else mode)
        if mode == "alpha":
            image.putalpha(grey)
        for top, bottom, left, right in (candidate.box for candidate in found_on(image)):
            assert 0 <= top < bottom <= size[1]
            assert 0 <= left < right <= size[0]


def test_boxes_lie_within_a_picture_in_portrait_orientation(seven):
    exif = Image.Exif()
    exif[0x0112] = 6
    crop = Image.fromarray(255 - cropped(seven)).resize((350, 200))
    found = found_on(crop, "JPEG", exif=exif)
    assert max(candidate.box.bottom for candidate in found) > 300
    assert max(candidate.box.right for candidate in found) <= 200


def on_a_table(digit: np.ndarray) -> np.ndarray:
    """Draw on paper in uneven light, with lines beyond it along the upper and left edges."""
    light = np.tile(np.linspace(1, 0.7, 600), (400, 1))
    sheet = np.asarray(drawing(digit)) * light
    sheet[:24], sheet[:, :16] = 20, 20
    return sheet.astype(np.uint8)


@pytest.mark.parametrize("make", [drawing, on_a_table], ids=["drawn", "on a table"])
def test_ink_covers_the_whole_picture_and_includes_each_candidate(seven, make):
    data = encode(make(seven))
    picture = picture_from_bytes(data, SIDE)
    (first, *_) = next(candidates(picture))
    all_ink = ink_around(first)
    assert all_ink.shape == (picture.image.height, picture.image.width)
    top, bottom, left, right = (round(edge / picture.scale) for edge in first.box)
    inside = all_ink[top:bottom, left:right]
    assert inside.max() == 1
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.max() > 0.1
    assert inside.sum() > 0.95 * all_ink.sum()
