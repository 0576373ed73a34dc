"""Decoded picture → candidates: their number, their frames and their boxes."""

from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.preprocess.candidates import CLOSE_SIDE, GLANCE_SIDE, Candidate, candidates
from app.preprocess.errors import BlankImage
from app.preprocess.maps import Box, connected
from support import cropped, drawing, encode, picture_from_bytes


def found_on(image: Image.Image | np.ndarray, closely: bool = False, format: str = "PNG", **options) -> list[Candidate]:
    data = encode(image, format, **options)
    return candidates(picture_from_bytes(data, CLOSE_SIDE if closely else GLANCE_SIDE), closely)


@pytest.mark.parametrize("form", ["small", "drawn", "inverted"])
def test_a_picture_as_simple_as_mnist_has_one_candidate(digits, form):
    make = {"small": lambda d: np.pad(d, 4), "drawn": drawing, "inverted": lambda d: ImageOps.invert(drawing(d))}[form]
    simple = [digit for digit in digits[::10] if connected(digit >= 20).max() == 1]
    assert len(simple) > 40
    assert {len(found_on(make(digit))) for digit in simple} == {1}


def test_a_less_simple_picture_has_several_candidates(seven):
    two = Image.fromarray(np.hstack([np.asarray(drawing(seven))] * 2))
    assert len(found_on(two)) > 2


def test_no_candidate_is_returned_twice(digits):
    for digit in digits[::50]:
        for closely in (False, True):
            found = found_on(np.hstack([digit, digit[:, ::-1]]), closely)
            assert len({(c.box, c.frame.tobytes(), c.prior) for c in found}) == len(found)


def box_of(digit: np.ndarray, scale: int) -> Box:
    """Return the box of a digit on its drawing."""
    left, top, right, bottom = Image.fromarray(digit).point(lambda level: 255 * (level > 25)).getbbox()
    return Box(scale * (10 + top), scale * (10 + bottom), scale * (5 + left), scale * (5 + right))


def assert_near(box: Box, true: Box, pixels: float) -> None:
    assert np.abs(np.subtract(box, true)).max() <= pixels, (box, true)


@pytest.mark.parametrize("closely", [False, True])
@pytest.mark.parametrize("scale", [2, 5, 10, 30])
def test_a_box_on_a_reduced_picture_is_in_original_pixels(digits, scale, closely):
    reduced = max(1, 60 * scale / (CLOSE_SIDE if closely else GLANCE_SIDE))
    for digit in digits[::100]:
        assert_near(found_on(drawing(digit, scale), closely)[0].box, box_of(digit, scale), scale + 2 * reduced)


@pytest.mark.parametrize("closely", [False, True])
@pytest.mark.parametrize("size", [400, 2000])
def test_a_box_on_a_picture_with_transparent_margins_is_in_original_pixels(seven, size, closely):
    picture = Image.new("RGBA", (size, size))
    picture.paste(drawing(seven, 4).convert("RGBA"), (100, 200))
    box = found_on(picture, closely)[0].box
    reduced = max(1, size / (CLOSE_SIDE if closely else GLANCE_SIDE))
    assert_near(box, box_of(seven, 4).shifted(200, 100), 4 + 2 * reduced)


@pytest.mark.parametrize("closely", [False, True])
def test_ink_in_the_alpha_channel_has_the_right_box(seven, closely):
    picture = Image.new("RGBA", (28, 28))
    picture.putalpha(Image.fromarray(seven))
    left, top, right, bottom = Image.fromarray(seven).getbbox()
    assert_near(found_on(picture, closely)[0].box, Box(top, bottom, left, right), 0)


@pytest.mark.parametrize("closely", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_in_pixels_of_the_upright_picture(seven, orientation, closely):
    held = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how the camera held it, as Image.Transpose
    sheet, exif = drawing(seven), Image.Exif()
    exif[0x0112] = orientation
    turned = sheet if orientation == 1 else sheet.transpose(Image.Transpose(held[orientation]))
    assert_near(found_on(turned, closely, "JPEG", exif=exif)[0].box, box_of(seven, 10), 20)


@pytest.mark.parametrize("mode", ["L", "RGB", "alpha"])
@pytest.mark.parametrize("size", [(28, 28), (20, 300), (163, 161), (1601, 37), (7, 900), (339, 201)], ids=str)
def test_boxes_lie_within_the_picture(seven, size, mode):
    for levels in (seven, cropped(seven), 255 - cropped(seven)):
        grey = Image.fromarray(levels).resize(size)
        image = grey.convert("L" if mode == "alpha" else mode)
        if mode == "alpha":
            image.putalpha(grey)
        for closely in (False, True):
            with suppress(BlankImage):  # at a glance
                for top, bottom, left, right in (candidate.box for candidate in found_on(image, closely)):
                    assert 0 <= top < bottom <= size[1]
                    assert 0 <= left < right <= size[0]


def test_boxes_lie_within_a_picture_in_portrait_orientation(seven):
    exif = Image.Exif()
    exif[0x0112] = 6
    crop = Image.fromarray(255 - cropped(seven)).resize((350, 200))
    for closely in (False, True):
        found = found_on(crop, closely, "JPEG", exif=exif)
        assert max(candidate.box.bottom for candidate in found) > 300
        assert max(candidate.box.right for candidate in found) <= 200


def test_a_smaller_candidate_has_a_lower_prior(seven):
    sheet = np.asarray(drawing(seven)).copy()
    sheet[150:250, 20:30] = 0  # a line beside it
    found = found_on(sheet)
    largest = max(candidate.box.size for candidate in found)
    assert len(found) > 1
    assert all(candidate.prior <= np.log(candidate.box.size / largest) for candidate in found)
    assert any(candidate.box.size < largest for candidate in found)


def on_a_table(digit: np.ndarray) -> np.ndarray:
    """Draw on paper in uneven light, with lines beyond it along the upper and left edges."""
    light = np.tile(np.linspace(1, 0.7, 600), (400, 1))
    sheet = np.asarray(drawing(digit)) * light
    sheet[:24], sheet[:, :16] = 20, 20
    return sheet.astype(np.uint8)


@pytest.mark.parametrize("closely", [False, True])
@pytest.mark.parametrize("make", [drawing, on_a_table], ids=["drawn", "on a table"])
def test_ink_covers_the_whole_picture_and_includes_each_candidate(seven, make, closely):
    data = encode(make(seven))
    picture = picture_from_bytes(data, CLOSE_SIDE if closely else GLANCE_SIDE)
    (first, *_) = candidates(picture, closely, with_ink=True)
    assert first.ink.shape == (picture.image.height, picture.image.width)
    top, bottom, left, right = (round(edge / picture.scale) for edge in first.box)
    inside = first.ink[top:bottom, left:right]
    assert inside.max() == 1
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.max() > 0.1
    assert inside.sum() > 0.95 * first.ink.sum()


def test_ink_is_only_returned_on_request(seven):
    assert {candidate.ink for candidate in found_on(drawing(seven))} == {None}
