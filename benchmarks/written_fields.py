"""Scanned fields of forms, written with MNIST's digits: what `benchmarks/formats.py`
measures on.

A picture depends only on its kind, the seed and its index. Lengths are in digit
heights.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageDraw

from app.picture.maps import Map
from app.text.field import Field
from measuring import save_with_extension
from training.data import Digits
from training.writing.drawing import extent, levels, png
from training.writing.row import Span
from training.writing.scenes import scaled, without_specks
from training.writing.sheets import clouds, daylight, jpeg
from training.writing.strokes import INKED, MARKS, Shapes, felt, mark, pen
from training.writing.writer import DIGIT_HEIGHT, Glyphs, Writer, chosen, random_hand
from written_pages import askew, finished, sheet_of

# Digits, in MNIST's order, that a field is written with, so that each digit is among
# them.
FROM = 200
SLOPES = 0.3, 1.1  # how far slashes lean beyond the hand, from steep to flat
HEIGHTS = 35, 80  # of digits, in pixels
FELT = 0.4  # share of felt pens
ONE_BIT = 0.1  # share of scans in black and white
# Between digits that are apart or close, and how often; and beside marks.
GAPS = {(0.1, 0.4): 0.6, (0.03, 0.15): 0.4}
MARK_GAP = 0.12, 0.45
# What is printed on the paper, and how often.
FORMS = {"": 0.35, "line": 0.25, "lines": 0.2, "box": 0.2}
GROUPS_AND_POINTS = (",", "."), (".", ","), ("", "."), ("", ",")
FIRST_DAY = date(2000, 1, 1)
DAYS = 10_000
DATES = {"dmy": "{d}{s}{m}{s}{y}", "mdy": "{m}{s}{d}{s}{y}", "ymd": "{y}{s}{m}{s}{d}"}


OF_FIELD = "format", "date", "values"  # columns of labels.csv
# A list of 500 ids, in which one is looked for.
IDS = [f"{each:04}" for each in np.random.default_rng(0).permutation(10_000)[:500]]


class Entry(NamedTuple):
    """What is written in a field, its value, and what a reader is told of it."""

    text: str
    value: str
    field: Field


class Clerk(Writer):
    """A hand that also writes parentheses, and slashes of one slope."""

    def __init__(self, digits: Digits, rng: Generator) -> None:
        width = 1 / rng.uniform(9, 20)
        redraw = felt if rng.random() < FELT else partial(pen, width=width)
        glyphs = Glyphs(digits, [], lambda digit: redraw(without_specks(digit)))
        hand = replace(
            random_hand(len(digits), rng),
            straight=0.0,
            point_raised=0.0,
            pen_width=width,
            gap=chosen(GAPS, rng),
        )
        super().__init__(glyphs, hand, rng, shapes(rng.uniform(*SLOPES)))

    def ink(self, text: str) -> Map:
        """Write a text, with digits DIGIT_HEIGHT pixels high."""
        labels = self.glyphs.labels
        choices = [np.flatnonzero(labels == int(c)) for c in text if c.isdigit()]
        self.digits = cycle([int(self.rng.choice(some)) for some in choices])
        self.write(re.sub(r"\d", "d", text))
        return self.row.cropped()

    def gap_between(self, before: str, kind: str) -> Span:
        """Return the gap between two signs."""
        return self.gap if before == kind == "d" else MARK_GAP

    def stroke(self, kind: str, raised: float) -> tuple[Map, int, float]:
        """Draw a mark."""
        width = self.hand.pen_width * self.rng.uniform(0.9, 1.4)
        slant = max(0.0, self.hand.slant)
        mask, above = mark(kind, DIGIT_HEIGHT, width, slant, self.rng, self.shapes)
        return mask, 0, raised + above


def shapes(slope: float) -> Shapes:
    """Return the strokes of all marks, with slashes of a slope."""
    return MARKS | {
        "/": [((1.05, 1.05), (-0.2, 0.05), (-slope - 0.08, 0.08 - slope), (1.0, 1.35))],
        "(": [((0.3, 0.4), (-0.2, 0.0), *bow(-1))],
        ")": [((0.0, 0.1), (-0.2, 0.0), *bow(1))],
    }


def bow(side: int) -> list[Span]:
    """Return the steps of a parenthesis that bulges to the left (-1) or right (1)."""
    steps = []
    for x in (0.12, 0.07, 0.02, -0.02, -0.07, -0.12):
        steps.append((side * x - 0.025, side * x + 0.025))
        steps.append((0.17, 0.24))
    return steps


def number(fewest: int, most: int, rng: Generator) -> int:
    """Choose a number of so many digits."""
    count = int(rng.integers(fewest, most + 1))
    return int(rng.integers(10 ** (count - 1), 10**count))


def grouped(whole: int, group: str) -> str:
    """Write a whole number in groups of three digits."""
    return f"{whole:,}".replace(",", group)


def amount(rng: Generator, most: int = 6) -> Entry:
    """Choose an amount, with groups or without."""
    group, point = GROUPS_AND_POINTS[int(rng.integers(len(GROUPS_AND_POINTS)))]
    whole = number(1, most, rng)
    cents = rng.integers(100)
    text = f"{grouped(whole, group)}{point}{cents:02}"
    return Entry(text, f"{whole}.{cents:02}", Field(format="amount"))


def thousands(rng: Generator) -> Entry:
    """Choose a number of two groups or three, a third of them with decimals."""
    group = str(rng.choice([*",."]))
    whole = number(4, 8, rng)
    text = grouped(whole, group)
    if rng.random() < 2 / 3:
        return Entry(text, str(whole), Field(format="integer"))
    point = "," if group == "." else "."
    cents = rng.integers(100)
    value = f"{whole}.{cents:02}"
    return Entry(f"{text}{point}{cents:02}", value, Field(format="amount"))


def negative(rng: Generator) -> Entry:
    """Choose a negative amount, with a minus sign or in parentheses."""
    text, value, field = amount(rng, most=4)
    written = f"-{text}" if rng.random() < 0.5 else f"({text})"
    return Entry(written, f"-{value}", field)


def date_in_figures(rng: Generator) -> Entry:
    """Choose a date: its order, and whether it has leading zeros and the century."""
    order = str(rng.choice(list(DATES), p=[0.5, 0.25, 0.25]))
    separator = str(rng.choice([*"//.-"]))
    day = FIRST_DAY + timedelta(int(rng.integers(DAYS)))
    has_zeros = order == "ymd" or rng.random() < 0.5
    has_century = order == "ymd" or rng.random() < 0.6
    parts = {
        "d": f"{day:%d}" if has_zeros else str(day.day),
        "m": f"{day:%m}" if has_zeros else str(day.month),
        "y": f"{day:%Y}" if has_century else f"{day:%y}",
    }
    text = DATES[order].format(**parts, s=separator)
    return Entry(text, day.isoformat(), Field(format="date", date=order))


def time(rng: Generator) -> Entry:
    """Choose a time of day, a third of them with seconds."""
    hour = int(rng.integers(24))
    minute = rng.integers(60)
    second = rng.integers(60)
    places = rng.integers(1, 3)
    separator = ":" if rng.random() < 0.8 else "."
    text = f"{hour:0{places}}{separator}{minute:02}"
    value = f"{hour:02}:{minute:02}"
    if separator == "." or rng.random() < 2 / 3:
        return Entry(text, value, Field(format="time"))
    return Entry(f"{text}:{second:02}", f"{value}:{second:02}", Field(format="time"))


def identity(rng: Generator) -> Entry:
    """Choose one of the ids."""
    text = str(rng.choice(IDS))
    return Entry(text, text, Field(values="\n".join(IDS)))


KINDS: dict[str, Callable[[Generator], Entry]] = {
    "amounts": amount,
    "thousands": thousands,
    "negatives": negative,
    "dates": date_in_figures,
    "times": time,
    "ids": identity,
}


def printed(ink: Map, height: float, rng: Generator) -> Map:
    """Print a line under the ink, lines on the whole sheet, or a box around the ink."""
    kind = str(rng.choice(list(FORMS), p=list(FORMS.values())))
    thick = int(rng.uniform(0.02, 0.06) * height) + 1
    shade = int(rng.integers(50, 180))
    rows, columns = extent(ink, INKED)
    image = Image.fromarray(np.zeros(ink.shape, np.uint8))
    draw = ImageDraw.Draw(image)
    base = rows.stop + rng.uniform(-0.05, 0.3) * height
    apart = rng.uniform(1.2, 1.8) * height
    if kind == "box":
        margins = (rng.uniform((0.1, 0, 0.1, 0), 0.5) * height).astype(int)
        sides = (columns.start, rows.start, columns.stop, rows.stop)
        corners = sides + margins * (-1, -1, 1, 1)
        draw.rectangle(corners.tolist(), outline=shade, width=thick)
    for line in {"line": (0,), "lines": range(-3, 3)}.get(kind, ()):
        y = base + line * apart
        draw.rectangle((0, y, ink.shape[1], y + thick - 1), fill=shade)
    return levels(image)


def scan(form: Map, ink: Map, height: float, rng: Generator) -> bytes:
    """Scan what is printed and written, not quite straight."""
    picture = askew(sheet_of(form, ink, rng), 2, rng)
    light = daylight(ink.shape, 0, rng)
    image = finished(picture, light, 0.4 + 0.014 * height, 6, rng)
    return one_bit(image, rng) if rng.random() < ONE_BIT else jpeg(image)


def one_bit(image: Image.Image, rng: Generator) -> bytes:
    """Make a picture black and white."""
    grey = np.asarray(image.convert("L"))
    paper = np.median(grey)
    ink = np.quantile(grey, 0.005)
    threshold = paper - rng.uniform(0.25, 0.45) * (paper - ink)
    return png(Image.fromarray(grey > threshold))


def write_field(
    kind: str, digits: Digits, seed: int, index: int
) -> tuple[Entry, bytes]:
    """Make a picture of a field."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), index])
    first = int(rng.integers(len(digits) - FROM))
    height = rng.uniform(*HEIGHTS)
    entry = KINDS[kind](rng)
    clerk = Clerk(digits.take(torch.arange(first, first + FROM)), rng)
    text = scaled(clerk.ink(entry.text), height / DIGIT_HEIGHT)
    room = rng.uniform((0.35, 0.35, 0.4, 0.4), (1.2, 1.2, 2.5, 2.5)) * height
    ink = np.pad(text, room.astype(int).reshape(2, 2))
    form = printed(ink, height, rng)
    pressure = np.float32(rng.uniform(0.65, 1))
    pressure = pressure + np.float32(0.12) * clouds(ink.shape, height / 2, rng)
    return entry, scan(form, ink * pressure.clip(0.3, 1), height, rng)


def write_folder(
    folder: Path, digits: Digits, count: int, seed: int, kinds: Iterable[str]
) -> None:
    """Write so many pictures of each kind to images/, with labels.csv and ids.txt."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("\n".join(IDS))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("filename", "kind", "label", "value", *OF_FIELD))
        for kind in kinds:
            for index in range(count):
                (text, value, field), picture = write_field(kind, digits, seed, index)
                path = folder / "images" / f"{kind}-{index:03}"
                name = save_with_extension(path, picture).name
                values = "ids.txt" if field.values else None
                said = field.format, field.date, values
                rows.writerow((name, kind, text, value, *said))
