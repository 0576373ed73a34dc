"""The reader: small pictures in batches, large ones in other processes, without blocking each other."""

import asyncio

import numpy as np
import pytest
from PIL import Image

from app.inference.reader import JPEG_LIMITS, Reader
from app.inference.reading import Reading, read_digit
from app.preprocess.errors import BlankImage, CorruptImage
from support import PNG, drawing, encode, flat, letter, sequential_scans


async def read_small(reader: Reader, *pictures: bytes) -> list:
    return await asyncio.gather(*map(reader.read_small, pictures), return_exceptions=True)


def assert_in_order(reading: Reading, *names: str) -> None:
    """Check the names of a reading's stages, and that each begins after the one before it."""
    assert [stage.name for stage in reading.stages] == list(names)
    times = [time for stage in reading.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def test_pictures_read_together_are_read_as_alone(reader, digits, classifier, monkeypatch):
    monkeypatch.setattr("app.inference.batcher.SLOW_NANOSECONDS", 10**9)  # or a slow machine would split the batch
    pictures = [encode(digit) for digit in digits[::25]]
    broken = flat(255, (28, 28)), PNG[:20], encode(drawing(digits[0]), "JPEG")[:-2000]
    *readings, blank, damaged, cut_off = asyncio.run(read_small(reader, *pictures, *broken))
    for reading, alone in zip(readings, (read_digit(picture, classifier) for picture in pictures), strict=True):
        np.testing.assert_array_equal(reading.frame, alone.frame)
        np.testing.assert_allclose(reading.probabilities, alone.probabilities, atol=1e-6)
        assert (reading.box, reading.legibility) == (alone.box, pytest.approx(alone.legibility, abs=1e-6))
        assert_in_order(reading, "wait", "decode", "preprocess", "wait", "inference")
        assert reading.stages[-1].pictures == len(pictures)
    assert isinstance(blank, BlankImage)
    assert type(damaged) is type(cut_off) is CorruptImage


def enlarged(seven: np.ndarray, side: int, format: str) -> bytes:
    return encode(Image.fromarray(seven).resize((side, side)), format)


def jpeg_of_bytes(seven: np.ndarray, size: int) -> bytes:
    jpeg = encode(drawing(seven), "JPEG")
    return jpeg + bytes(size - len(jpeg))


READ_HERE = {
    "a PNG": lambda seven: enlarged(seven, 128, "PNG"),
    "a BMP": lambda seven: enlarged(seven, 28, "BMP"),
    "a GIF": lambda seven: enlarged(seven, 28, "GIF"),
    "a JPEG": lambda seven: jpeg_of_bytes(seven, JPEG_LIMITS[0]),
    "a JPEG of a letter": lambda seven: encode(letter("A"), "JPEG"),
}
READ_ELSEWHERE = {
    "a PNG of more pixels": lambda seven: enlarged(seven, 129, "PNG"),
    "a BMP of more bytes": lambda seven: enlarged(seven, 112, "BMP"),
    "a JPEG of more pixels": lambda seven: encode(drawing(seven, 11), "JPEG"),
    "a JPEG of more bytes": lambda seven: jpeg_of_bytes(seven, JPEG_LIMITS[0] + 1),
    "a progressive JPEG": lambda seven: encode(seven, "JPEG", progressive=True),
    "a JPEG of many scans": lambda seven: sequential_scans(),  # small, and not declared as progressive
    "text": lambda seven: b"text",
    "WEBP": lambda seven: encode(seven, "WEBP"),  # this and the next ones may lie about their size
    "AVIF": lambda seven: encode(seven, "AVIF"),
    "HEIF": lambda seven: encode(seven, "HEIF"),
    "TIFF": lambda seven: encode(seven, "TIFF"),
}


@pytest.mark.parametrize("name", READ_HERE)
def test_a_simple_picture_is_read_on_the_event_loop(reader, seven, classifier, name):
    picture = READ_HERE[name](seven)
    (reading,), here = asyncio.run(read_small(reader, picture)), read_digit(picture, classifier)
    assert (reading.box, reading.digit) == (here.box, here.digit)
    assert reading.legibility == pytest.approx(here.legibility, abs=1e-6)


@pytest.mark.parametrize("name", READ_ELSEWHERE)
def test_any_other_file_is_left_to_a_decoder_process(reader, seven, name):
    assert asyncio.run(read_small(reader, READ_ELSEWHERE[name](seven))) == [None]


def test_a_low_and_wide_jpeg_has_the_box_of_its_digit(reader, seven, classifier):
    """libjpeg decodes it at a fraction of its size."""
    strip = Image.new("L", (400, 40))
    strip.paste(Image.fromarray(seven), (200, 6))
    (reading,) = asyncio.run(read_small(reader, encode(strip, "JPEG")))
    assert reading.digit == 7
    assert reading.box == pytest.approx(read_digit(encode(strip), classifier).box, abs=3)


def test_a_large_picture_is_read_as_in_this_process(reader, seven, classifier):
    picture = encode(drawing(seven))
    there, here = asyncio.run(reader.read_large(picture)), read_digit(picture, classifier)
    np.testing.assert_equal(there[:4], here[:4])  # frame, box, probabilities and legibility
    assert_in_order(there, "wait", "decode", "preprocess", "inference")
