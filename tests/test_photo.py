"""Photos: uneven light, visible desks, lines, boxes and neighbours."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from app.inference.reading import Reading, read_digit
from app.preprocess.errors import BlankImage
from support import MAX_PIXELS, apart, classifier, drawing, encode, frame_of, reading_of_drawing

RNG_SEED = 0


def photo(digit: np.ndarray, disturb=lambda sheet: None, light=lambda y, x: 1.0) -> bytes:
    """Photograph a digit on paper: blur, noise, uneven light, JPEG."""
    sheet = drawing(digit)
    disturb(sheet)
    levels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), np.float32)
    levels = 60 + 150 * levels / 255
    y, x = np.mgrid[:400, :600] / 400
    levels = levels * light(y, x) + np.random.default_rng(RNG_SEED).normal(0, 3, levels.shape)
    return encode(Image.fromarray(levels.clip(0, 255).astype(np.uint8)), "JPEG", quality=70)


def gradient(y, x):
    return 1 - 0.4 * x


def shadow(y, x):
    return np.where(x + 0.5 * y > 0.9, 0.65, 1.0)


def desk(y, x):
    return np.where(x > 1.2, 0.25, 1.0)


LIGHTS = {
    "gradient": gradient,
    "shadow": shadow,
    "dark desk": desk,
    "bright spot": lambda y, x: 1 - 0.3 * (x - 0.7) ** 2,
}


def read(data: bytes) -> Reading:
    return read_digit(data, classifier(), MAX_PIXELS)


def assert_read_as_drawn(digits: np.ndarray, make: Callable[[np.ndarray], bytes], exceptions: int = 0) -> None:
    """Check that digits are read as on their drawings, with similar legibility and frames."""
    readings = [read(make(digit)) for digit in digits]
    drawn = [reading_of_drawing(digit.tobytes()) for digit in digits]
    pairs = list(zip(readings, drawn, strict=True))
    distances = [apart(one.frame, other.frame) for one, other in pairs]
    assert sum(one.probabilities.argmax() != other.probabilities.argmax() for one, other in pairs) <= exceptions
    assert sum(one.legibility < other.legibility - 0.3 for one, other in pairs) <= exceptions
    assert np.median(distances) < 0.05
    assert sum(distance > 0.08 for distance in distances) <= 1 + exceptions


@pytest.mark.parametrize("light", LIGHTS)
def test_light_and_desk_do_not_change_the_digit(digits, light):
    assert_read_as_drawn(digits[::50], lambda digit: photo(digit, light=LIGHTS[light]))


@pytest.mark.parametrize("light", ["gradient", "bright spot"])
def test_an_empty_sheet_in_smooth_light_is_blank_or_has_a_low_legibility(light):
    with suppress(BlankImage):
        assert read(photo(np.zeros((28, 28), np.uint8), light=LIGHTS[light])).legibility < 0.1


def chalk(digit: np.ndarray) -> bytes:
    return encode(Image.open(BytesIO(photo(digit, light=gradient))).point(lambda level: 255 - level))


def ruled(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    for y in range(20, 400, 60):
        draw.line((0, y, 600, y + 6), fill=170, width=2)


def written_on_a_dark_line(sheet: Image.Image) -> None:
    under = Image.new("L", sheet.size, 255)
    ImageDraw.Draw(under).line((0, 235, 600, 245), fill=110, width=4)
    sheet.paste(ImageChops.darker(sheet, under))


def boxed(sheet: Image.Image) -> None:
    ImageDraw.Draw(sheet).rectangle((20, 70, 370, 390), outline=0, width=5)


def in_a_table(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    for y in (60, 385):
        draw.line((0, y, 600, y), fill=0, width=5)
    for x in (30, 365):
        draw.line((x, 0, x, 400), fill=0, width=5)


def with_neighbour(sheet: Image.Image) -> None:
    ImageDraw.Draw(sheet).ellipse((530, 150, 680, 350), outline=0, width=25)


def with_a_neighbour_in_two_parts(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.line((400, 0, 400, 90), fill=0, width=22)
    draw.line((430, 40, 360, 130), fill=0, width=22)
    draw.line((370, 105, 440, 105), fill=255, width=12)


def with_specks(sheet: Image.Image) -> None:
    draw = ImageDraw.Draw(sheet)
    for x, y in np.random.default_rng(1).integers(0, 390, (30, 2)):
        draw.ellipse((x, y, x + 3, y + 3), fill=0)


DISTURBED = [
    ruled,
    written_on_a_dark_line,
    boxed,
    in_a_table,
    with_neighbour,
    with_a_neighbour_in_two_parts,
    with_specks,
]


@pytest.mark.parametrize("disturb", DISTURBED)
def test_ink_beside_the_digit_is_left_out(digits, disturb):
    assert_read_as_drawn(digits[::50], lambda digit: photo(digit, disturb))


def test_a_digit_may_touch_a_line_along_the_edge(digits):
    def cell_of(digit: np.ndarray) -> bytes:
        cell = Image.open(BytesIO(photo(digit, light=gradient))).copy()
        foot = 100 + 10 * Image.fromarray(digit).getbbox()[3]
        ImageDraw.Draw(cell).line((0, foot, 600, foot), fill=40, width=8)  # over the digit's last 4 rows of 200
        return encode(cell.crop((0, 0, 600, foot + 4)))

    assert_read_as_drawn(digits[::50], cell_of)


def test_a_blot_where_strokes_meet_is_ink(digits):
    def closer(digit: np.ndarray) -> bytes:
        return encode(Image.open(BytesIO(photo(digit, light=gradient))).crop((0, 50, 420, 400)))

    assert_read_as_drawn(digits[::50], closer)


SCENES = {
    **{name: partial(photo, light=light) for name, light in LIGHTS.items()},
    **{disturb.__name__: partial(photo, disturb=disturb) for disturb in DISTURBED},
    "chalk": chalk,
}


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_at_most_one_photo_in_50_is_read_differently(digits, scene):
    assert_read_as_drawn(digits[::10], SCENES[scene], exceptions=1)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_tiny_stroke_that_fills_its_picture_gives_no_warning(width):
    shades = np.linspace(60, 130, 12 * width).reshape(12, width).astype(np.uint8)
    with suppress(BlankImage):
        assert frame_of(shades).max() == 1
