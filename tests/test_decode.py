"""Bytes → upright pictures, in every format in which people send them."""

import struct
import tracemalloc
import warnings
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image

from app.digit.reading import SIDE, read_digit
from app.picture import decode, opening
from app.picture.errors import TooManyPixels
from app.picture.file_formats import FILE_FORMATS, MAX_PIXELS
from hostile import HOSTILE, PNG, claiming, png_chunk
from networks import frame_of, reading_of, reading_of_drawing
from pictures import distance, drawing, encode, picture_from_bytes

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


@pytest.mark.parametrize("format", [*FILE_FORMATS, "MPO"])
def test_formats_modes_and_depths_give_the_same_frame(seven, format):
    # Two levels, so that 1 bit is lossless.
    sheet = drawing(seven).point(lambda level: 255 * (level > 127))
    deep = Image.fromarray(np.uint16(257) * np.asarray(sheet))
    expected = frame_of(sheet)
    for mode in MODES.get(format, "RGB").split():
        image = deep if mode == "I;16" else sheet.convert(mode)
        assert distance(frame_of(image, format), expected) < 0.01, mode


# By EXIF orientation, how the camera held the picture, as Image.Transpose.
HELD = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}


@pytest.mark.parametrize(
    ("format", "orientation"),
    [("PNG", 6), ("WEBP", 3), ("TIFF", 8), *product(["JPEG"], [1, *HELD])],
)
def test_exif_orientation_turns_the_picture_upright(
    seven, classifier, format, orientation
):
    sheet = drawing(seven)
    turned = sheet
    if orientation in HELD:
        turned = sheet.transpose(Image.Transpose(HELD[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(turned, format, exif=exif)
    reading = read_digit(data, classifier)
    upright = reading_of_drawing(seven.tobytes())
    assert distance(reading.frame, upright.frame) < 0.01
    assert reading.box == pytest.approx(upright.box, abs=4)
    assert picture_from_bytes(data, SIDE)[1:3] == sheet.size


def test_pillow_warns_of_nothing(seven):
    """Each warning would be logged, and remembered for ever."""
    # Whose data is missing.
    entries = [struct.pack("<HHII", tag, 1, 6, 10**6) for tag in range(1, 500)]
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 499) + b"".join(entries)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        opening.prepare_plugins.cache_clear()
        reading_of(drawing(seven), "JPEG", exif=exif)
    assert not caught


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((4000, 3000), (500, 375)), ((7000, 300), (875, 38)), ((9, 16_000), (2, 2000))],
)
def test_a_large_jpeg_is_reduced_while_decoding(size, decoded):
    image = opening.open_image(encode(Image.new("RGB", size), "JPEG"), MAX_PIXELS)
    picture = decode.decode_image(image, SIDE)
    assert image.size == decoded
    assert (picture.width, picture.height) == size
    assert max(picture.image.size) < 1.5 * SIDE


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_text_that_inflates_takes_little_memory(before):
    inflating = zlib.compress("😀".encode() + bytes(1_000_000), 9)
    text = png_chunk(b"iTXt", b"k\0\1\0\0\0" + inflating)
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
    limit = 200_000_000
    assert opening.open_image(claiming(20_000, 10_000), limit).size == (20_000, 10_000)
    with pytest.raises(
        TooManyPixels, match="has 200,010,000 pixels, more than 200,000,000"
    ):
        opening.open_image(claiming(20_001, 10_000), limit)
