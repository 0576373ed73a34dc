"""Lines of ink for the reader, with what is written around them, and what they say.

A line is a mask of 32 rows, without paper and light: `training.line_paper` paints it
anew in every epoch.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.picture.maps import Map
from training import line_text
from training.alphabet import OTHER
from training.data import Digits
from training.drawing import levels
from training.line_writer import HEIGHT, Glyphs, Writer, chosen
from training.omniglot import Characters
from training.styles import restyle
from training.writing import Row

ROWS, WIDEST = 32, 512  # of masks, in pixels
ROUND = 0, 2, 3, 6, 8  # digits of which a part does not look like a 1
# Share of the numbers that are written into printed cells, or between printed lines.
IN_CELLS = 0.15
# The sides of the cells that are printed, by the quarter turns that bring them to the
# top; and how often.
PRINTED, PRINTED_SHARES = ((0, 1, 2, 3), (1, 3), (2,)), (0.35, 0.4, 0.25)
# Margins above and below a line, and at its ends: tight, close, wide, or cutting a
# little off. In digit heights.
DOWN, DOWN_SHARES = (
    ((0.0, 0.1), (0.08, 0.35), (0.3, 1.4), (-0.06, 0.0)),
    (0.27, 0.46, 0.2, 0.07),
)
ACROSS, ACROSS_SHARES = (
    ((0.0, 0.1), (0.05, 0.8), (0.5, 6.0), (-0.03, 0.0)),
    (0.3, 0.55, 0.1, 0.05),
)
# At the ends of a single sign.
ALONE, ALONE_SHARES = ((0.0, 0.1), (0.1, 0.6), (0.3, 2.0)), (0.5, 0.35, 0.15)


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
    symbols: tuple[int, ...]


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
    rng, found = np.random.default_rng(seed), list[InkLine]()
    styled = restyle(
        digits.images.float() / 255, digits.labels, torch.Generator().manual_seed(seed)
    )
    glyphs = Glyphs(Digits((255 * styled).round().byte(), digits.labels), others, rng)
    while len(found) < count:
        if (line := ink_line(glyphs, line_text.pattern(rng), rng)) is not None:
            found.append(line)
    return found


def ink_line(glyphs: Glyphs, pattern: str, rng: Generator) -> InkLine | None:
    """Write a pattern of `training.line_text`, and cut a strip around it; None if it
    would be too wide.
    """
    w = Writer(glyphs, rng)
    if pattern and not {*pattern} - {*line_text.DIGITS} and rng.random() < IN_CELLS:
        return strip(cells(w, len(pattern)), w.symbols)
    w.write(pattern)
    mask = (
        w.row.cropped()
        if pattern
        else np.zeros((round(HEIGHT), int(rng.integers(30, 200))), np.float32)
    )
    if rng.random() < 0.3 and mask.shape[1] < 12 * HEIGHT:
        mask = rotated(mask, rng.uniform(-3.5, 3.5))
    down = rng.uniform(*chosen(DOWN, DOWN_SHARES, rng), 2)
    ends = (
        chosen(ALONE, ALONE_SHARES, rng)
        if len(pattern) == 1
        else chosen(ACROSS, ACROSS_SHARES, rng)
    )
    margins = np.round(HEIGHT * np.concatenate([down, rng.uniform(*ends, 2)])).astype(
        np.int64
    )
    sheet = framed(mask, margins)
    add_neighbours(sheet, margins, w)
    return strip(sheet, w.symbols)


def rotated(mask: Map, angle: float) -> Map:
    """Rotate a line by an angle in degrees, and crop it to its rows with ink."""
    turned = levels(
        Image.fromarray(np.uint8(255 * mask)).rotate(
            angle, Image.Resampling.BILINEAR, expand=True
        )
    )
    rows = np.flatnonzero((turned > 0.3).any(axis=1))
    return turned[rows[0] : rows[-1] + 1] if len(rows) else mask


def framed(mask: Map, margins: NDArray[np.int64]) -> Map:
    """Add margins (top, bottom, left, right) in pixels to a line; negative ones cut it."""
    top, bottom, left, right = margins.clip(min=0)
    padded = np.pad(mask, ((top, bottom), (left, right)))
    top, bottom, left, right = (-margins).clip(min=0)
    return padded[top : len(padded) - bottom, left : padded.shape[1] - right]


def add_neighbours(sheet: Map, margins: NDArray[np.int64], w: Writer) -> None:
    """Add parts of the writing around a line, which the strip cuts off, in its margins;
    those beside are something.
    """
    top, bottom, left, right = margins.tolist()
    for turns, room in enumerate((top, right, bottom, left)):
        is_beside = turns in (1, 3)
        if (
            w.rng.random() > (0.1 if is_beside else 0.22)
            or room < (0.35 if is_beside else 0.12) * HEIGHT
        ):
            continue
        ink = np.rot90(
            round_digit(w)[: len(sheet)]
            if is_beside
            else other_line(w, sheet.shape[1]),
            turns,
        )
        seen = int(min(w.rng.uniform(0.2, 0.5) * len(ink), room - 0.1 * HEIGHT))
        view = np.rot90(sheet, turns)  # with this margin at the top
        start = (view.shape[1] - ink.shape[1]) // 2
        part = view[:seen, start : start + ink.shape[1]]
        np.maximum(part, ink[len(ink) - seen :], out=part)
        if turns == 1:
            w.add(OTHER)
        if turns == 3 and w.symbols[:1] != [OTHER]:
            w.symbols.insert(0, OTHER)


def round_digit(w: Writer) -> Map:
    """Draw a digit of which a part does not look like a 1."""
    index = w.rng.choice(np.flatnonzero(np.isin(w.glyphs.labels, ROUND)))
    return w.digit(int(index), w.rng.uniform(0.85, 1.05))


def other_line(w: Writer, width: int) -> Map:
    """Write digits as in the line above or below."""
    row = Row(HEIGHT)
    for index in w.rng.integers(len(w.glyphs.labels), size=1 + int(width / HEIGHT)):
        row.write(w.digit(int(index), w.rng.uniform(0.8, 1.1)), w.rng.uniform(0, 0.7))
    return row.cropped()[:, :width]


def cells(w: Writer, count: int) -> Map:
    """Write a number into the cells of a form or table, or between printed lines; some
    digits touch them.
    """
    rng, masks = w.rng, []
    lightest = rng.choice([1.0, 0.4])  # digits may have inks of their own
    for _ in range(count):
        mask, symbol, _raised = w.sign("d")
        masks.append(mask * np.float32(rng.uniform(lightest, 1)))
        w.add(symbol)
    tall = max(int(rng.uniform(1.15, 1.8) * HEIGHT), *map(len, masks))
    wide = max(mask.shape[1] for mask in masks) + int(rng.uniform(0.0, 0.9) * HEIGHT)
    cell, line, thick = (
        np.zeros((tall, wide), np.float32),
        rng.uniform(0.15, 0.9),
        int(rng.integers(1, 4)),
    )
    for side in PRINTED[rng.choice(len(PRINTED), p=PRINTED_SHARES)]:
        np.rot90(cell, side)[:thick] = line
    sheet = np.tile(cell, count)
    for place, mask in enumerate(masks):
        y, x = (
            rng.integers(tall - len(mask) + 1),
            place * wide + rng.integers(wide - mask.shape[1] + 1),
        )
        part = sheet[y : y + len(mask), x : x + mask.shape[1]]
        np.maximum(part, mask, out=part)
    return framed(sheet, rng.integers(-2, int(0.4 * HEIGHT), 4))


def strip(sheet: Map, symbols: list[int]) -> InkLine | None:
    """Scale a line with its margins to the height of a strip; None if it is too wide,
    or too narrow for its text.
    """
    width = 2 * round(sheet.shape[1] * ROWS / len(sheet) / 2)
    if not 8 <= width <= WIDEST or width < 4 * len(symbols):
        return None
    image = Image.fromarray(np.uint8(255 * sheet.clip(0, 1)))
    method = Image.Resampling.BOX if len(sheet) > ROWS else Image.Resampling.BILINEAR
    return InkLine(np.asarray(image.resize((width, ROWS), method)), tuple(symbols))
