"""The reader: small pictures in batches, large ones in other processes, without blocking each other."""

import asyncio
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.inference.decoders import Decoders
from app.inference.reader import MAX_BATCH, QUICK, Reader
from app.inference.reading import read_batch, read_bytes
from app.inference.search import Found, Search
from app.inference.text import Text, text_of
from app.inference.thresholds import SMALL_BYTES
from app.preprocess.decode import open_image
from app.preprocess.errors import BlankImage, CorruptImage
from app.preprocess.frame import frame_from_ink
from support import MAX_PIXELS, PNG, drawing, encode, flat, letter, sequential_scans


async def read_small(reader: Reader, *pictures: bytes) -> list:
    images = [reader.open_if_simple(picture) for picture in pictures]
    return await asyncio.gather(*map(reader.read_small, images), return_exceptions=True)


def test_pictures_read_together_are_read_as_alone(reader, digits, classifier):
    pictures = [encode(digit) for digit in digits[::25]]
    readings = asyncio.run(read_small(reader, *pictures))
    alone = [read_bytes(picture, classifier, MAX_PIXELS) for picture in pictures]
    for name in ("frame", "box", "has_several"):
        np.testing.assert_array_equal([getattr(r, name) for r in readings], [getattr(r, name) for r in alone])
    for name in ("probabilities", "legibility"):
        np.testing.assert_allclose([getattr(r, name) for r in readings], [getattr(r, name) for r in alone], atol=1e-6)
    assert max(reading.batch_size for reading in readings) == MAX_BATCH


def test_a_reading_reports_the_time_of_each_stage(reader, seven):
    (reading,) = asyncio.run(read_small(reader, encode(seven)))
    assert [stage.name for stage in reading.stages] == ["wait", "decode", "preprocess", "inference"]
    times = [time for stage in reading.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def test_an_unreadable_picture_does_not_affect_others(reader, seven):
    first, blank, again = asyncio.run(read_small(reader, encode(seven), flat(255, (28, 28)), encode(seven)))
    assert first.probabilities.argmax() == again.probabilities.argmax() == 7
    assert isinstance(blank, BlankImage)
    assert first.batch_size == 2


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


def test_a_batch_of_blank_pictures_gives_only_errors(classifier):
    blank = open_image(flat(255), MAX_PIXELS)
    assert [type(error) for error in read_batch([blank, blank.copy()], classifier)] == [BlankImage, BlankImage]
    assert read_batch([], classifier) == []


@pytest.mark.parametrize(
    ("side", "format", "is_small"),
    [(28, "PNG", True), (28, "BMP", True), (128, "PNG", True), (129, "PNG", False), (112, "BMP", False)],
)
def test_a_small_picture_has_few_bytes_and_pixels(reader, seven, side, format, is_small):
    picture = encode(Image.fromarray(seven).resize((side, side)), format)
    assert (reader.open_if_simple(picture) is not None) == is_small


def test_a_low_and_wide_picture_is_not_small(reader, seven):
    strip = Image.new("L", (400, 40))
    strip.paste(Image.fromarray(seven), (200, 6))
    assert reader.open_if_simple(encode(strip, "JPEG")) is None  # a glance would decode it at half its size


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "HEIF", "TIFF", "progressive JPEG", "text"])
def test_no_format_that_may_lie_about_its_size_is_opened_in_the_event_loop(reader, seven, format, monkeypatch):
    picture = encode(Image.fromarray(seven), format.split()[-1], progressive=True) if format != "text" else b"text"
    assert reader.open_if_simple(picture) is None


def test_a_jpeg_with_many_scans_is_not_opened_in_the_event_loop(reader):
    picture = sequential_scans()
    assert len(picture) <= SMALL_BYTES
    assert "progressive" not in Image.open(BytesIO(picture)).info
    assert reader.open_if_simple(picture) is None


def test_texts_are_chosen_one_after_the_other(reader, digits, monkeypatch):
    together = []

    def spied(*arguments) -> Text:
        together.append(1)
        time.sleep(0.05)
        assert len(together) == 1
        together.pop()
        return text_of(*arguments)

    async def read_two() -> list[Text]:
        return await asyncio.gather(*(reader.read_text(encode(drawing(digits[350]))) for _ in range(2)))

    monkeypatch.setattr("app.inference.reader.text_of", spied)
    assert [text.text for text in asyncio.run(read_two())] == ["7", "7"]


def test_a_damaged_small_picture_is_refused_in_the_event_loop(reader):
    with pytest.raises(CorruptImage):
        reader.open_if_simple(PNG[:20])


def computing(seconds: float) -> None:
    """Use the processor for some seconds."""
    begin = time.thread_time()
    while time.thread_time() < begin + seconds:
        pass


@pytest.mark.parametrize(("slowly", "turns"), [(computing, 16), (time.sleep, 1)])
def test_the_event_loop_runs_between_pictures_that_take_processor_time_to_open(reader, slowly, turns, monkeypatch):
    rounds, opened_in = 0, []
    monkeypatch.setattr(reader, "open_if_simple", lambda *_: (slowly(0.006), opened_in.append(rounds)))

    async def open_all() -> None:
        def tick() -> None:
            nonlocal rounds
            rounds += 1
            asyncio.get_running_loop().call_soon(tick)

        tick()
        await asyncio.gather(*(reader.open_in_turn(b"") for _ in range(16)))

    asyncio.run(open_all())
    assert len(set(opened_in)) == turns  # another process may take the core: that is no reason to let others in first


def test_a_large_picture_is_read_as_a_small_one_is(reader, seven, classifier):
    picture = encode(drawing(seven))
    reading = asyncio.run(reader.read_large(picture))
    here = read_bytes(picture, classifier, MAX_PIXELS)
    np.testing.assert_array_equal(reading.frame, here.frame)
    np.testing.assert_array_equal(reading.probabilities, here.probabilities)
    assert (reading.box, reading.legibility) == (here.box, here.legibility)
    assert reading.probabilities.argmax() == 7
    assert [stage.name for stage in reading.stages] == ["wait", "decode", "preprocess", "inference"]
    times = [time for stage in reading.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


@pytest.fixture
def looks(monkeypatch) -> list[bool]:
    """Whether each look that the decoders took was a close one."""
    looked, search_in_process = [], Decoders.__call__

    async def spied(decoders: Decoders, data: bytes, search: Search, closely: bool) -> Found:
        looked.append(closely)
        return await search_in_process(decoders, data, search, closely)

    monkeypatch.setattr(Decoders, "__call__", spied)
    return looked


@pytest.mark.parametrize(("picture", "expected"), [("digit", [False]), ("letter", [False, True])])
def test_a_large_picture_gets_a_close_look_if_a_glance_is_not_enough(reader, seven, picture, expected, looks):
    asyncio.run(reader.read_large(encode(drawing(seven) if picture == "digit" else letter("A"))))
    assert looks == expected


@pytest.mark.parametrize(("picture", "expected"), [("digit", []), ("letter", [True])])
def test_a_jpeg_gets_its_glance_on_the_event_loop(reader, seven, classifier, picture, expected, looks):
    jpeg = encode(drawing(seven) if picture == "digit" else letter("A"), "JPEG")
    reading, here = asyncio.run(reader.read_large(jpeg)), read_bytes(jpeg, classifier, MAX_PIXELS)
    assert (reading.box, reading.legibility, reading.digit) == (here.box, here.legibility, here.digit)
    assert looks == expected


@pytest.mark.parametrize("kind", ["progressive", "of more pixels", "of more bytes"])
def test_other_jpegs_get_their_glance_in_a_decoder_process(reader, seven, kind, looks):
    sheet = drawing(seven, 11 if kind == "of more pixels" else 10)
    jpeg = encode(sheet, "JPEG", progressive=kind == "progressive")
    jpeg += bytes(QUICK.max_bytes + 1 - len(jpeg)) if kind == "of more bytes" else b""
    assert asyncio.run(reader.read_large(jpeg)).digit == 7
    assert looks == [False]


def test_a_damaged_jpeg_is_refused_in_the_event_loop(reader, seven, looks):
    with pytest.raises(CorruptImage):
        asyncio.run(reader.read_large(encode(drawing(seven), "JPEG")[:-2000]))
    assert looks == []


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_time_of_a_glance_is_not_counted_as_waiting(reader, size):
    sheet = letter("A")
    if size == "small":
        (outcome,) = asyncio.run(read_small(reader, encode(sheet.resize((70, 70)))))
    else:
        outcome = asyncio.run(reader.read_large(encode(sheet)))
    assert [stage.name for stage in outcome.stages] == ["wait", "glance", "decode", "preprocess", "inference"]
    times = [time for stage in outcome.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def test_a_large_blank_picture_is_refused(reader):
    with pytest.raises(BlankImage, match="no ink"):
        asyncio.run(reader.read_large(flat(255)))
