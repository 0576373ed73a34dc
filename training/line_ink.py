"""Write lines of ink for the line network: digits, marks, letters and other things, and what they say.

A line is a mask of 32 rows, without paper and light: `training.line_paper` paints it anew in every epoch. Its symbols
are indices of the network's output. What is neither digit nor mark is one symbol, however long; a gap about as wide as
a digit is high is a space.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.inference.lines import CHARACTERS, OTHER
from app.preprocess.maps import Map
from app.preprocess.strips import STRIP_HEIGHT
from training import line_text
from training.characters import invented_character, letter, scribble
from training.characters import lines as printed_lines
from training.characters import sign as money_sign
from training.characters import written as drawn_by_hand
from training.data import NOTHING, Digits
from training.non_digits import crop, shape, texture
from training.paper import levels, resized
from training.strokes import felt, pen
from training.styles import restyle
from training.writing import Row, mark, written

VERSION = 8  # of what is written; the lines in the cache are written anew when it changes
DIGITS_PER_SHARD = 4_600
OWN_PEN = 1 / 3  # share of the digits that are redrawn with a pen of their own, which takes 20 ms each
GLYPH_HEIGHT = 48  # of the stored digits, in pixels
HEIGHT = 34.0  # of a digit in a line before it is scaled to the strip, in pixels
WIDEST = 512  # strips, in pixels
SAME_HAND = 0.7  # share of the lines that are in one hand: every second image of MNIST is by the same writer
NEARBY = 40  # digits by one writer from which those of a line are drawn
ROUND = 0, 2, 3, 6, 8  # digits of which a part does not look like a 1
STRAIGHT = 0.2  # share of the 1s that are one straight stroke
IN_CELLS = 0.25  # share of the numbers that are written into printed cells, or between printed lines
# What is printed around such numbers, and how often.
CELLS, CELL_SHARES = ("boxes", "upright", "on a line", "open"), (0.35, 0.1, 0.25, 0.3)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
SPACE = CHARACTERS.index(" ") + 1
Span = tuple[float, float]
# How close digits are: apart, close, touching, loose; and how often. In digit heights, as all gaps.
GAPS, GAP_SHARES = ((0.1, 0.45), (0.0, 0.14), (-0.16, 0.05), (0.2, 0.6)), (0.32, 0.3, 0.25, 0.13)
MARK_GAP, SPACE_GAP = (0.03, 0.3), (0.95, 2.2)
# Margins above and below a line, and at its ends: tight, close, wide, or cutting a little off.
DOWN, DOWN_SHARES = ((0.0, 0.1), (0.08, 0.35), (0.3, 1.4), (-0.06, 0.0)), (0.27, 0.46, 0.2, 0.07)
ACROSS, ACROSS_SHARES = ((0.0, 0.1), (0.05, 0.8), (0.5, 6.0), (-0.03, 0.0)), (0.3, 0.55, 0.1, 0.05)
ALONE, ALONE_SHARES = ((0.0, 0.1), (0.1, 0.6), (0.3, 2.0)), (0.5, 0.35, 0.15)  # at the ends of a single sign
Mask = NDArray[np.uint8]


class InkLine(NamedTuple):
    """A line of ink.

    Attributes
    ----------
    mask : NDArray
        (32, w) uint8, ink = 255; printed lines are weaker.
    symbols : tuple of int
        What it says, as indices of the network's output: no blanks, no two of OTHER in a row.
    """

    mask: Mask
    symbols: tuple[int, ...]


class Glyphs(NamedTuple):
    """Digits as masks, GLYPH_HEIGHT high, and their labels; and pictures (105, 105) of other characters, if any."""

    digits: list[Mask]
    labels: NDArray[np.int64]
    others: list[Mask]


class Pen(NamedTuple):
    """How a line is written: the slant, the digits' width and the softness of their edges, and the width of a pen."""

    slant: float
    stretch: float
    threshold: float
    contrast: float
    width: float


def glyphs_of(digits: Digits, others: list[Mask], rng: Generator) -> Glyphs:
    """Redraw digits in more styles: some with a pen of their own, the others with MNIST's strokes."""
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    styled = restyle(digits.images.float() / 255, digits.labels, source)
    masks = []
    for image in (255 * styled).round().byte().numpy():
        strokes = pen(image, 1 / rng.uniform(7, 26)) if rng.random() < OWN_PEN else felt(image)
        masks.append((255 * written(strokes, GLYPH_HEIGHT, 0.0)).astype(np.uint8))
    return Glyphs(masks, digits.labels.numpy(), others)


def chosen(spans: tuple[Span, ...], shares: tuple[float, ...], rng: Generator) -> Span:
    """Choose one of several spans."""
    return spans[int(rng.choice(len(spans), p=shares))]


def some_pen(rng: Generator) -> Pen:
    """Pick a pen and a slant."""
    slant = rng.uniform(*chosen(((-0.1, 0.1), (-0.15, 0.45), (0.2, 0.75)), (0.5, 0.35, 0.15), rng))
    return Pen(slant, *rng.uniform((0.7, 0.3, 1.5, 0.05), (1.25, 0.65, 5, 0.13)))


def stroked(mask: Mask, height: float, pen: Pen, rng: Generator) -> Map:
    """Scale a mask to a height in pixels, slant it, and make its strokes thicker or thinner: (h, w) in [0, 1]."""
    slant = pen.slant + rng.uniform(-0.06, 0.06)
    scale = len(mask) / height
    across = scale / (pen.stretch * rng.uniform(0.92, 1.08))
    size = int(mask.shape[1] / across + abs(slant) * height) + 4, int(height) + 3
    x = mask.shape[1] / 2 - across * size[0] / 2 - scale * slant * size[1] / 2
    onto = across, scale * slant, x, 0, scale, len(mask) / 2 - scale * size[1] / 2
    image = Image.fromarray(mask).transform(size, Image.Transform.AFFINE, onto, Image.Resampling.BICUBIC)
    soft = ((levels(image) - np.float32(pen.threshold)) * np.float32(pen.contrast) + np.float32(0.5)).clip(0, 1)
    columns = np.flatnonzero(soft.max(axis=0) > 0.3)
    return soft[:, columns[0] : columns[-1] + 1] if len(columns) else levels(image)


def other(kind: str, glyphs: Glyphs, rng: Generator) -> Map:
    """Draw what is neither digit nor mark, cropped to its ink."""
    kinds = [letter, letter, money_sign, invented_character, scribble, printed_lines, shape, texture, equals]
    while True:
        if kind == "*" and glyphs.others and rng.random() < 0.45:
            image = Image.fromarray(glyphs.others[rng.integers(len(glyphs.others))])
            ink = thickened(levels(image.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR)), rng)
        elif kind in line_text.LETTERS:
            ink = letter(NOTHING, rng, ALPHABET)
        else:
            ink = {"$": money_sign, "=": equals}.get(kind, kinds[int(rng.integers(len(kinds)))])(NOTHING, rng)
        if (cropped := crop(ink)) is not None:
            return cropped


def thickened(ink: Map, rng: Generator) -> Map:
    """Widen the thin strokes of a drawn character by up to four pixels."""
    for _ in range(int(rng.integers(0, 5))):
        wider = np.maximum(ink, np.roll(ink, 1, 0))
        ink = np.maximum(wider, np.roll(wider, 1, 1))
    return ink


def equals(_: Digits, rng: Generator) -> Map:
    """Draw an equals sign, as at the end of an amount."""
    apart, length = rng.uniform(0.15, 0.4), rng.uniform(0.5, 1.0)
    return drawn_by_hand([np.array([(0, y), (length, y + rng.normal(0, 0.05))]) for y in (0.0, apart)], rng)


class Writer:
    """Writes one line in one hand, sign by sign; see `training.line_text` for the patterns."""

    def __init__(self, glyphs: Glyphs, rng: Generator) -> None:
        self.glyphs, self.rng, self.pen = glyphs, rng, some_pen(rng)
        self.row, self.symbols = Row(HEIGHT), list[int]()
        first = int(rng.integers(len(glyphs.labels) - 2 * NEARBY))
        # In MNIST's order, 7 often follows 6.
        nearby = first + 2 * rng.permutation(NEARBY)
        self.digits = nearby if rng.random() < SAME_HAND else rng.integers(len(glyphs.labels), size=NEARBY)
        self.drift, self.uneven = rng.uniform(-0.05, 0.05), rng.uniform(0.02, 0.14)
        self.gap, self.letter_gap = chosen(GAPS, GAP_SHARES, rng), rng.uniform(0.02, 0.2)
        self.space_gap, self.beside = rng.uniform(*SPACE_GAP), rng.uniform((0.1, 0.4), (0.4, 1.5))

    def write(self, pattern: str) -> None:
        """Write a line."""
        self.gap = GAPS[int(self.rng.integers(2))] if " " in pattern else self.gap
        self.drift *= min(1, 5 / max(1, len(pattern)))
        for before, kind in zip(" " + pattern, pattern, strict=False):
            if kind != " ":
                mask, symbol, raised = self.sign(kind)
                self.row.write(mask, self.rng.uniform(*self.gap_between(before, kind)), raised)
                self.add(symbol, is_apart=before == " ")

    def add(self, symbol: int, is_apart: bool = False) -> None:
        """Add to what the line says; a space too, unless it is beside something else."""
        last = self.symbols[-1] if self.symbols else OTHER
        if is_apart and OTHER not in (last, symbol):
            self.symbols.append(SPACE)
        if symbol != OTHER or self.symbols[-1:] != [OTHER]:
            self.symbols.append(symbol)

    def gap_between(self, before: str, kind: str) -> Span:
        """Return the gap between two signs."""
        if before == " ":
            return self.space_gap, self.space_gap + 0.4
        if kind == "l":
            return self.letter_gap, self.letter_gap + 0.1
        if before in line_text.OTHERS or kind in line_text.OTHERS:
            return float(self.beside[0]), float(self.beside[1])
        return MARK_GAP if {before, kind} - {*line_text.DIGITS} else self.gap

    def sign(self, kind: str) -> tuple[Map, int, float]:
        """Draw a sign: its mask, its symbol, and by how many digit heights it is raised."""
        rng, drifted = self.rng, self.drift * self.row.count
        if kind in line_text.OTHERS:
            ink, tall = other(kind, self.glyphs, rng), {"l": (0.55, 0.75), "=": (0.25, 0.5)}.get(kind, (0.6, 1.15))
            height = HEIGHT * rng.uniform(*tall)
            width = min(ink.shape[1] * height / len(ink), 3 * HEIGHT)
            mask = resized(ink, (max(2, round(width)), max(3, round(height)))).clip(0, 1)
            raised = (-0.3 if kind == "=" else height / HEIGHT - 1) + rng.uniform(-0.1, 0.1)
            return mask, OTHER, raised + drifted
        if kind not in line_text.DIGITS:
            return self.stroke(kind, rng.uniform(-0.04, 0.04) + drifted)
        index = self.next_digit(kind in line_text.ZEROS)
        if self.glyphs.labels[index] == 1 and kind not in line_text.SMALL and rng.random() < STRAIGHT:
            return self.stroke("1", drifted)
        height = rng.uniform(0.55, 0.85) if kind in line_text.SMALL else 1.0
        height *= 1 + rng.uniform(-self.uneven, self.uneven)
        mask = stroked(self.glyphs.digits[index], HEIGHT * height, self.pen, rng)
        raised = rng.uniform(-0.05, 0.05) + (height - 1) * rng.uniform(0.4, 1)
        return mask, int(self.glyphs.labels[index]) + 1, raised + drifted

    def stroke(self, kind: str, raised: float) -> tuple[Map, int, float]:
        """Draw a mark, or a 1 as one stroke."""
        width, slant = self.pen.width * self.rng.uniform(0.8, 1.3), max(0.0, self.pen.slant)
        mask, above = mark(kind, HEIGHT, width, slant, self.rng)
        return mask, CHARACTERS.index(kind) + 1, raised + above

    def next_digit(self, is_zero: bool) -> int:
        """Return the index of the next digit, or of any zero."""
        if is_zero:
            return int(self.rng.choice(np.flatnonzero(self.glyphs.labels == 0)))
        self.digits = np.roll(self.digits, -1)
        return int(self.digits[-1])


def ink_line(glyphs: Glyphs, rng: Generator) -> InkLine | None:
    """Write a line, and cut a strip around it; None if it would be too wide."""
    pattern, w = line_text.pattern(rng), Writer(glyphs, rng)
    if pattern and not {*pattern} - {*line_text.DIGITS} and rng.random() < IN_CELLS:
        return strip(cells(w, len(pattern)), w.symbols)
    w.write(pattern)
    mask = w.row.cropped() if pattern else np.zeros((round(HEIGHT), int(rng.integers(30, 200))), np.float32)
    if rng.random() < 0.3 and mask.shape[1] < 12 * HEIGHT:
        mask = rotated(mask, rng.uniform(-3.5, 3.5))
    down = rng.uniform(*chosen(DOWN, DOWN_SHARES, rng), 2)
    ends = chosen(ALONE, ALONE_SHARES, rng) if len(pattern) == 1 else chosen(ACROSS, ACROSS_SHARES, rng)
    margins = np.round(HEIGHT * np.concatenate([down, rng.uniform(*ends, 2)])).astype(np.int64)
    return strip(with_neighbours(framed(mask, margins), margins, w), w.symbols)


def rotated(mask: Map, angle: float) -> Map:
    """Rotate a line by an angle in degrees, and crop it to its rows with ink."""
    turned = levels(Image.fromarray(np.uint8(255 * mask)).rotate(angle, Image.Resampling.BILINEAR, expand=True))
    rows = np.flatnonzero((turned > 0.3).any(axis=1))
    return turned[rows[0] : rows[-1] + 1] if len(rows) else mask


def framed(mask: Map, margins: NDArray[np.int64]) -> Map:
    """Add margins (top, bottom, left, right) in pixels to a line; negative ones cut it."""
    top, bottom, left, right = margins.clip(min=0)
    padded = np.pad(mask, ((top, bottom), (left, right)))
    top, bottom, left, right = (-margins).clip(min=0)
    return padded[top : len(padded) - bottom, left : padded.shape[1] - right]


def with_neighbours(sheet: Map, margins: NDArray[np.int64], w: Writer) -> Map:
    """Add parts of the writing around a line, which the strip cuts off, in its margins; those beside are something."""
    top, bottom, left, right = margins.tolist()
    for turned, room in ((sheet, top), (sheet[::-1], bottom)):
        if room > 0.12 * HEIGHT and w.rng.random() < 0.22:
            above(turned, room, w, is_flipped=turned is not sheet)
    for turned, room in ((sheet, left), (sheet[:, ::-1], right)):
        if room > 0.35 * HEIGHT and w.rng.random() < 0.1:
            beside(turned, room, w, is_flipped=turned is not sheet)
    return sheet


def above(sheet: Map, room: int, w: Writer, is_flipped: bool) -> None:
    """Add the lower part of a line at the top of a sheet; of a flipped sheet, the upper part at its bottom."""
    row = Row(HEIGHT)
    for index in w.rng.integers(len(w.glyphs.labels), size=1 + int(sheet.shape[1] / HEIGHT)):
        mask = stroked(w.glyphs.digits[index], HEIGHT * w.rng.uniform(0.8, 1.1), w.pen, w.rng)
        row.write(mask, w.rng.uniform(0, 0.7))
    line = row.cropped()[:, : sheet.shape[1]]
    line = line[::-1] if is_flipped else line
    seen = min(int(w.rng.uniform(0.1, 0.5) * len(line)), int(room - 0.05 * HEIGHT))
    part = sheet[:seen, : line.shape[1]]
    np.maximum(part, line[len(line) - seen :], out=part)


def beside(sheet: Map, room: int, w: Writer, is_flipped: bool) -> None:
    """Add the right part of a digit at the left end of a sheet, with its symbol; it is round, or it might be a 1."""
    rng, index = w.rng, int(w.rng.choice(np.flatnonzero(np.isin(w.glyphs.labels, ROUND))))
    mask = stroked(w.glyphs.digits[index], HEIGHT * rng.uniform(0.85, 1.05), w.pen, rng)[: len(sheet)]
    seen = min(int(rng.uniform(0.3, 0.6) * mask.shape[1]), int(room - 0.15 * HEIGHT))
    if seen < 0.15 * HEIGHT:
        return
    mask = mask[:, ::-1] if is_flipped else mask
    spare = len(sheet) - len(mask)
    top = min(max(0, spare // 2 + int(rng.integers(-3, 4))), spare)
    part = sheet[top : top + len(mask), :seen]
    np.maximum(part, mask[:, mask.shape[1] - seen :], out=part)
    if is_flipped:
        w.add(OTHER)
    elif w.symbols[:1] != [OTHER]:
        w.symbols.insert(0, OTHER)


def cells(w: Writer, count: int) -> Map:
    """Write a number into the cells of a form or table, or between printed lines; some digits touch them."""
    rng, edge, broad = w.rng, round(HEIGHT), int(w.rng.integers(1, 4))
    masks, lightest = [], rng.choice([1.0, 0.4])  # digits may have inks of their own
    for _ in range(count):
        mask, symbol, _raised = w.sign("d")
        masks.append(mask * np.float32(rng.uniform(lightest, 1)))
        w.add(symbol)
    wide = max(mask.shape[1] for mask in masks) + int(rng.uniform(0.0, 0.9) * HEIGHT)
    tall = int(rng.uniform(1.15, 1.8) * HEIGHT)
    sheet, printed = np.zeros((2, tall + 2 * edge, wide * count + 2 * edge), np.float32)
    for place, mask in enumerate(masks):
        x = edge + place * wide + int(rng.uniform(0, 1) * (wide - mask.shape[1]))
        y = edge + int(rng.uniform(0.05, 0.95) * max(1, tall - len(mask)))
        part = sheet[y : y + len(mask), x : x + mask.shape[1]]
        np.maximum(part, mask, out=part)
    line, kind = rng.uniform(0.15, 0.9), rng.choice(CELLS, p=CELL_SHARES)
    inside = slice(edge, edge + count * wide)
    if kind != "on a line":
        reach = 0 if kind == "upright" else edge
        for place in range(count + 1):
            x = edge + place * wide + int(rng.integers(-1, 2))
            printed[reach : len(sheet) - reach, x : x + broad] = line
    if kind in ("boxes", "on a line"):
        printed[edge + tall : edge + tall + broad, inside] = line
    if kind == "boxes":
        printed[edge : edge + broad, inside] = line
    margins = rng.integers(-2, int(0.4 * HEIGHT), 4) - edge
    return framed(np.maximum(sheet, printed), margins)


def strip(sheet: Map, symbols: list[int]) -> InkLine | None:
    """Scale a line with its margins to the height of a strip; None if it is too wide, or too narrow for its text."""
    width = 2 * round(sheet.shape[1] * STRIP_HEIGHT / len(sheet) / 2)
    if not 8 <= width <= WIDEST or width < 4 * len(symbols):
        return None
    image = Image.fromarray(np.uint8(255 * sheet.clip(0, 1)))
    method = Image.Resampling.BOX if len(sheet) > STRIP_HEIGHT else Image.Resampling.BILINEAR
    return InkLine(np.asarray(image.resize((width, STRIP_HEIGHT), method)), tuple(symbols))


def ink_lines(digits: Digits, others: list[Mask], count: int, seed: int) -> list[InkLine]:
    """Write lines.

    Parameters
    ----------
    digits : Digits
        What the lines are written with, in the order of MNIST's files: at least 2 · NEARBY.
    others : list of NDArray
        Characters (105, 105) uint8, ink = 255, that are no digits.
    count : int
        Number of lines.
    seed : int
        Seed of the random generator.
    """
    rng, found = np.random.default_rng(seed), list[InkLine]()
    glyphs = glyphs_of(digits, others, rng)
    while len(found) < count:
        if (line := ink_line(glyphs, rng)) is not None:
            found.append(line)
    return found
