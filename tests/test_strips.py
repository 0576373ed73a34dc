"""Pictures → proposals of lines, cut out of the grey picture, level and scaled."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.preprocess.errors import TooMuchWriting
from app.preprocess.maps import Box
from app.preprocess.strips import (
    END_MARGIN,
    MARGIN,
    MAX_STRIPS,
    MIN_WIDTH,
    STRIP_HEIGHT,
    Proposal,
    Strip,
    proposals,
    strip_side,
)
from support import MINUS, POINT, encode, flat, number, picture_from_bytes, turned_jpeg


def proposed(image: Image.Image | np.ndarray | bytes) -> list[Proposal]:
    data = image if isinstance(image, bytes) else encode(image)
    size = picture_from_bytes(data, 10**6).image.size
    return proposals(picture_from_bytes(data, strip_side(size)))


def place_of(strip: Strip) -> Box:
    return strip.box(0, STRIP_HEIGHT, 0, strip.pixels.shape[1])


def inked_box(sheet: Image.Image) -> Box:
    left, top, right, bottom = ImageOps.invert(sheet).point(lambda level: 255 * (level > 100)).getbbox()
    return Box(top, bottom, left, right)


def on_desk(sheet: Image.Image) -> Image.Image:
    """Lay a sheet on a darker desk, in uneven light."""
    desk = Image.new("L", (sheet.width + 200, sheet.height + 160), 110)
    desk.paste(sheet.point(lambda level: 40 + 3 * level // 4), (100, 80))
    light = np.linspace(0.7, 1.1, desk.width)
    noise = np.random.default_rng(0).normal(0, 2, (desk.height, desk.width))
    return Image.fromarray(np.uint8((np.asarray(desk) * light + noise).clip(0, 255)))


def on_canvas(sheet: Image.Image) -> Image.Image:
    canvas = Image.new("L", (2000, 1600), 255)
    canvas.paste(sheet.resize((sheet.width // 3, sheet.height // 3), Image.Resampling.BOX), (100, 80))
    return canvas


def in_a_box(sheet: Image.Image) -> Image.Image:
    """Print a box around a sheet."""
    ruled = ImageOps.expand(sheet, 50, 255)
    ImageDraw.Draw(ruled).rectangle((20, 20, ruled.width - 21, ruled.height - 21), outline=60, width=3)
    return ruled


def with_dirt(sheet: Image.Image) -> Image.Image:
    """Add specks, and erase a strip through the digits before the point."""
    for x, y in [(8, 80), (100, 10), (340, 90)]:
        sheet.paste(0, (x, y, x + 2, y + 2))
    sheet.paste(255, (70, 70, 210, 74))
    return sheet


# How a sheet is shown; at which scale; and where its upper left corner lies then.
SHOWN: dict[str, tuple[Callable[[Image.Image], Image.Image | bytes], float, int, int]] = {
    "light on dark": (ImageOps.invert, 1, 0, 0),
    "on a desk": (on_desk, 1, 100, 80),
    "small on a canvas": (on_canvas, 1 / 3, 100, 80),
    "in a printed box": (in_a_box, 1, 50, 50),
    "with dirt": (with_dirt, 1, 0, 0),
    "with an alpha channel": (lambda sheet: sheet.convert("RGBA"), 1, 0, 0),
    "turned by EXIF": (turned_jpeg, 1, 0, 0),
    "six times as large": (lambda sheet: sheet.resize((6 * sheet.width, 6 * sheet.height)), 6, 0, 0),
}


def assert_proposed(found: list[Proposal], *boxes: Box) -> None:
    """Check that one proposal has exactly these lines, from top to bottom, up to their margins."""
    margins = [(box.bottom - box.top) * np.array([-MARGIN, MARGIN, -END_MARGIN, END_MARGIN]) for box in boxes]
    expected = np.add(boxes, margins)
    places = [[place_of(strip) for strip in proposal] for proposal in found if len(proposal) == len(boxes)]
    assert min(np.abs(place - expected).max() for place in places) < 0.3 * (boxes[0].bottom - boxes[0].top)


@pytest.mark.parametrize("name", SHOWN)
def test_a_number_is_proposed_alone(digits, name):
    show, scale, left, top = SHOWN[name]
    sheet = number([MINUS, *digits[[350, 120]], POINT, digits[0]])
    box = Box(*(round(scale * edge) for edge in inked_box(sheet))).shifted(top, left)
    assert_proposed(proposed(show(sheet)), box)


def test_lines_are_proposed_from_top_to_bottom(digits):
    sheet = number(digits[[350, 120, 0]], digits[[60, 200]])
    boxes = [inked_box(sheet.crop((0, top, sheet.width, top + 144))).shifted(top, 0) for top in (0, 144)]
    assert_proposed(proposed(sheet), *boxes)


def test_the_whole_picture_is_proposed_first(digits):
    sheet = number(digits[[350, 120]])
    ((whole,), *_) = proposed(sheet)
    assert place_of(whole) == Box(0, sheet.height, 0, sheet.width)
    margin = 2 * MARGIN * sheet.height
    assert whole.pixels.shape == (32, round(32 * (sheet.width + margin) / (sheet.height + margin)))


def test_a_strip_shows_the_grey_picture_and_its_pixels_lie_where_they_were(digits):
    sheet = number(digits[[350, 120]], scale=1)
    for (strip,) in proposed(sheet):
        corners = strip.place @ [[0, strip.pixels.shape[1]], [0, STRIP_HEIGHT], [1, 1]]
        (left, right), (top, bottom) = (corners + 40).round().astype(int).tolist()
        there = ImageOps.expand(sheet, 40, 255).crop((left, top, right, bottom))
        there = there.resize(strip.pixels.shape[::-1], Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(there, float) - strip.pixels).mean() < 12


@pytest.mark.parametrize("degrees", [-12, 8])
def test_a_tilted_line_is_levelled(digits, degrees):
    sheet = number(digits[[350, 120, 0, 60, 200]])
    turned = sheet.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    level, strip = proposed(sheet)[1][0], proposed(turned)[1][0]
    assert strip.pixels.shape[1] == pytest.approx(level.pixels.shape[1], rel=0.15)
    by_half = [(255.0 - half).sum(axis=1) for half in np.array_split(strip.pixels, 2, axis=1)]
    first, second = (rows @ np.arange(STRIP_HEIGHT) / rows.sum() for rows in by_half)
    assert first == pytest.approx(second, abs=3)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (28, 28), (100, 100), (1, 2000), (2000, 1)])
def test_a_blank_picture_is_proposed_whole_if_it_may_be_a_line(size):
    found = proposed(flat(200, size))
    assert len(found) == (0.3 <= size[0] / size[1] <= 20)
    for (strip,) in found:
        assert strip.pixels.shape[1] >= MIN_WIDTH
        assert np.ptp(strip.pixels) == 0
        assert place_of(strip) == Box(0, size[1], 0, size[0])


def test_a_narrow_digit_is_widened_by_the_background():
    one = np.full((120, 30), 255, np.uint8)
    one[10:110, 12:18] = 0
    ((strip,),) = proposed(one)
    assert strip.pixels.shape[1] >= MIN_WIDTH
    assert (strip.pixels[:, [0, -1]] == 255).all()


@pytest.mark.parametrize(("side", "size"), [(640, 1), (160, 4), (40, 16)])
def test_a_picture_of_noise_has_few_strips(side, size):
    squares = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8).repeat(size, 0).repeat(size, 1)
    strips = [strip for proposal in proposed(squares) for strip in proposal]
    assert len(strips) <= MAX_STRIPS
    assert sum(strip.pixels.shape[1] for strip in strips) < 20_000


def test_a_picture_with_too_much_writing_that_is_no_line_is_refused(digits):
    for rows, columns in ((40, 2), (40, 16), (1, 150)):  # too many lines, too many components, a line too long
        with pytest.raises(TooMuchWriting, match="too much writing"):
            proposed(number(*np.resize(digits, (rows, columns, 28, 28)), scale=1))


@pytest.mark.parametrize(
    ("size", "side"), [((100, 50), 100), ((640, 640), 640), ((4000, 3000), 739), ((100_000, 300), 2560), ((1, 1), 1)]
)
def test_a_large_picture_is_downscaled_to_a_number_of_pixels(size, side):
    assert strip_side(size) == side
