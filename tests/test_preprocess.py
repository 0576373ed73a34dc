"""Pictures → frames, on real digits in every form in which people send them."""

import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.datasets import MNIST

from app.digit.reading import SIDE, read_digit
from app.picture import decode, errors
from app.picture.formats import FORMATS
from app.picture.frame import as_frame, frame_from_ink
from app.picture.maps import Box
from support import (
    HOSTILE,
    MAX_PIXELS,
    PNG,
    apart,
    claiming,
    cropped,
    distance,
    drawing,
    encode,
    frame_of,
    picture_from_bytes,
    png_chunk,
    reading_of,
    reading_of_drawing,
    transparent,
)


def test_mnist_digits_pass_through_bit_for_bit(digits, seven):
    for digit in [*digits[::5], seven // 4]:  # the last one stays faint
        reading = reading_of(digit)
        np.testing.assert_array_equal(reading.frame, digit / np.float32(255))
        assert reading.box == Box(0, 28, 0, 28)


@pytest.mark.slow
def test_all_mnist_images_are_frames(mnist_root):
    for image in (
        image
        for train in (True, False)
        for image in MNIST(mnist_root, train=train).data.numpy()
    ):
        assert as_frame(Image.fromarray(image)) is not None


NO_FRAMES = {  # and how far their frames may be from the digit's
    "inverted": (lambda seven: 255 - seven, 0.04),
    "moved": (lambda seven: np.roll(seven, (-3, -2), (0, 1)), 0.04),
    "smaller": (
        lambda seven: np.pad(np.asarray(Image.fromarray(seven).resize((20, 20))), 4),
        0.04,
    ),
    "larger": (
        lambda seven: np.asarray(Image.fromarray(seven[2:26, 2:26]).resize((28, 28))),
        0.04,
    ),
    "tiny": (
        lambda seven: np.asarray(
            Image.fromarray(seven[4:24, 4:24]).resize((10, 10), Image.Resampling.BOX)
        ),
        0.07,
    ),
}


@pytest.mark.parametrize("change", NO_FRAMES)
def test_a_small_picture_that_is_no_frame_is_framed(seven, change):
    make, most = NO_FRAMES[change]
    assert as_frame(Image.fromarray(make(seven))) is None
    assert apart(frame_of(make(seven)), seven / 255) < most


@pytest.mark.parametrize("scale", [1, 2, 5, 20])
def test_a_drawing_of_any_size_is_framed_as_mnists_digits_were(digits, scale):
    frames = [frame_of(drawing(digit, scale)) for digit in digits[::25]]
    assert (
        np.mean(
            [
                distance(frame, digit / 255)
                for frame, digit in zip(frames, digits[::25], strict=True)
            ]
        )
        < 0.04
    )
    for frame in frames:
        assert (frame.shape, frame.dtype, frame.min(), frame.max()) == (
            (28, 28),
            np.float32,
            0,
            1,
        )
        for axis in (0, 1):
            profile = frame.sum(axis)
            assert (
                14 - 1e-4 < (np.arange(28) + 0.5) @ profile / profile.sum() < 15 + 1e-4
            )
            assert np.ptp(np.flatnonzero(profile > 0.1)) < 20


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (20, 20), (21, 9), (2047, 300)])
def test_a_filled_rectangle_stays_one_in_a_box_of_20(shape):
    frame = frame_from_ink(np.ones(shape, np.float32))
    rows, columns = np.nonzero(frame)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (
        20,
        round(20 * shape[1] / shape[0]),
    )
    np.testing.assert_allclose(frame[rows, columns], 1, rtol=1e-5)


def test_lopsided_ink_is_shrunk_to_fit():
    ink = np.zeros((20, 20), np.float32)
    ink[0, :] = ink[:, 0] = 0.01
    ink[:4, :4] = 1
    rows, columns = np.nonzero(frame := frame_from_ink(ink))
    assert np.ptp(rows) < 19
    assert np.average(
        [rows, columns], axis=1, weights=frame[rows, columns]
    ) == pytest.approx((14, 14), abs=1)


def in_transparent_margins(sheet: Image.Image) -> bytes:
    picture = Image.new("RGBA", (1000, 1000))
    picture.paste(sheet.convert("RGBA"))
    return encode(picture)


def dusty(sheet: Image.Image) -> bytes:
    for x, y in [(3, 3), (590, 390), (400, 10)]:
        sheet.paste(0, (x, y, x + 4, y + 4))
    return encode(sheet)


def noisy(sheet: Image.Image) -> bytes:
    noise = np.random.default_rng(0).normal(0, 4, (400, 600))
    return encode(
        np.clip(np.asarray(sheet) * 0.8 + 30 + noise, 0, 255).astype(np.uint8)
    )


COLOURS = product(("crimson", "blue", "yellow"), ("white", "darkgreen", "grey"))
WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "light on dark": lambda sheet: encode(ImageOps.invert(sheet)),
    **{
        f"{ink} on {on}": lambda sheet, c=(ink, on): encode(
            ImageOps.colorize(sheet, *c)
        )
        for ink, on in COLOURS
    },
    **{
        f"alpha of {of}": lambda sheet, of=of: transparent(sheet, *of)
        for of in product(("LA", "RGBA"), (0, 128, 255))
    },
    "alpha of a palette": lambda sheet: encode(
        sheet.convert("1", dither=0).convert("P"), transparency=255
    ),
    "alpha of transparent margins": in_transparent_margins,
    "first in an animation": lambda sheet: encode(
        sheet, "GIF", save_all=True, append_images=[ImageOps.mirror(sheet)]
    ),
    "broken EXIF": lambda sheet: encode(
        sheet, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"
    ),
    "progressive JPEG": lambda sheet: encode(sheet, "JPEG", progressive=True),
    # A motion photo.
    "before a video": lambda sheet: (
        encode(sheet, "JPEG") + b"\xff\xda\xff\xd8\xff\xc2" * 1_300_000
    ),
    "specks": dusty,
    "noise": noisy,
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow warns and continues
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
    grounds = [
        transparent(ImageOps.invert(drawing(digit)), colour=128)
        for digit in digits[::50]
    ]
    assert [read_digit(ground, classifier).digit for ground in grounds] == labels[
        ::50
    ].tolist()


@pytest.mark.parametrize("side", [16, 28])
def test_a_tight_crop_has_the_same_frame_in_both_polarities(digits, side):
    for digit in digits[::25]:
        crop = Image.fromarray(cropped(digit)).resize(
            (side * 3 // 4, side), Image.Resampling.BICUBIC
        )
        dark, light = frame_of(ImageOps.invert(crop)), frame_of(crop)
        np.testing.assert_allclose(dark, light, atol=1e-6)
        assert apart(dark, frame_from_ink(np.asarray(crop) / np.float32(255))) < 0.05


MODES = {
    "PNG": "L RGB RGBA LA P 1 I;16",
    "JPEG": "L RGB CMYK",
    "MPO": "L RGB",  # what phones call JPEG with a depth map
    "HEIF": "L RGB RGBA",
    "AVIF": "L RGB RGBA",
    "WEBP": "L RGB RGBA",
    "GIF": "L RGB P 1",
    "BMP": "L RGB P 1",
    "TIFF": "L RGB RGBA LA P 1 I;16 CMYK",
}


@pytest.mark.parametrize("format", [*FORMATS, "MPO"])
def test_formats_modes_and_depths_give_the_same_frame(seven, format):
    # Two levels, so that 1 bit is lossless.
    sheet = drawing(seven).point(lambda level: 255 * (level > 127))
    for mode in MODES.get(format, "RGB").split():
        image = (
            Image.fromarray(np.uint16(257) * np.asarray(sheet))
            if mode == "I;16"
            else sheet.convert(mode)
        )
        assert distance(frame_of(image, format), frame_of(sheet)) < 0.01, mode


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_turns_the_picture_upright(seven, orientation, format):
    sheet, exif, upright = (
        drawing(seven),
        Image.Exif(),
        reading_of_drawing(seven.tobytes()),
    )
    # How the camera held it, as Image.Transpose.
    held = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    turned = (
        sheet
        if orientation == 1
        else sheet.transpose(Image.Transpose(held[orientation]))
    )
    exif[0x0112] = orientation
    reading = reading_of(turned, format, exif=exif)
    assert distance(reading.frame, upright.frame) < 0.01
    assert reading.box == pytest.approx(upright.box, abs=4)
    assert (
        picture_from_bytes(encode(turned, format, exif=exif), SIDE)[1:3] == sheet.size
    )


def test_pillow_warns_of_nothing(seven):
    """Each warning would be logged, and remembered for ever."""
    # Whose data is missing.
    entries = b"".join(struct.pack("<HHII", tag, 1, 6, 10**6) for tag in range(1, 500))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 499) + entries
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        decode.prepare_plugins.cache_clear()
        reading_of(drawing(seven), "JPEG", exif=exif)
    assert not caught


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((4000, 3000), (500, 375)), ((7000, 300), (875, 38)), ((9, 16_000), (2, 2000))],
)
def test_a_large_jpeg_is_reduced_while_decoding(size, decoded):
    image = decode.open_image(encode(Image.new("RGB", size), "JPEG"), MAX_PIXELS)
    picture = decode.decode_image(image, SIDE)
    assert (image.size, picture.width, picture.height) == (decoded, *size)
    assert max(picture.image.size) < 1.5 * SIDE


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_text_that_inflates_takes_little_memory(before):
    text = png_chunk(
        b"iTXt", b"k\0\1\0\0\0" + zlib.compress("😀".encode() + bytes(1_000_000), 9)
    )
    end = PNG.index(before) - 4
    tracemalloc.start()
    image = picture_from_bytes(PNG[:end] + text + PNG[end:], SIDE).image
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert image.getbbox()
    assert peak < 1_000_000  # 9 MB if it were inflated


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unreadable_picture_is_a_named_error(name, classifier):
    data, error, message = HOSTILE[name]
    with pytest.raises(error, match=message):
        read_digit(data, classifier)


def test_only_the_setting_limits_the_number_of_pixels():
    assert decode.open_image(claiming(20_000, 10_000), 200_000_000).size == (
        20_000,
        10_000,
    )
    with pytest.raises(
        errors.TooManyPixels, match="has 200,010,000 pixels, more than 200,000,000"
    ):
        decode.open_image(claiming(20_001, 10_000), 200_000_000)
