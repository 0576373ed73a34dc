"""The reader: small and large pictures, out of each other's way."""

import asyncio

import numpy as np
import pytest

from app.web.admission import Overloaded
from app.metrics import Metrics
from app.preprocess.errors import BlankImage, NotAnImage
from app.preprocess.frame import frame_from_ink
from app.preprocess.pipeline import frame_from_bytes
from app.inference.reader import Abandoned, Reader
from app.settings import Settings
from conftest import encode
from test_preprocess import drawing, flat


async def never() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def reader(classifier):
    return Reader(Settings(threads=1, large_queue=1), classifier, Metrics({"version": "test"}))


async def read(reader: Reader, *pictures: bytes) -> list:
    return await asyncio.gather(*(reader(picture, gone=never) for picture in pictures), return_exceptions=True)


def test_pictures_read_together_are_read_as_alone(reader, digits, classifier):
    pictures = [encode(digit) for digit in digits[::25]]
    readings = asyncio.run(read(reader, *pictures))
    frames = [frame_from_bytes(picture, 10**8) for picture in pictures]
    np.testing.assert_array_equal([reading.frame for reading in readings], frames)
    np.testing.assert_allclose([r.probabilities for r in readings], classifier(np.stack(frames)), atol=1e-6)


def test_one_that_cannot_be_read_harms_no_other(reader, seven):
    seventh, blank, text, again = asyncio.run(read(reader, encode(seven), flat(255, (28, 28)), b"text", encode(seven)))
    assert seventh.probabilities.argmax() == again.probabilities.argmax() == 7
    assert isinstance(blank, BlankImage)
    assert isinstance(text, NotAnImage)


def test_one_that_breaks_the_code_harms_no_other(reader, seven, monkeypatch):
    def broken(ink: np.ndarray) -> np.ndarray:
        if ink.mean() == 1:
            raise ZeroDivisionError
        return frame_from_ink(ink)

    monkeypatch.setattr("app.preprocess.pipeline.frame_from_ink", broken)
    square = encode(np.pad(np.full((9, 9), 255, np.uint8), 10))
    first, second, third = asyncio.run(read(reader, encode(seven), square, encode(seven)))
    assert first.probabilities.argmax() == third.probabilities.argmax() == 7
    assert isinstance(second, ZeroDivisionError)


def test_large_pictures_are_refused_when_too_many_wait_and_small_ones_are_not(reader, seven):
    large = encode(drawing(seven, scale=20), "JPEG", quality=95)
    *answers, small = asyncio.run(read(reader, *[large] * 5, encode(seven)))
    refused = [isinstance(answer, Overloaded) for answer in answers]
    assert refused == [False, False, True, True, True]
    assert small.probabilities.argmax() == 7


def test_who_comes_in_the_same_round_is_counted(classifier):
    async def crowd(reader: Reader) -> list[bool]:
        taken = [reader.will_take(300) for _ in range(6)]
        for _ in range(5):
            await asyncio.sleep(0)
        return [*taken, reader.will_take(300)]

    reader = Reader(Settings(small_queue=4), classifier, Metrics({"version": "test"}))
    assert asyncio.run(crowd(reader)) == [True] * 4 + [False] * 2 + [True]


def test_a_picture_that_nobody_waits_for_is_dropped(reader, seven):
    large = encode(drawing(seven, scale=20))

    async def hang_up() -> list:
        gone = asyncio.Event()

        async def is_gone() -> None:
            await gone.wait()

        patient = asyncio.ensure_future(reader(large, gone=never))
        leaving = asyncio.ensure_future(reader(large, gone=is_gone))
        await asyncio.sleep(0.005)
        gone.set()
        return await asyncio.gather(patient, leaving, return_exceptions=True)

    answered, left = asyncio.run(hang_up())
    assert answered.probabilities.argmax() == 7
    assert isinstance(left, Abandoned)
    assert reader.pictures.spent == 0
