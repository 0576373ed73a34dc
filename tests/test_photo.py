"""Photos: uneven light, visible desks, lines, boxes and neighbours."""

from contextlib import suppress
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from app.digit.reading import read_digit
from app.picture.errors import BlankImage
from networks import classifier, frame_of, reading_of_drawing
from pictures import apart, drawing, encode

LIGHTS = {
    "gradient": lambda y, x: 1 - 0.4 * x,
    "shadow": lambda y, x: np.where(x + 0.5 * y > 0.9, 0.65, 1.0),
    "dark desk": lambda y, x: np.where(x > 1.2, 0.25, 1.0),
    "bright spot": lambda y, x: 1 - 0.3 * (x - 0.7) ** 2,
}


def photo(sheet: Image.Image, light: str = "") -> bytes:
    """Photograph a sheet of paper: blur, noise, uneven light, JPEG."""
    levels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), np.float32)
    levels = 60 + 150 * levels / 255
    y, x = np.mgrid[:400, :600] / 400
    if light:
        levels = levels * LIGHTS[light](y, x)
    levels = levels + np.random.default_rng(0).normal(0, 3, levels.shape)
    return encode(levels.clip(0, 255).astype(np.uint8), "JPEG", quality=70)


def lit(digit: np.ndarray, light: str = "gradient") -> bytes:
    return photo(drawing(digit), light)


def in_a_gradient(digit: np.ndarray) -> Image.Image:
    return Image.open(BytesIO(lit(digit))).copy()


def chalk(digit: np.ndarray) -> bytes:
    return encode(in_a_gradient(digit).point(lambda level: 255 - level))


def ruled(digit: np.ndarray) -> bytes:
    sheet = drawing(digit)
    draw = ImageDraw.Draw(sheet)
    for y in range(20, 400, 60):
        draw.line((0, y, 600, y + 6), fill=170, width=2)
    return photo(sheet)


def in_a_table(digit: np.ndarray) -> bytes:
    sheet = drawing(digit)
    draw = ImageDraw.Draw(sheet)
    for y in (60, 385):
        draw.line((0, y, 600, y), fill=0, width=5)
    for x in (30, 365):
        draw.line((x, 0, x, 400), fill=0, width=5)
    return photo(sheet)


def on_a_line_along_the_edge(digit: np.ndarray) -> bytes:
    cell = in_a_gradient(digit)
    foot = 100 + 10 * Image.fromarray(digit).getbbox()[3]
    # Over the digit's last 4 rows of 200.
    ImageDraw.Draw(cell).line((0, foot, 600, foot), fill=40, width=8)
    return encode(cell.crop((0, 0, 600, foot + 4)))


def closer(digit: np.ndarray) -> bytes:
    """Where strokes meet, a blot is ink."""
    return encode(in_a_gradient(digit).crop((0, 50, 420, 400)))


DISTURBED = (chalk, ruled, in_a_table, on_a_line_along_the_edge, closer)
SCENES = {
    **{light: partial(lit, light=light) for light in LIGHTS},
    **{make.__name__: make for make in DISTURBED},
}


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_photo_is_read_as_the_drawing_of_its_digit(digits, scene):
    """It has the same digit, a similar legibility and, with at most one exception, a
    similar frame.
    """
    distances = []
    for digit in digits[::25]:
        reading = read_digit(SCENES[scene](digit), classifier())
        drawn = reading_of_drawing(digit.tobytes())
        assert reading.digit == drawn.digit
        assert reading.legibility >= drawn.legibility - 0.3
        distances.append(apart(reading.frame, drawn.frame))
    assert np.median(distances) < 0.05
    assert np.partition(distances, -2)[-2] <= 0.08


@pytest.mark.parametrize("light", ["gradient", "bright spot"])
def test_an_empty_sheet_in_smooth_light_is_blank_or_has_a_low_legibility(light):
    sheet = Image.new("L", (600, 400), 255)
    with suppress(BlankImage):
        assert read_digit(photo(sheet, light), classifier()).legibility < 0.1


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_tiny_stroke_that_fills_its_picture_gives_no_warning(width):
    shades = np.linspace(60, 130, 12 * width).reshape(12, width).astype(np.uint8)
    with suppress(BlankImage):
        assert frame_of(shades).max() == 1
