"""One picture → its text, in this process, as the service reads it."""

from difflib import SequenceMatcher

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.picture.errors import TooMuchWriting
from app.picture.maps import Box
from app.text.text import read_text
from support import MINUS, POINT, encode, inked, load_sheet, number, page_network

# Of the faintest ink, so that `number` draws all of its columns.
GAP = np.ones((28, 30), np.uint8)
SIGNS = {"-": MINUS, ".": POINT, " ": GAP, "1": inked((28, 3), (4, 24, 0, 3))}
DIGITS, LABELS = load_sheet()


def write(form: str, seed: int) -> tuple[Image.Image, str]:
    """Write a text like "-dd.d", with random digits; return the picture and the text."""
    chosen = iter(
        np.random.default_rng(seed).integers(0, len(DIGITS), form.count("d")).tolist()
    )
    places = [
        [next(chosen) if sign == "d" else sign for sign in line]
        for line in form.split("\n")
    ]
    drawn = [
        [SIGNS[place] if place in SIGNS else DIGITS[place] for place in line]
        for line in places
    ]
    text = "\n".join(
        "".join(str(place if place in SIGNS else LABELS[place]) for place in line)
        for line in places
    )
    return number(*drawn), text


def small_on_a_canvas(sheet: Image.Image) -> Image.Image:
    canvas = Image.new("L", (1200, 900), 255)
    canvas.paste(
        sheet.resize((sheet.width // 3, sheet.height // 3), Image.Resampling.BOX),
        (500, 400),
    )
    return canvas


def circled(sheet: Image.Image) -> Image.Image:
    wider = ImageOps.expand(sheet, 60, fill=255)
    ImageDraw.Draw(wider).ellipse(
        (4, 4, wider.width - 5, wider.height - 5), outline=40, width=5
    )
    return wider


def on_a_desk(sheet: Image.Image) -> Image.Image:
    """Lay a sheet on a darker desk, in uneven light."""
    desk = Image.new("L", (sheet.width + 200, sheet.height + 160), 110)
    desk.paste(sheet.point(lambda level: 40 + 3 * level // 4), (100, 80))
    light = np.linspace(0.7, 1.1, desk.width)
    noise = np.random.default_rng(0).normal(0, 2, (desk.height, desk.width))
    return Image.fromarray(np.uint8((np.asarray(desk) * light + noise).clip(0, 255)))


def in_a_printed_box(sheet: Image.Image) -> Image.Image:
    ruled = ImageOps.expand(sheet, 50, 255)
    ImageDraw.Draw(ruled).rectangle(
        (20, 20, ruled.width - 21, ruled.height - 21), outline=60, width=3
    )
    return ruled


def with_dirt(sheet: Image.Image) -> Image.Image:
    """Add specks, and erase a strip through some digits."""
    for x, y in [(8, 80), (100, 10), (340, 90)]:
        sheet.paste(0, (x, y, x + 2, y + 2))
    sheet.paste(255, (70, 70, 210, 74))
    return sheet


def on_ruled_paper(sheet: Image.Image) -> Image.Image:
    for y in (20, 125):
        ImageDraw.Draw(sheet).line((0, y, sheet.width, y), fill=120, width=2)
    return sheet


def turned(sheet: Image.Image) -> Image.Image:
    return sheet.rotate(8, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def cropped(sheet: Image.Image) -> Image.Image:
    return sheet.crop((26, 26, sheet.width - 26, sheet.height - 26))


def on_a_blackboard(sheet: Image.Image) -> Image.Image:
    """Write in chalk, on a dusty board in uneven light."""
    rng = np.random.default_rng(sheet.width)

    def coarse(cell: int, deviation: float) -> np.ndarray:
        """Make smooth noise in cells of this many pixels."""
        values = rng.normal(
            0, deviation, (sheet.height // cell + 2, sheet.width // cell + 2)
        ).astype(np.float32)
        return np.asarray(
            Image.fromarray(values).resize(sheet.size, Image.Resampling.BICUBIC)
        )

    chalk = (
        0.85 * (1 - np.asarray(sheet) / 255) * (1 - 0.28 * rng.random(sheet.size[::-1]))
    )
    levels = (
        (1 - chalk) * (60 + coarse(14, 6) + coarse(50, 4)) + 235 * chalk
    ) * np.linspace(0.8, 1.2, sheet.width)
    return Image.fromarray(np.uint8(levels.clip(0, 255)))


@pytest.mark.parametrize(
    ("form", "change", "least"),
    [
        ("dddd", lambda sheet: sheet, 45),
        ("dddd", ImageOps.invert, 45),
        ("dddd", lambda sheet: sheet.point(lambda level: 90 + level // 2), 45),
        ("dddd", lambda sheet: ImageOps.expand(sheet, 90, fill=255), 45),
        ("dddd", small_on_a_canvas, 43),
        ("dddd", circled, 42),
        ("-dd.d", on_a_desk, 42),
        ("-dd.d", in_a_printed_box, 42),
        ("-dd.d", with_dirt, 35),
        ("dddd", on_ruled_paper, 42),
        ("dddd", turned, 42),
        ("dddd", cropped, 42),
        ("dddd", on_a_blackboard, 25),
        ("ddd\nddd", lambda sheet: sheet, 35),
        ("-dd.d", lambda sheet: sheet, 42),
        ("dd dd", lambda sheet: sheet, 40),
        ("1d", lambda sheet: sheet, 42),
        ("d1", lambda sheet: sheet, 42),
    ],
)
def test_so_many_of_50_numbers_are_read(line_network, form, change, least):
    written = [write(form, seed) for seed in range(50)]
    assert (
        sum(
            read_text(encode(change(sheet)), line_network, page_network()).text == text
            for sheet, text in written
        )
        >= least
    )


def test_a_row_at_the_foot_of_a_page_of_which_nothing_is_read_makes_the_text_unsure(
    line_network,
):
    missed = []
    for sheet, text in [write("ddd\nddd", seed) for seed in range(25)]:
        page = Image.new("L", (sheet.width, 4 * sheet.width), 255)
        # The edge cuts the second row.
        page.paste(sheet, (0, page.height - round(0.76 * sheet.height)))
        read = read_text(encode(page), line_network, page_network())
        if read.text == text.split("\n")[0]:
            missed.append(read.confidence)
    assert len(missed) >= 5
    assert max(missed) < 0.9


@pytest.mark.parametrize("high", [0.006, 0.008, 0.01])
def test_a_digit_that_is_small_on_its_page_is_read_or_the_page_is_refused(
    high, digits, line_network
):
    """It is at the edge of the page, and of the part that is looked at closely."""
    side = round(3000 * high * 28 / 20)
    page = Image.new("L", (2250, 3000), 255)
    page.paste(
        ImageOps.invert(Image.fromarray(digits[350])).resize((side, side)), (1700, 2300)
    )
    with pytest.raises(TooMuchWriting):
        read_text(encode(page), line_network, page_network())


def test_single_digits_are_read(digits, labels, line_network):
    read = [
        read_text(encode(digit), line_network, page_network()).text
        for digit in digits[::10]
    ]
    assert (
        sum(one == str(label) for one, label in zip(read, labels[::10], strict=True))
        >= 48
    )


def test_30_digits_in_a_row_are_read(line_network):
    """The network was trained on lines of up to 16; 95 % of the digits have to be
    right.
    """
    wrong = 0
    for sheet, text in [write(30 * "d", seed) for seed in range(5)]:
        read = read_text(encode(sheet), line_network, page_network()).digits_only().text
        same = SequenceMatcher(None, read, text, autojunk=False).get_matching_blocks()
        wrong += max(len(read), len(text)) - sum(block.size for block in same)
    assert wrong <= 7


def test_the_frames_of_digits_are_read_by_the_dense_network(
    digits, labels, line_network, classifier
):
    chosen = [350, 120, 0, 60, 430]
    (line,) = read_text(
        encode(number(digits[chosen])), line_network, page_network()
    ).lines
    frames = np.stack([digit.frame for digit in line.digits])
    assert (
        classifier(frames).probabilities.argmax(axis=1).tolist()
        == labels[chosen].tolist()
    )


def row_of(chosen: list[int], gap: int, wide: float) -> tuple[Image.Image, list[Box]]:
    """Write digits in a row, so many pixels apart, and stretch it; return the picture,
    and where their ink lies.
    """
    ink, places = np.zeros((48, 10), np.uint8), []
    for digit in DIGITS[chosen]:
        sign = digit[:, digit.any(axis=0)]
        rows, columns = np.nonzero(sign >= 128)
        left = ink.shape[1]
        edges = (
            10 + rows.min(),
            10 + rows.max() + 1,
            wide * (left + columns.min()),
            wide * (left + columns.max() + 1),
        )
        places.append(Box(*(round(3 * edge) for edge in edges)))
        ink = np.hstack([ink, np.pad(sign, ((10, 10), (0, gap)))])
    sheet = ImageOps.invert(Image.fromarray(np.pad(ink, ((0, 0), (0, 10)))))
    return sheet.resize(
        (round(3 * wide * sheet.width), 3 * sheet.height), Image.Resampling.BICUBIC
    ), places


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, over that of both together."""
    top, left = np.maximum(one, other)[[0, 2]]
    bottom, right = np.minimum(one, other)[[1, 3]]
    shared = max(0, bottom - top) * max(0, right - left)
    areas = [(box.bottom - box.top) * (box.right - box.left) for box in (one, other)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize(
    ("gap", "wide", "least"), [(6, 1, 0.95), (0, 1, 0.9), (6, 0.5, 0.87)]
)
def test_boxes_lie_around_the_ink_of_the_digits(line_network, gap, wide, least):
    rng = np.random.default_rng(7)
    overlaps = []
    for _ in range(30):
        sheet, places = row_of(
            rng.integers(0, len(DIGITS), rng.integers(3, 9)).tolist(), gap, wide
        )
        found = [
            digit
            for line in read_text(encode(sheet), line_network, page_network()).lines
            for digit in line.digits
        ]
        if len(found) == len(places):
            overlaps += [
                overlap(place, digit.box)
                for place, digit in zip(places, found, strict=True)
            ]
    assert len(overlaps) >= 120
    assert np.mean(overlaps) >= least
