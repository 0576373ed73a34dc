"""Pictures → proposals of lines, cut out of the grey picture, level and scaled."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.preprocess.errors import TooMuchWriting
from app.preprocess.maps import Box
from app.preprocess.strips import MARGIN, MAX_STRIPS, MIN_WIDTH, STRIP_HEIGHT, Proposal, Strip, proposals, strip_side
from support import encode, flat, number, picture_from_bytes, turned_jpeg


def proposed(image: Image.Image | np.ndarray | bytes) -> list[Proposal]:
    data = image if isinstance(image, bytes) else encode(image)
    size = picture_from_bytes(data, 10**6).image.size
    return proposals(picture_from_bytes(data, strip_side(size)))


def place_of(strip: Strip) -> Box:
    return strip.box(0, STRIP_HEIGHT, 0, strip.pixels.shape[1])


def area(box: Box) -> int:
    return (box.bottom - box.top) * (box.right - box.left)


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, as a fraction of that of both together."""
    height = max(0, min(one.bottom, other.bottom) - max(one.top, other.top))
    width = max(0, min(one.right, other.right) - max(one.left, other.left))
    return height * width / (area(one) + area(other) - height * width)


def assert_proposed(found: list[Proposal], *boxes: Box) -> None:
    """Check that one proposal has exactly these lines, from top to bottom, up to their margins."""
    assert any(
        len(proposal) == len(boxes)
        and all(overlap(place_of(strip), box) > 0.5 for strip, box in zip(proposal, boxes, strict=True))
        for proposal in found
    )


def inked_box(sheet: Image.Image) -> Box:
    left, top, right, bottom = ImageOps.invert(sheet.convert("L")).point(lambda level: 255 * (level > 100)).getbbox()
    return Box(top, bottom, left, right)


def test_the_whole_picture_is_proposed_first(digits):
    sheet = number(digits[[350, 120]])
    ((whole,), *_) = proposed(sheet)
    assert place_of(whole) == Box(0, sheet.height, 0, sheet.width)
    assert whole.pixels.dtype == np.uint8
    margin = 2 * MARGIN * sheet.height
    assert whole.pixels.shape == (32, round(32 * (sheet.width + margin) / (sheet.height + margin)))


def test_a_strip_shows_the_grey_picture_and_its_pixels_lie_where_they_were(digits):
    wide = np.pad(np.asarray(number(digits[[350, 120]], scale=1)), 40, constant_values=255)
    sheet = wide[40:-40, 40:-40]
    for (strip,) in proposed(sheet):
        corners = strip.place @ [[0, strip.pixels.shape[1]], [0, STRIP_HEIGHT], [1, 1]]
        (left, right), (top, bottom) = corners.round().astype(int).tolist()
        size = strip.pixels.shape[::-1]
        there = np.asarray(
            Image.fromarray(wide[40 + top : 40 + bottom, 40 + left : 40 + right]).resize(
                size, Image.Resampling.BILINEAR
            )
        )
        assert np.abs(there.astype(float) - strip.pixels).mean() < 12


def test_lines_are_proposed_from_top_to_bottom(digits):
    sheet = number(digits[[350, 120, 0]], digits[[60, 200]])
    halves = sheet.crop((0, 0, sheet.width, 144)), sheet.crop((0, 144, sheet.width, 288))
    first, second = map(inked_box, halves)
    assert_proposed(proposed(sheet), first, second.shifted(144, 0))


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
    """Print a box around a number, and rule the sheet."""
    ruled = Image.new("L", (sheet.width + 100, sheet.height + 100), 255)
    ruled.paste(sheet, (50, 50))
    ImageDraw.Draw(ruled).rectangle((20, 20, ruled.width - 21, ruled.height - 21), outline=60, width=3)
    return ruled


@pytest.mark.parametrize(
    ("change", "scale", "left", "top"),
    [
        (ImageOps.invert, 1, 0, 0),
        (on_desk, 1, 100, 80),
        (on_canvas, 1 / 3, 100, 80),
        (in_a_box, 1, 50, 50),
        (lambda sheet: sheet.convert("RGBA"), 1, 0, 0),
    ],
    ids=["light on dark", "on a desk", "small on a canvas", "in a printed box", "with an alpha channel"],
)
def test_a_number_is_proposed_alone(digits, change, scale, left, top):
    sheet = number(digits[[350, 120, 0]])
    edges = [round(scale * edge) for edge in inked_box(sheet)]
    assert_proposed(proposed(change(sheet)), Box(*edges).shifted(top, left))


def test_boxes_are_on_the_upright_picture(digits):
    sheet = number(digits[[350, 120, 0]])
    for data in (turned_jpeg(sheet), encode(sheet.resize((6 * sheet.width, 6 * sheet.height)))):
        factor = 6 if data[:4] == b"\x89PNG" else 1
        assert_proposed(proposed(data), Box(*(factor * edge for edge in inked_box(sheet))))


@pytest.mark.parametrize("degrees", [-12, 8])
def test_a_tilted_line_is_levelled(digits, degrees):
    sheet = number(digits[[350, 120, 0, 60, 200]])
    turned = sheet.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    level = proposed(sheet)[1][0].pixels
    strip = proposed(turned)[1][0]
    assert strip.pixels.shape[1] == pytest.approx(level.shape[1], rel=0.15)
    by_half = [(255.0 - half).sum(axis=1) for half in np.array_split(strip.pixels, 2, axis=1)]
    first, second = (rows @ np.arange(STRIP_HEIGHT) / rows.sum() for rows in by_half)
    assert first == pytest.approx(second, abs=3)


def test_a_part_of_a_tilted_strip_has_a_box_around_it(digits):
    turned = number(digits[[350, 120, 0, 60, 200]]).rotate(10, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    strip = proposed(turned)[1][0]
    whole, half = place_of(strip), strip.box(0, 32, 0, strip.pixels.shape[1] / 2)
    assert whole.left == half.left
    assert half.right < whole.right
    assert half.bottom == whole.bottom  # the line rises to the right
    assert half.top > whole.top


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (28, 28), (100, 100), (1, 2000), (2000, 1)])
def test_a_blank_picture_is_proposed_whole_if_it_may_be_a_line(size):
    found = proposed(flat(200, size))
    assert len(found) == (0.3 <= size[0] / size[1] <= 20)
    for (strip,) in found:
        assert strip.pixels.shape[1] >= MIN_WIDTH
        assert np.ptp(strip.pixels) == 0
        assert place_of(strip) == Box(0, size[1], 0, size[0])


def test_a_narrow_digit_is_widened_by_the_background(digits):
    one = np.full((120, 30), 255, np.uint8)
    one[10:110, 12:18] = 0
    ((strip,),) = proposed(one)
    assert strip.pixels.shape[1] >= MIN_WIDTH
    assert (strip.pixels[:, [0, -1]] == 255).all()


def test_proposals_differ(digits):
    found = [[place_of(strip) for strip in proposal] for proposal in proposed(number(digits[[350, 120]]))]
    for index, one in enumerate(found):
        assert all(len(one) != len(other) or np.abs(np.subtract(one, other)).max() > 3 for other in found[:index])


def noise(side: int, size: int) -> Image.Image:
    """Draw squares of random levels."""
    levels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    return Image.fromarray(levels).resize((side * size, side * size), Image.Resampling.NEAREST)


@pytest.mark.parametrize(("side", "size"), [(640, 1), (160, 4), (40, 16)])
def test_a_picture_of_noise_has_few_strips(side, size):
    strips = [strip for proposal in proposed(noise(side, size)) for strip in proposal]
    assert len(strips) <= MAX_STRIPS
    assert sum(strip.pixels.shape[1] for strip in strips) < 20_000


def test_a_picture_with_too_much_writing_that_is_no_line_is_refused(digits):
    tall = number(*digits[:480].reshape(40, 12, 28, 28)[:, :2], scale=1)
    with pytest.raises(TooMuchWriting, match="too much writing"):
        proposed(tall)
    wide = number(digits[:450:3], scale=1)
    with pytest.raises(TooMuchWriting):
        proposed(wide)


@pytest.mark.parametrize(
    ("size", "side"), [((100, 50), 100), ((640, 640), 640), ((4000, 3000), 739), ((100_000, 300), 2560), ((1, 1), 1)]
)
def test_a_large_picture_is_downscaled_to_a_number_of_pixels(size, side):
    assert strip_side(size) == side
