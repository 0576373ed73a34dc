"""Lines of ink for the reader, with what is written around them, and what they say.

A line is a mask of 32 rows, without paper and light: `training.reader.paper` paints it
anew in every epoch.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.picture.maps import Map
from training.data import Digits
from training.omniglot import Characters
from training.writing import patterns
from training.writing.alphabet import OTHER
from training.writing.drawing import levels
from training.writing.row import Row
from training.writing.strokes import MARKS, polylines
from training.writing.styles import restyle
from training.writing.writer import (
    DIGIT_HEIGHT,
    Glyphs,
    Hand,
    Writer,
    chosen,
    random_hand,
    redrawn,
)

ROWS = 32  # of masks, in pixels
WIDEST = 512
ROUND = (0, 2, 3, 6, 8)  # digits of which a part does not look like a 1
# Marks of lines: slashes of every slope and height, and those that scenes do not have.
SHAPES = MARKS | {
    "/": polylines("0.8,0.8 -0.35,0.1 -0.85,-0.22 0.9,1.4"),
    "'": polylines("0,0 -0.2,0 -0.1,0 0.15,0.3"),
    "(": polylines(
        "0.3,0.4 -0.25,0 -0.25,-0.1 0.3,0.45 0,0.05 0.3,0.4 0.1,0.25 0.3,0.45"
    ),
    ")": polylines("0,0 -0.25,0 0.1,0.25 0.3,0.45 -0.05,0 0.3,0.4 -0.25,-0.1 0.3,0.45"),
}
RUNNING = 0.08  # share of the hands of which the digits run into each other
RUNNING_GAP = (-0.28, -0.06)
# Share of the numbers that are written into printed cells, or between printed lines.
IN_CELLS = 0.2
# What is printed of the cells, and how often. The upright lines of a comb are short.
PRINTED = {"box": 0.35, "uprights": 0.3, "base": 0.2, "comb": 0.15}
# Share of the sides of lines where parts of other writing are in view, if there is
# room: beside them, and above and below. And of printed lines beside them.
BESIDE = 0.2
ABOVE = 0.22
RULED = 0.07
# Margins in digit heights, and how often: tight, close, wide, or cutting a little off.
# They are above and below a line, at its ends, and at the ends of a single sign.
DOWN = {(0.0, 0.1): 0.27, (0.08, 0.35): 0.46, (0.3, 1.4): 0.2, (-0.06, 0.0): 0.07}
ACROSS = {(0.0, 0.1): 0.3, (0.05, 0.8): 0.55, (0.5, 6.0): 0.1, (-0.03, 0.0): 0.05}
ALONE = {(0.0, 0.1): 0.5, (0.1, 0.6): 0.35, (0.3, 2.0): 0.15}


Text = tuple[int, ...]  # classes of the reader


class InkLine(NamedTuple):
    """A line of ink.

    Attributes
    ----------
    mask : NDArray
        (32, w) uint8, ink = 255; printed lines are weaker.
    symbols : tuple of int
        What it says, as classes of the reader: no blanks, no two of OTHER in a row.
    """

    mask: NDArray[np.uint8]
    symbols: Text

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.mask.shape[1])

    @property
    def text(self) -> Text:
        """What is read in it: without what is something else."""
        return tuple(symbol for symbol in self.symbols if symbol != OTHER)


Lines = Sequence[InkLine]


def ink_lines(
    digits: Digits, others: Characters, count: int, seed: int
) -> list[InkLine]:
    """Write lines.

    Parameters
    ----------
    digits : Digits
        What the lines are written with, in the order of MNIST's files: more than 2 ·
        NEARBY. They get more styles.
    others : Characters
        Characters (105, 105) uint8, ink = 255, that are no digits.
    count : int
        Number of lines.
    seed : int
        Seed of the random generator.
    """
    rng = np.random.default_rng(seed)
    images = digits.images.float() / 255
    styled = restyle(images, digits.labels, torch.Generator().manual_seed(seed))
    styled_digits = Digits((255 * styled).round().byte(), digits.labels)
    glyphs = Glyphs(styled_digits, others, partial(redrawn, rng=rng))
    found = list[InkLine]()
    while len(found) < count:
        line = ink_line(glyphs, patterns.pattern(rng), rng)
        if line is not None:
            found.append(line)
    return found


def ink_line(glyphs: Glyphs, pattern: str, rng: Generator) -> InkLine | None:
    """Write a pattern of `training.writing.patterns`; None if the strip is too wide."""
    writer = Writer(glyphs, any_hand(len(glyphs.labels), rng), rng, SHAPES)
    is_number = pattern and {*pattern} <= {*patterns.DIGIT_KINDS}
    if is_number and rng.random() < IN_CELLS:
        return strip(cells(writer, len(pattern)), writer.symbols)
    writer.write(pattern)
    if pattern:
        mask = writer.row.cropped()
    else:
        mask = np.zeros((round(DIGIT_HEIGHT), rng.integers(30, 200)), np.float32)
    if rng.random() < 0.3 and mask.shape[1] < 12 * DIGIT_HEIGHT:
        mask = rotated(mask, rng.uniform(-3.5, 3.5))
    down = rng.uniform(*chosen(DOWN, rng), 2)
    ends = rng.uniform(*chosen(ALONE if len(pattern) == 1 else ACROSS, rng), 2)
    margins = np.round(DIGIT_HEIGHT * np.concatenate([down, ends])).astype(np.int64)
    sheet = framed(mask, margins)
    add_neighbours(sheet, margins, writer)
    return strip(sheet, writer.symbols)


def any_hand(count: int, rng: Generator) -> Hand:
    """Choose a hand of any writer, with some of so many digits.

    Points stay visible wherever lines are painted: they are pressed, and set apart.
    """
    hand = random_hand(count, rng)
    if rng.random() < RUNNING:
        hand = replace(hand, gap=RUNNING_GAP)
    return replace(hand, pressed=rng.uniform(1, 2.2), mark_gap=(0.06, 0.45))


def rotated(mask: Map, angle: float) -> Map:
    """Rotate a line by an angle in degrees, and crop it to its rows with ink."""
    image = Image.fromarray(np.uint8(255 * mask))
    turned = levels(image.rotate(angle, Image.Resampling.BILINEAR, expand=True))
    rows = np.flatnonzero((turned > 0.3).any(axis=1))
    return turned[rows[0] : rows[-1] + 1] if len(rows) else mask


def framed(mask: Map, margins: NDArray[np.int64]) -> Map:
    """Add margins (top, bottom, left, right) in pixels; negative ones cut the line."""
    padded = np.pad(mask, margins.clip(min=0).reshape(2, 2))
    top, bottom, left, right = (-margins).clip(min=0)
    height, width = padded.shape
    return padded[top : height - bottom, left : width - right]


def add_neighbours(sheet: Map, margins: NDArray[np.int64], writer: Writer) -> None:
    """Add parts of the writing around a line, which the strip cuts off.

    Those beside it count as something else, those above and below are not read.
    """
    rng = writer.rng
    top, bottom, left, right = margins.tolist()
    for turns, room in enumerate((top, right, bottom, left)):
        is_beside = turns in (1, 3)
        if is_beside and rng.random() < RULED:
            rule(np.rot90(sheet, turns)[: max(0, room)], rng)
            continue
        if rng.random() > (BESIDE if is_beside else ABOVE):
            continue
        if room < (0.3 if is_beside else 0.12) * DIGIT_HEIGHT:
            continue
        if is_beside:
            ink = round_digit(writer)[: len(sheet)]
        else:
            ink = other_line(writer, sheet.shape[1])
        ink = np.rot90(ink, turns)
        seen = int(min(rng.uniform(0.2, 0.5) * len(ink), room - 0.1 * DIGIT_HEIGHT))
        view = np.rot90(sheet, turns)  # with this margin at the top
        start = (view.shape[1] - ink.shape[1]) // 2
        put(ink[len(ink) - seen :], view[:seen], 0, start)
        if turns == 1:
            writer.add(OTHER)
        if turns == 3 and writer.symbols[:1] != [OTHER]:
            writer.symbols.insert(0, OTHER)


def rule(margin: Map, rng: Generator) -> None:
    """Print a line along a margin, if there is room."""
    thick = int(rng.integers(1, 4))
    if len(margin) > thick + 2:
        first = rng.integers(len(margin) - thick - 1)
        margin[first : first + thick] = rng.uniform(0.2, 0.9)


def put(ink: Map, sheet: Map, top: int, left: int) -> None:
    """Add ink to a sheet at a place."""
    height, width = ink.shape
    part = sheet[top : top + height, left : left + width]
    np.maximum(part, ink, out=part)


def round_digit(writer: Writer) -> Map:
    """Draw a digit of which a part does not look like a 1."""
    candidates = np.flatnonzero(np.isin(writer.glyphs.labels, ROUND))
    index = writer.rng.choice(candidates)
    return writer.digit(index, writer.rng.uniform(0.85, 1.05))


def other_line(writer: Writer, width: int) -> Map:
    """Write digits as in the line above or below."""
    rng = writer.rng
    row = Row(DIGIT_HEIGHT)
    count = 1 + int(width / DIGIT_HEIGHT)
    for index in rng.integers(len(writer.glyphs.labels), size=count):
        digit = writer.digit(int(index), rng.uniform(0.8, 1.1))
        row.write(digit, rng.uniform(0, 0.7))
    return row.cropped()[:, :width]


def cells(writer: Writer, count: int) -> Map:
    """Write a number into printed cells or between lines; some digits touch them."""
    rng = writer.rng
    masks = []
    lightest = rng.choice([1.0, 0.4])  # digits may have inks of their own
    for _ in range(count):
        mask, symbol, _raised = writer.sign("d")
        masks.append(mask * rng.uniform(lightest, 1))
        writer.add(symbol)
    tall = max(int(rng.uniform(1.15, 1.8) * DIGIT_HEIGHT), *map(len, masks))
    wide = max(mask.shape[1] for mask in masks) + int(
        rng.uniform(0.0, 0.9) * DIGIT_HEIGHT
    )
    cell = np.zeros((tall, wide), np.float32)
    darkness = rng.uniform(0.15, 0.9)
    thick = rng.integers(1, 4)
    printed = chosen(PRINTED, rng)
    if printed == "box":
        cell[:thick] = darkness
    if printed != "uprights":
        cell[-thick:] = darkness
    if printed != "base":
        length = rng.uniform(0.15, 0.5) if printed == "comb" else 1.0
        upright = cell[-round(length * tall) :]
        upright[:, :thick] = darkness
        upright[:, -thick:] = darkness
    sheet = np.tile(cell, count)
    for place, mask in enumerate(masks):
        top = int(rng.integers(tall - len(mask) + 1))
        left = rng.integers(wide - mask.shape[1] + 1)
        put(mask, sheet, top, place * wide + left)
    return framed(sheet, rng.integers(-2, int(0.4 * DIGIT_HEIGHT), 4))


def strip(sheet: Map, symbols: list[int]) -> InkLine | None:
    """Scale a line to the height of a strip; None if its width does not fit."""
    width = 2 * round(sheet.shape[1] * ROWS / len(sheet) / 2)
    if not 8 <= width <= WIDEST or width < 4 * len(symbols):
        return None
    image = Image.fromarray(np.uint8(255 * sheet.clip(0, 1)))
    method = Image.Resampling.BOX if len(sheet) > ROWS else Image.Resampling.BILINEAR
    return InkLine(np.asarray(image.resize((width, ROWS), method)), tuple(symbols))
