"""Pictures → ink, in every colour and condition in which people send them."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.digit.reading import read_digit
from app.picture.frame import frame_from_ink
from networks import frame_of, reading_of_drawing
from pictures import apart, cropped, drawing, encode, transparent


def inverted(sheet: Image.Image) -> bytes:
    return encode(ImageOps.invert(sheet))


def coloured(sheet: Image.Image, ink: str, ground: str) -> bytes:
    return encode(ImageOps.colorize(sheet, ink, ground))


def in_a_transparent_palette(sheet: Image.Image) -> bytes:
    return encode(sheet.convert("1", dither=0).convert("P"), transparency=255)


def in_transparent_margins(sheet: Image.Image) -> bytes:
    picture = Image.new("RGBA", (1000, 1000))
    picture.paste(sheet.convert("RGBA"))
    return encode(picture)


def first_in_an_animation(sheet: Image.Image) -> bytes:
    return encode(sheet, "GIF", save_all=True, append_images=[ImageOps.mirror(sheet)])


def before_a_video(sheet: Image.Image) -> bytes:
    """Make a motion photo."""
    return encode(sheet, "JPEG") + b"\xff\xda\xff\xd8\xff\xc2" * 1_300_000


def noisy(sheet: Image.Image) -> bytes:
    noise = np.random.default_rng(0).normal(0, 4, (400, 600))
    levels = np.asarray(sheet) * 0.8 + 30 + noise
    return encode(levels.clip(0, 255).astype(np.uint8))


WAYS = {
    "light on dark": inverted,
    "alpha of a palette": in_a_transparent_palette,
    "alpha of transparent margins": in_transparent_margins,
    "first in an animation": first_in_an_animation,
    "progressive JPEG": partial(encode, format="JPEG", progressive=True),
    "before a video": before_a_video,
    "noise": noisy,
}
for ink, ground in (("crimson", "white"), ("blue", "grey"), ("yellow", "darkgreen")):
    WAYS[f"{ink} on {ground}"] = partial(coloured, ink=ink, ground=ground)
for mode, colour in product(("LA", "RGBA"), (0, 128, 255)):
    WAYS[f"alpha of {mode}, {colour}"] = partial(transparent, mode=mode, colour=colour)


@pytest.mark.parametrize("way", WAYS)
def test_a_drawn_digit_has_the_same_digit_frame_and_box(digits, classifier, way):
    drawings = [(digit, reading_of_drawing(digit.tobytes())) for digit in digits[::50]]
    # Of those that are sure by a hair, another view would be tried in some ways.
    clear = [(digit, drawn) for digit, drawn in drawings if drawn.legibility > 0.995]
    for digit, drawn in clear[:5]:
        reading = read_digit(WAYS[way](drawing(digit)), classifier)
        assert reading.digit == drawn.digit
        assert apart(reading.frame, drawn.frame) < (0.05 if "alpha" in way else 0.02)
        # 2 pixels of the image that is searched.
        assert reading.box == pytest.approx(drawn.box, abs=8)


def test_a_digit_cut_out_of_a_ground_of_one_colour_is_read(digits, labels, classifier):
    for digit, label in zip(digits[::50], labels[::50], strict=True):
        cut_out = transparent(ImageOps.invert(drawing(digit)), colour=128)
        assert read_digit(cut_out, classifier).digit == label


@pytest.mark.parametrize("side", [16, 28])
def test_a_tight_crop_has_the_same_frame_in_both_polarities(digits, side):
    for digit in digits[::25]:
        crop = Image.fromarray(cropped(digit))
        crop = crop.resize((side * 3 // 4, side), Image.Resampling.BICUBIC)
        dark = frame_of(ImageOps.invert(crop))
        np.testing.assert_allclose(dark, frame_of(crop), atol=1e-6)
        assert apart(dark, frame_from_ink(np.asarray(crop) / np.float32(255))) < 0.05
