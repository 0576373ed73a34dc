"""One picture → its text, in this process, as the service reads it."""

import asyncio

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.inference.text import ImpossibleLength, Text, read_text
from app.preprocess.errors import NotAnImage
from support import MAX_PIXELS, MINUS, POINT, encode, flat, number
from whole_numbers import distance


def assert_same(one: Text, other: Text) -> None:
    assert (one.text, one.confidence) == (other.text, other.confidence)
    for line, other_line in zip(one.lines, other.lines, strict=True):
        assert (line.text, line.confidence, line.box) == (other_line.text, other_line.confidence, other_line.box)
        assert line.marks == other_line.marks
        for digit, other_digit in zip(line.digits, other_line.digits, strict=True):
            assert (digit.box, digit.legibility) == (other_digit.box, other_digit.legibility)
            np.testing.assert_array_equal(digit.frame, other_digit.frame)
            np.testing.assert_array_equal(digit.probabilities, other_digit.probabilities)


def test_a_text_is_read_as_in_other_processes(reader, digits, line_network):
    picture = encode(number(digits[[350, 120, 0]], digits[[60, 200]]))
    here, there = read_text(picture, line_network, MAX_PIXELS), asyncio.run(reader.read_text(picture))
    assert_same(here, there)


def test_a_large_picture_is_read_as_in_other_processes(reader, digits, line_network):
    sheet = Image.new("L", (2000, 1100), 255)
    sheet.paste(number(digits[[350, 120, 0]], scale=8), (50, 50))
    picture = encode(sheet)
    here, there = read_text(picture, line_network, MAX_PIXELS), asyncio.run(reader.read_text(picture))
    assert here.text == there.text == "720"


def test_a_text_reports_the_time_of_each_stage(reader, digits):
    read = asyncio.run(reader.read_text(encode(number(digits[[350, 120]]))))
    assert [stage.name for stage in read.stages] == ["wait", "decode", "preprocess", "inference"]
    times = [time for stage in read.stages for time in (stage.begin, stage.end)]
    assert times == sorted(times)


def right(change, count: int, digits, labels, network) -> int:
    """Count which of 40 numbers of some digits are read after a change of their pictures."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(40):
        chosen = rng.integers(0, len(digits), count)
        read = read_text(encode(change(number(digits[chosen]))), network)
        found += read.text == "".join(map(str, labels[chosen]))
    return found


def small_on_a_canvas(sheet: Image.Image) -> Image.Image:
    canvas = Image.new("L", (1200, 900), 255)
    canvas.paste(sheet.resize((sheet.width // 3, sheet.height // 3), Image.Resampling.BOX), (500, 400))
    return canvas


def circled(sheet: Image.Image) -> Image.Image:
    wider = ImageOps.expand(sheet, 60, fill=255)
    ImageDraw.Draw(wider).ellipse((4, 4, wider.width - 5, wider.height - 5), outline=40, width=5)
    return wider


def on_ruled_paper(sheet: Image.Image) -> Image.Image:
    for y in (20, 125):
        ImageDraw.Draw(sheet).line((0, y, sheet.width, y), fill=120, width=2)
    return sheet


def turned(sheet: Image.Image) -> Image.Image:
    return sheet.rotate(8, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda sheet: sheet, 38),
        (ImageOps.invert, 38),
        (small_on_a_canvas, 36),
        (circled, 34),
        (on_ruled_paper, 34),
        (turned, 34),
        (lambda sheet: sheet.crop((26, 26, sheet.width - 26, sheet.height - 26)), 34),
    ],
    ids=["plain", "light on dark", "small on a canvas", "circled", "on ruled paper", "turned", "cropped"],
)
def test_numbers_are_read(change, least, digits, labels, line_network):
    assert right(change, 4, digits, labels, line_network) >= least


def test_single_digits_are_read(digits, labels, line_network):
    read = [read_text(encode(digit), line_network).text for digit in digits[::10]]
    assert sum(one == str(label) for one, label in zip(read, labels[::10], strict=True)) >= 48


def test_30_digits_in_a_row_are_read(digits, labels, line_network):
    """The network was trained on lines of up to 16; 95 % of the digits have to be right."""
    wrong = 0
    for first in range(0, 10, 2):
        chosen = np.arange(first, 500, 17)[:30]
        read = read_text(encode(number(digits[chosen], scale=2)), line_network)
        wrong += distance("".join(map(str, labels[chosen])), read.digits_only().text)
    assert wrong <= 7


def test_two_lines_are_read(digits, labels, line_network):
    found = 0
    for first in range(0, 40, 4):
        upper, lower = [350 + first, 120 + first, first], [60 + first, 200 + first]
        read = read_text(encode(number(digits[upper], digits[lower])), line_network)
        found += read.text == "\n".join("".join(map(str, labels[line])) for line in (upper, lower))
    assert found >= 7


def test_marks_are_read_as_written(digits, labels, line_network):
    found = 0
    for first in range(0, 40, 2):
        one, two, three = (digits[place + first] for place in (350, 120, 200))
        read = read_text(encode(number([MINUS, one, two, POINT, three])), line_network)
        seven, other, last = labels[[350 + first, 120 + first, 200 + first]]
        found += read.text == f"-{seven}{other}.{last}"
        assert set(read.digits_only().text) <= set("0123456789\n")
    assert found >= 17


def test_columns_of_numbers_are_separated_by_a_space(digits, labels, line_network):
    gap, found = np.ones((28, 30), np.uint8), 0  # of the faintest ink, so that `number` draws all of its columns
    for first in range(0, 40, 4):
        left, right = [350 + first, 120 + first], [60 + first, 200 + first]
        sheet = number([*digits[left], gap, *digits[right]])
        read = read_text(encode(sheet), line_network)
        found += read.text == " ".join("".join(map(str, labels[part])) for part in (left, right))
    assert found >= 8


@pytest.mark.parametrize("index", [0, 120, 350, 430])
def test_each_digit_is_where_it_was_drawn(digits, line_network, index):
    sheet = Image.new("L", (700, 200), 255)
    places = [(80, 40), (180, 50), (280, 44)]
    ink = Image.fromarray(digits[index]).resize((112, 112), Image.Resampling.BICUBIC)
    for place in places:
        sheet.paste(0, place, ink)
    (line,) = read_text(encode(sheet), line_network).lines
    left, top, right, bottom = ink.point(lambda level: 255 * (level > 100)).getbbox()
    for digit, (x, y) in zip(line.digits, places, strict=True):
        np.testing.assert_allclose(digit.box, (y + top, y + bottom, x + left, x + right), atol=9)
        assert digit.legibility > 0.5
    assert (line.box.left, line.box.right) == (line.digits[0].box.left, line.digits[-1].box.right)


def test_the_frames_of_digits_are_read_by_the_dense_network(digits, labels, line_network, classifier):
    chosen = [350, 120, 0, 60, 430]
    (line,) = read_text(encode(number(digits[chosen])), line_network).lines
    frames = np.stack([digit.frame for digit in line.digits])
    assert classifier(frames).probabilities.argmax(axis=1).tolist() == labels[chosen].tolist()


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


def test_chalk_on_a_blackboard_is_read(digits, labels, line_network):
    found = 0
    for seed in range(8, 14):
        chosen = [(37 * seed + 50 * k) % len(digits) for k in range(4)]
        read = read_text(encode(blackboard(digits[chosen], seed), "JPEG"), line_network)
        found += read.digits_only().text == "".join(map(str, labels[chosen]))
    assert found >= 3


@pytest.mark.parametrize("length", [2, 3])
def test_a_text_has_the_requested_length(reader, digits, line_network, length):
    picture = encode(number(digits[[350, 120, 0]]))
    here = read_text(picture, line_network, MAX_PIXELS, length)
    assert sum(len(line.digits) for line in here.lines) == length
    assert_same(here, asyncio.run(reader.read_text(picture, length=length)))


@pytest.mark.parametrize("length", [1, 30])
def test_an_impossible_length_is_an_error(reader, digits, line_network, length):
    picture = flat(255) if length == 1 else encode(number(digits[[350, 120]]))
    with pytest.raises(ImpossibleLength, match=f"with a length of {length}: leave"):
        read_text(picture, line_network, MAX_PIXELS, length)
    with pytest.raises(ImpossibleLength, match=f"with a length of {length}: leave"):
        asyncio.run(reader.read_text(picture, length=length))


def test_a_file_that_is_no_picture_is_an_error(reader, line_network):
    with pytest.raises(NotAnImage):
        read_text(b"no picture", line_network, MAX_PIXELS)
    with pytest.raises(NotAnImage):
        asyncio.run(reader.read_text(b"no picture"))


def test_a_blank_picture_has_an_empty_text(reader, line_network):
    here, there = read_text(flat(255), line_network, MAX_PIXELS), asyncio.run(reader.read_text(flat(255)))
    assert here.text == there.text == ""
    assert here.lines == there.lines == ()
