"""The reader: small pictures in batches, large ones in other processes, without blocking each other."""

import asyncio
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.inference.decoders import Decoders
from app.inference.reader import JPEG_LIMITS, Reader
from app.inference.reading import Reading, read_digit
from app.preprocess.errors import BlankImage, CorruptImage
from app.preprocess.formats import SMALL_BYTES
from app.preprocess.frame import frame_from_ink
from support import MAX_PIXELS, PNG, drawing, encode, flat, letter, sequential_scans


async def read_small(reader: Reader, *pictures: bytes) -> list:
    return await asyncio.gather(*map(reader.read_small, pictures), return_exceptions=True)


async def read(reader: Reader, picture: bytes) -> Reading:
    return await reader.read_small(picture) or await reader.read_large(picture)


def test_pictures_read_together_are_read_as_alone(reader, digits, classifier):
    pictures = [encode(digit) for digit in digits[::25]]
    readings = asyncio.run(read_small(reader, *pictures))
    alone = [read_digit(picture, classifier, MAX_PIXELS) for picture in pictures]
    for name in ("frame", "box", "has_several"):
        np.testing.assert_array_equal([getattr(r, name) for r in readings], [getattr(r, name) for r in alone])
    for name in ("probabilities", "legibility"):
        np.testing.assert_allclose([getattr(r, name) for r in readings], [getattr(r, name) for r in alone], atol=1e-6)
    assert max(stage.pictures for reading in readings for stage in reading.stages) == len(pictures)


def test_a_reading_reports_the_time_of_each_stage(reader, seven):
    (reading,) = asyncio.run(read_small(reader, encode(seven)))
    assert [stage.name for stage in reading.stages] == ["wait", "decode", "preprocess", "wait", "inference"]
    times = [time for stage in reading.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def test_an_unreadable_picture_does_not_affect_others(reader, seven, monkeypatch):
    monkeypatch.setattr("app.inference.batcher.SLOW_NANOSECONDS", 10**9)  # or a slow machine would split the batch
    first, blank, again = asyncio.run(read_small(reader, encode(seven), flat(255, (28, 28)), encode(seven)))
    assert first.probabilities.argmax() == again.probabilities.argmax() == 7
    assert isinstance(blank, BlankImage)
    assert first.stages[-1].pictures == 2


def test_an_unexpected_error_does_not_affect_others(reader, seven, monkeypatch):
    def broken(ink: np.ndarray) -> np.ndarray:
        if ink.mean() == 1:
            raise ZeroDivisionError
        return frame_from_ink(ink)

    monkeypatch.setattr("app.preprocess.candidates.frame_from_ink", broken)
    square = encode(np.pad(np.full((9, 9), 255, np.uint8), 10))
    first, second, third = asyncio.run(read_small(reader, encode(seven), square, encode(seven)))
    assert first.probabilities.argmax() == third.probabilities.argmax() == 7
    assert isinstance(second, ZeroDivisionError)


@pytest.mark.parametrize(
    ("side", "format", "is_small"),
    [(28, "PNG", True), (28, "BMP", True), (128, "PNG", True), (129, "PNG", False), (112, "BMP", False)],
)
def test_a_small_picture_has_few_bytes_and_pixels(reader, seven, side, format, is_small):
    picture = encode(Image.fromarray(seven).resize((side, side)), format)
    assert (reader.open_if_simple(picture) is not None) == is_small


def test_a_low_and_wide_jpeg_has_the_box_of_its_digit(reader, seven, classifier):
    """libjpeg decodes it at a fraction of its size."""
    strip = Image.new("L", (400, 40))
    strip.paste(Image.fromarray(seven), (200, 6))
    reading, expected = asyncio.run(read(reader, encode(strip, "JPEG"))), read_digit(encode(strip), classifier)
    assert reading.digit == 7
    assert reading.box == pytest.approx(expected.box, abs=3)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "HEIF", "TIFF", "progressive JPEG", "text"])
def test_no_format_that_may_lie_about_its_size_is_opened_in_the_event_loop(reader, seven, format, monkeypatch):
    picture = encode(Image.fromarray(seven), format.split()[-1], progressive=True) if format != "text" else b"text"
    assert reader.open_if_simple(picture) is None


def test_a_jpeg_with_many_scans_is_not_opened_in_the_event_loop(reader):
    picture = sequential_scans()
    assert len(picture) <= SMALL_BYTES
    assert "progressive" not in Image.open(BytesIO(picture)).info
    assert reader.open_if_simple(picture) is None


def test_a_damaged_small_picture_is_refused_in_the_event_loop(reader):
    with pytest.raises(CorruptImage):
        reader.open_if_simple(PNG[:20])


def test_a_large_picture_is_read_as_a_small_one_is(reader, seven, classifier):
    picture = encode(drawing(seven))
    reading = asyncio.run(reader.read_large(picture))
    here = read_digit(picture, classifier, MAX_PIXELS)
    np.testing.assert_array_equal(reading.frame, here.frame)
    np.testing.assert_array_equal(reading.probabilities, here.probabilities)
    assert (reading.box, reading.legibility) == (here.box, here.legibility)
    assert reading.probabilities.argmax() == 7
    assert [stage.name for stage in reading.stages] == ["wait", "decode", "preprocess", "inference"]
    times = [time for stage in reading.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


@pytest.fixture
def elsewhere(monkeypatch) -> list[bytes]:
    """The pictures that are read in decoder processes."""
    read, in_process = [], Decoders.__call__

    async def spied(decoders: Decoders, data: bytes, *arguments) -> Reading:
        read.append(data)
        return await in_process(decoders, data, *arguments)

    monkeypatch.setattr(Decoders, "__call__", spied)
    return read


@pytest.mark.parametrize("picture", ["digit", "letter"])
def test_a_quick_jpeg_is_read_on_the_event_loop(reader, seven, classifier, picture, elsewhere):
    jpeg = encode(drawing(seven) if picture == "digit" else letter("A"), "JPEG")
    reading, here = asyncio.run(read(reader, jpeg)), read_digit(jpeg, classifier, MAX_PIXELS)
    assert (reading.box, reading.digit) == (here.box, here.digit)
    assert reading.legibility == pytest.approx(here.legibility, abs=1e-6)
    assert elsewhere == []


@pytest.mark.parametrize("kind", ["progressive", "of more pixels", "of more bytes"])
def test_other_jpegs_are_read_in_a_decoder_process(reader, seven, kind, elsewhere):
    sheet = drawing(seven, 11 if kind == "of more pixels" else 10)
    jpeg = encode(sheet, "JPEG", progressive=kind == "progressive")
    jpeg += bytes(JPEG_LIMITS[0] + 1 - len(jpeg)) if kind == "of more bytes" else b""
    assert asyncio.run(read(reader, jpeg)).digit == 7
    assert elsewhere == [jpeg]


def test_a_damaged_jpeg_is_refused_in_the_event_loop(reader, seven, elsewhere):
    with pytest.raises(CorruptImage):
        asyncio.run(read(reader, encode(drawing(seven), "JPEG")[:-2000]))
    assert elsewhere == []


def test_a_large_blank_picture_is_refused(reader):
    with pytest.raises(BlankImage, match="no ink"):
        asyncio.run(read(reader, flat(255)))
