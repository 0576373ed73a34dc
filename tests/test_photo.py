"""Photos: uneven light, visible desks, lines, boxes and neighbours."""

from contextlib import suppress
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from app.digit.reading import read_digit
from app.picture.errors import BlankImage
from support import apart, classifier, drawing, encode, frame_of, reading_of_drawing


def photo(
    digit: np.ndarray, disturb=lambda sheet: None, light=lambda y, x: 1.0
) -> bytes:
    """Photograph a digit on paper: blur, noise, uneven light, JPEG."""
    sheet = drawing(digit)
    disturb(sheet)
    levels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), np.float32)
    levels = 60 + 150 * levels / 255
    y, x = np.mgrid[:400, :600] / 400
    levels = levels * light(y, x) + np.random.default_rng(0).normal(0, 3, levels.shape)
    return encode(
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)), "JPEG", quality=70
    )


def gradient(y, x):
    return 1 - 0.4 * x


LIGHTS = {
    "gradient": gradient,
    "shadow": lambda y, x: np.where(x + 0.5 * y > 0.9, 0.65, 1.0),
    "dark desk": lambda y, x: np.where(x > 1.2, 0.25, 1.0),
    "bright spot": lambda y, x: 1 - 0.3 * (x - 0.7) ** 2,
}


def chalk(digit: np.ndarray) -> bytes:
    return encode(
        Image.open(BytesIO(photo(digit, light=gradient))).point(
            lambda level: 255 - level
        )
    )


def ruled(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    for y in range(20, 400, 60):
        draw.line((0, y, 600, y + 6), fill=170, width=2)


def written_on_a_dark_line(sheet: Image.Image) -> None:
    under = Image.new("L", sheet.size, 255)
    ImageDraw.Draw(under).line((0, 235, 600, 245), fill=110, width=4)
    sheet.paste(ImageChops.darker(sheet, under))


def in_a_table(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    for y in (60, 385):
        draw.line((0, y, 600, y), fill=0, width=5)
    for x in (30, 365):
        draw.line((x, 0, x, 400), fill=0, width=5)


def with_a_neighbour_in_two_parts(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.line((400, 0, 400, 90), fill=0, width=22)
    draw.line((430, 40, 360, 130), fill=0, width=22)
    draw.line((370, 105, 440, 105), fill=255, width=12)


def on_a_line_along_the_edge(digit: np.ndarray) -> bytes:
    cell = Image.open(BytesIO(photo(digit, light=gradient))).copy()
    foot = 100 + 10 * Image.fromarray(digit).getbbox()[3]
    # Over the digit's last 4 rows of 200.
    ImageDraw.Draw(cell).line((0, foot, 600, foot), fill=40, width=8)
    return encode(cell.crop((0, 0, 600, foot + 4)))


def closer(digit: np.ndarray) -> bytes:
    """Where strokes meet, a blot is ink."""
    return encode(
        Image.open(BytesIO(photo(digit, light=gradient))).crop((0, 50, 420, 400))
    )


DISTURBED = ruled, written_on_a_dark_line, in_a_table, with_a_neighbour_in_two_parts
SCENES = {
    **{name: partial(photo, light=light) for name, light in LIGHTS.items()},
    **{disturb.__name__: partial(photo, disturb=disturb) for disturb in DISTURBED},
    **{make.__name__: make for make in (chalk, on_a_line_along_the_edge, closer)},
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_photo_is_read_as_the_drawing_of_its_digit(digits, scene):
    """It has the same digit, a similar legibility and, with at most one exception, a
    similar frame.
    """
    readings = [
        read_digit(SCENES[scene](digit), classifier()) for digit in digits[::25]
    ]
    drawn = [reading_of_drawing(digit.tobytes()) for digit in digits[::25]]
    assert [one.digit for one in readings] == [other.digit for other in drawn]
    assert all(
        one.legibility >= other.legibility - 0.3
        for one, other in zip(readings, drawn, strict=True)
    )
    distances = [
        apart(one.frame, other.frame)
        for one, other in zip(readings, drawn, strict=True)
    ]
    assert np.median(distances) < 0.05
    assert np.partition(distances, -2)[-2] <= 0.08


@pytest.mark.parametrize("light", ["gradient", "bright spot"])
def test_an_empty_sheet_in_smooth_light_is_blank_or_has_a_low_legibility(light):
    with suppress(BlankImage):
        assert (
            read_digit(
                photo(np.zeros((28, 28), np.uint8), light=LIGHTS[light]), classifier()
            ).legibility
            < 0.1
        )


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_tiny_stroke_that_fills_its_picture_gives_no_warning(width):
    shades = np.linspace(60, 130, 12 * width).reshape(12, width).astype(np.uint8)
    with suppress(BlankImage):
        assert frame_of(shades).max() == 1
