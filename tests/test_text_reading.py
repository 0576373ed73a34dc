"""One picture → its text, in this process, as the service reads it."""

import asyncio

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.inference import text
from app.inference.reading import Reading, read_bytes
from app.inference.search import LAYOUTS, Search, find
from app.inference.text import Digit, ImpossibleLength, Text, TextLine, read_text_bytes, text_of, text_or_digit
from app.preprocess.errors import NotAnImage, TooComplex, TooMuchWriting
from app.preprocess.maps import Box
from support import MAX_PIXELS, cropped, encode, flat, letter, number


@pytest.fixture
def looks(monkeypatch) -> list[bool]:
    """Record whether each look at a picture was a close one."""
    seen, find = [], text.find

    def spied(*arguments, closely: bool, **others):
        seen.append(closely)
        return find(*arguments, closely=closely, **others)

    monkeypatch.setattr(text, "find", spied)
    return seen


def assert_same(one: Text, other: Text) -> None:
    assert (one.text, one.confidence) == (other.text, other.confidence)
    for line, other_line in zip(one.lines, other.lines, strict=True):
        assert (line.text, line.confidence, line.box) == (other_line.text, other_line.confidence, other_line.box)
        for digit, other_digit in zip(line.digits, other_line.digits, strict=True):
            assert (digit.box, digit.legibility) == (other_digit.box, other_digit.legibility)
            np.testing.assert_array_equal(digit.frame, other_digit.frame)
            np.testing.assert_array_equal(digit.probabilities, other_digit.probabilities)


def test_a_text_is_read_as_in_other_processes(reader, digits, classifier):
    picture = encode(number(digits[[350, 120, 0]], digits[[60, 200]]))
    here, there = read_text_bytes(picture, classifier, MAX_PIXELS), asyncio.run(reader.read_text(picture))
    assert here.text == "720\n14"
    assert_same(here, there)


def test_a_text_reports_the_time_of_each_stage(reader, digits):
    read = asyncio.run(reader.read_text(encode(number(digits[[350, 120]]))))
    assert [stage.name for stage in read.stages] == ["wait", "decode", "preprocess", "inference"]
    times = [time for stage in read.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


@pytest.mark.parametrize(("picture", "expected"), [("number", [False]), ("letter", [False, True])])
def test_a_picture_gets_a_close_look_if_a_glance_is_not_enough(picture, expected, digits, classifier, looks):
    sheet = number(digits[[350, 120]]) if picture == "number" else letter("A")
    read_text_bytes(encode(sheet), classifier, MAX_PIXELS)
    assert looks == expected


def test_a_circled_number_is_read(digits, labels, classifier):
    right = 0
    for first in range(0, 40, 2):
        chosen = [350 + first, 120 + first]
        sheet = number(digits[chosen])
        ImageDraw.Draw(sheet).ellipse((4, 4, sheet.width - 5, sheet.height - 5), outline=40, width=5)
        right += read_text_bytes(encode(sheet), classifier).text == "".join(map(str, labels[chosen]))
    assert right >= 18


def test_dividers_between_digits_are_not_ones(digits, labels, classifier):
    right = 0
    for first in range(0, 40, 2):
        chosen = [350 + first, 120 + first, 20 + first, 460 + first]
        sheet = number(digits[chosen])
        for x in range(120, sheet.width, 120):
            ImageDraw.Draw(sheet).line((x, 20, x, sheet.height - 20), fill=40, width=3)
        right += read_text_bytes(encode(sheet), classifier).text == "".join(map(str, labels[chosen]))
    assert right >= 18


def coarse(rng: np.random.Generator, shape: tuple[int, int], cell: int, deviation: float) -> np.ndarray:
    """Make smooth noise in cells of this many pixels."""
    values = rng.normal(0, deviation, (shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(values).resize(shape[::-1], Image.Resampling.BICUBIC))


def blackboard(digits: np.ndarray, seed: int) -> Image.Image:
    """Write digits in chalk, on a dusty board in uneven light."""
    rng = np.random.default_rng(seed)
    written = Image.fromarray(np.pad(np.hstack([np.pad(digit, ((0, 0), (2, 2))) for digit in digits]), 28))
    chalk = np.asarray(written.resize((4 * written.width, 4 * written.height), Image.Resampling.BICUBIC)) / 255
    chalk = 0.85 * chalk * (1 - 0.28 * rng.random(chalk.shape))
    board = 60 + coarse(rng, chalk.shape, 14, 6) + coarse(rng, chalk.shape, 50, 4)
    light = np.linspace(0.8, 1.2, chalk.shape[1])
    return Image.fromarray(np.uint8((((1 - chalk) * board + 235 * chalk) * light).clip(0, 255)))


@pytest.mark.slow
def test_chalk_on_a_blackboard_is_read(digits, labels, classifier):
    """The dust fills the limit of frames, unless light views are tried before more thresholds of dark ones."""
    right = 0
    for seed in range(8, 14):
        chosen = [(37 * seed + 50 * k) % len(digits) for k in range(4)]
        read = read_text_bytes(encode(blackboard(digits[chosen], seed), "JPEG"), classifier)
        right += read.text == "".join(map(str, labels[chosen]))
    assert right >= 3


@pytest.mark.parametrize("error", [TooComplex("It takes long."), TooMuchWriting()])
def test_if_a_close_look_takes_too_much_the_glance_is_the_answer(reader, digits, classifier, monkeypatch, error):
    monkeypatch.setattr(text, "SURE_PER_DIGIT", 1.1)  # no reading is
    picture = encode(number(digits[[350, 120, 400]]))
    glance = text_of(find(picture, MAX_PIXELS, LAYOUTS, closely=False).results, classifier)
    assert glance.lines
    decoders = reader.decoders

    def looked(*arguments, closely: bool, **others):
        if closely:
            raise error
        return find(*arguments, closely=closely, **others)

    async def looked_elsewhere(data: bytes, search: Search, closely: bool):
        if closely:
            raise error
        return await decoders(data, search, closely)

    monkeypatch.setattr(text, "find", looked)
    monkeypatch.setattr(reader, "decoders", looked_elsewhere)
    assert_same(read_text_bytes(picture, classifier, MAX_PIXELS), glance)
    assert_same(asyncio.run(reader.read_text(picture)), glance)


def test_a_blank_picture_has_an_empty_text(reader, classifier, looks):
    here, there = read_text_bytes(flat(255), classifier, MAX_PIXELS), asyncio.run(reader.read_text(flat(255)))
    assert here.text == there.text == ""
    assert here.lines == there.lines == ()
    assert looks == [False, True]


def crop(digit: np.ndarray, side: int) -> bytes:
    """Crop a digit to its ink, in black and white, as another program would."""
    ink = Image.fromarray(cropped(digit))
    ink.thumbnail((side, side))
    return encode(np.asarray(ink) < 128)


@pytest.mark.parametrize(("index", "side"), [(62, 16), (90, 16), (165, 16), (427, 16), (59, 20)])
def test_in_doubt_a_text_is_read_as_one_digit(reader, digits, labels, classifier, monkeypatch, index, side):
    picture = crop(digits[index], side)
    here, there = read_text_bytes(picture, classifier), asyncio.run(reader.read_text(picture))
    one = read_bytes(picture, classifier)
    assert here.text == str(labels[index])
    assert here.lines[0].box == one.box
    assert here.confidence == one.legibility * one.probabilities.max()
    assert_same(here, there)
    monkeypatch.setattr(text, "NO_DIGIT", 0)
    monkeypatch.setattr(text, "DOUBT", 0)
    assert read_text_bytes(picture, classifier).text != here.text


def one_digit(box: Box, legibility: float) -> Reading:
    """Make a reading of a 7."""
    probabilities = np.where(np.arange(10) == 7, 0.9, 0.1 / 9).astype(np.float32)
    return Reading(np.zeros((28, 28), np.float32), box, probabilities, legibility, has_several=False)


def doubtful(*boxes: Box) -> Text:
    """Make a text in doubt: a line of 1s in these boxes."""
    ones = np.eye(10, dtype=np.float32)[1]
    digits = tuple(Digit(np.zeros((28, 28), np.float32), box, ones, 0.6) for box in boxes)
    return Text((TextLine(digits, 0.6),) if digits else (), 0.4, is_in_doubt=True)


@pytest.mark.parametrize(("legibility", "expected"), [(0.8, "7"), (0.4, "")])
@pytest.mark.parametrize("boxes", [(), (Box(0, 20, 0, 12),), (Box(0, 20, 0, 8), Box(0, 20, 9, 16))])
def test_a_digit_that_covers_a_text_in_doubt_replaces_it(boxes, legibility, expected):
    read = text_or_digit(doubtful(*boxes), one_digit(Box(0, 20, 0, 14), legibility))
    assert read.text == expected
    assert read.confidence == pytest.approx(0.8 * 0.9 if expected else 0.6)


@pytest.mark.parametrize("legibility", [0.8, 0.4])
def test_a_digit_that_covers_only_a_part_of_a_text_does_not_replace_it(legibility):
    text = doubtful(Box(0, 20, 0, 12), Box(0, 20, 15, 27))
    assert text_or_digit(text, one_digit(Box(0, 20, 0, 12), legibility)) is text


def test_several_digits_are_not_in_doubt_because_one_of_them_is(digits, classifier):
    half = np.where(np.arange(28)[:, None] < 14, digits[350], digits[120]), digits[0], digits[20]
    read = text_of(find(encode(number(half)), MAX_PIXELS, LAYOUTS, closely=True).results, classifier)
    assert len(read.text) == 3
    assert read.confidence < text.DOUBT
    assert not read.is_in_doubt


def test_a_text_in_doubt_stays_if_the_picture_cannot_be_read_as_one_digit(reader, digits, classifier, monkeypatch):
    picture = crop(digits[90], 16)
    doubtful = text_of(find(picture, MAX_PIXELS, LAYOUTS, closely=True).results, classifier)
    assert doubtful.is_in_doubt

    async def refuse(data: bytes):
        raise TooComplex("It takes long.")

    monkeypatch.setattr(reader, "read_large", refuse)
    assert_same(asyncio.run(reader.read_text(picture)), doubtful)


def test_the_time_until_a_text_was_in_doubt_is_a_glance(reader, digits):
    read = asyncio.run(reader.read_text(crop(digits[90], 16)))
    assert [stage.name for stage in read.stages] == ["wait", "glance", "decode", "preprocess", "inference"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_text_has_the_requested_length(reader, digits, classifier, length):
    picture = encode(number(digits[[350, 120, 0]]))
    here = read_text_bytes(picture, classifier, MAX_PIXELS, length)
    assert len(here.text) == length
    assert_same(here, asyncio.run(reader.read_text(picture, length)))


@pytest.mark.parametrize("length", [1, 30])
def test_an_impossible_length_is_an_error(reader, digits, classifier, length):
    picture = flat(255) if length == 1 else encode(number(digits[[350, 120]]))
    with pytest.raises(ImpossibleLength, match=f"with a length of {length}: leave"):
        read_text_bytes(picture, classifier, MAX_PIXELS, length)
    with pytest.raises(ImpossibleLength, match=f"with a length of {length}: leave"):
        asyncio.run(reader.read_text(picture, length))


def test_a_file_that_is_no_picture_is_an_error(reader, classifier):
    with pytest.raises(NotAnImage):
        read_text_bytes(b"no picture", classifier, MAX_PIXELS)
    with pytest.raises(NotAnImage):
        asyncio.run(reader.read_text(b"no picture"))
