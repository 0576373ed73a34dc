"""The catalogue of scenes: MNIST's digits, and numbers made of them, in the kinds of
picture that people send.

`render` draws one digit; `number` writes several, or other things, as
`training.writing.writer` does. A picture depends only on its scene, the seed and its
index. Lengths are in digit heights.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image, ImageOps

from app.picture.maps import Map, connected
from training import sample
from training.data import Digits
from training.writing import sheets
from training.writing.alphabet import CHARACTERS, DEFAULT
from training.writing.drawing import extent, png, resized
from training.writing.row import Span
from training.writing.sheets import (
    Finish,
    cut_out,
    jpeg,
    on_canvas,
    opened,
    rotated,
    scanned,
)
from training.writing.strokes import INKED, Digit, felt, pen, written
from training.writing.writer import DIGIT_HEIGHT, Glyphs, Pen, Writer, random_hand

# Digits, in MNIST's order, that a number is written with; a Writer needs more than 2 ·
# NEARBY.
FROM = 100
Inks = Sequence[Map]  # lines of ink, or digits for cells
# Inks, the digits' height in pixels, room → ink on a sheet.
Layout = Callable[[Inks, float, Generator, Span], Map]


def padded(ink: Map, free: ArrayLike, rng: Generator) -> Map:
    """Add so many free rows and columns around ink."""
    before = np.multiply(free, rng.uniform(0.05, 0.95, 2)).astype(int)
    after = np.asarray(free, int) - before
    return np.pad(ink, np.stack([before, after], axis=1))


def stacked(inks: Inks, rng: Generator) -> Map:
    """Put inks below each other, at random indents."""
    wide = max(ink.shape[1] for ink in inks)
    rows = [padded(ink, (0, wide - ink.shape[1]), rng) for ink in inks]
    return np.concatenate(rows)


def placed(inks: Inks, height: float, rng: Generator, room: Span) -> Map:
    """Put inks below each other on a sheet with so much room around them."""
    gap = np.zeros((int(rng.uniform(0.35, 1) * height), 1), np.float32)
    parts = [inks[0]]
    for ink in inks[1:]:
        parts += [gap, ink]
    return padded(stacked(parts, rng), rng.uniform(*room, 2) * height, rng)


def cut(inks: Inks, height: float, rng: Generator, room: Span, share: float) -> Map:
    """Place ink of which an edge of the sheet cuts off a share."""
    side = int(rng.integers(4))
    sheet = np.rot90(placed(inks, height, rng, room), side)
    rows, _ = extent(sheet, INKED)
    first = rows.start + round(share * (rows.stop - rows.start))
    return np.rot90(sheet[first:], -side)


def among_others(inks: Inks, height: float, rng: Generator, room: Span) -> Map:
    """Crop ink from a page: one or two of the edges cut through other digits."""
    ink = placed(inks, height, rng, room)
    for side in rng.permutation(4)[: rng.integers(1, 3)]:
        strokes = felt(sample.digits()[rng.integers(500)])
        digit = np.rot90(written(strokes, height, 0.0), side)
        part = digit[int(rng.uniform(0.35, 0.7) * len(digit)) :]
        gap = int(rng.uniform(0.2, 0.7) * height)
        neighbour = np.pad(part, ((0, gap), (0, 0)))
        ink = np.rot90(stacked([neighbour, np.rot90(ink, side)], rng), -side)
    return ink


def ruled(
    inks: Inks, height: float, rng: Generator, room: Span, spacing: Span, darkness: Span
) -> Map:
    """Place ink on paper with printed lines or, half of the time, squares."""
    sheet = placed(inks, height, rng, room)
    apart = int(rng.uniform(*spacing) * height) + 1
    thick = int(rng.uniform(0.005, 0.03) * height) + 1
    rows = (np.arange(len(sheet)) + rng.integers(apart)) % apart < thick
    columns = (np.arange(sheet.shape[1]) + rng.integers(apart)) % apart < thick
    is_squared = rng.random() < 0.5
    printed = rows[:, None] | (columns & is_squared)
    sheet = np.maximum(sheet, rng.uniform(*darkness) * printed)
    return rotated(sheet, rng.uniform(-2, 2))


def in_cells(
    digits: Inks, height: float, rng: Generator, room: Span, gap: Span = (0, 0)
) -> Map:
    """Write each digit into a cell of a grid or, if there is a gap, into a box."""
    largest = np.max([digit.shape for digit in digits], axis=0)
    cell = largest + (rng.uniform(*room, 2) * height).astype(int)
    apart = round(rng.uniform(*gap) * height / 2)
    thick = round(rng.uniform(0.015, 0.05) * height) + 1
    filled = [padded(digit, cell - digit.shape, rng) for digit in digits]
    dark = rng.uniform(0.4, 1)
    boxes = [np.pad(each, thick, constant_values=dark) for each in filled]
    sheet = np.hstack([np.pad(box, apart) for box in boxes])
    around = (rng.uniform(0, 0.15, (2, 2)) * height).astype(int) + apart
    # More cells are in view.
    return rotated(np.pad(sheet, around, "symmetric"), rng.uniform(-1.5, 1.5))


def without_specks(digit: Digit) -> Digit:
    """Remove the specks beside some of MNIST's digits, which look like points."""
    pieces = connected(digit > 60)
    shares = np.bincount(pieces.ravel(), digit.ravel()) / digit.sum()
    is_speck = (shares < 0.08)[pieces] & (pieces > 0)
    return np.where(is_speck, 0, digit).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """How digits are written, and what becomes of the ink.

    The width of a pen is the height of a single digit by a number of `pens`.
    """

    finish: Finish = scanned
    height: Span = (120, 350)
    room: Span = (0.3, 2)
    layout: Layout = placed
    pens: Span = (10, 18)
    felt: float = 0.4  # share of felt pens, which keep MNIST's strokes
    darkness: Span = (1, 1)  # of the ink
    slant: Span = (-0.1, 0.1)
    gap: Span = (0.12, 0.5)

    def __call__(self, digit: Digit, rng: Generator) -> bytes:
        """Draw one digit."""
        height = rng.uniform(*self.height)
        strokes = self.pen(rng)(digit)
        ink = written(strokes, height, rng.uniform(*self.slant))
        return self.shown([ink], height, rng)

    def pen(self, rng: Generator) -> Pen:
        """Choose a pen: a felt pen, or a round one of some width."""
        width = 1 / rng.uniform(*self.pens)
        return felt if rng.random() < self.felt else partial(pen, width=width)

    def number(self, pattern: str, digits: Digits, rng: Generator) -> tuple[bytes, str]:
        """Write the lines, or the tabbed cells, of a pattern in one hand."""
        writer = self.writer(digits, rng)
        height = rng.uniform(*self.height)
        tilt = rng.uniform(-2, 2)
        inks = []
        texts = []
        for part in re.split("[\n\t]", pattern):
            ink, text = write_line(writer, part)
            inks.append(rotated(scaled(ink, height / DIGIT_HEIGHT), tilt))
            texts.append(text)
        separator = "\n" if "\n" in pattern else ""
        return self.shown(inks, height, rng), separator.join(texts)

    def writer(self, digits: Digits, rng: Generator) -> Writer:
        """Choose a hand that writes with these digits."""
        whole = [without_specks(image) for image in digits.images.numpy()]
        images = torch.from_numpy(np.stack(whole))
        glyphs = Glyphs(Digits(images, digits.labels), [], self.pen(rng))
        hand = replace(
            random_hand(len(digits), rng),
            gap=self.gap,
            slant=rng.uniform(*self.slant),
            straight=0.0,
            point_raised=0.0,
        )
        return Writer(glyphs, hand, rng)

    def shown(self, inks: Inks, height: float, rng: Generator) -> bytes:
        """Place ink on a sheet, and make a file of it."""
        inks = [ink * rng.uniform(*self.darkness) for ink in inks]
        return self.finish(self.layout(inks, height, rng, self.room), height, rng)


def write_line(writer: Writer, pattern: str) -> tuple[Map, str]:
    """Write one line: its ink, with digits DIGIT_HEIGHT pixels high, and its text."""
    writer.write(pattern)
    characters = [CHARACTERS[symbol - 1 : symbol] for symbol in writer.symbols]
    return writer.row.cropped(), "".join(c for c in characters if c in DEFAULT)


def scaled(ink: Map, factor: float) -> Map:
    """Resize ink; if it grows, its outlines stay crisp."""
    height, width = (max(1, round(side * factor)) for side in ink.shape)
    level = resized(ink, (width, height)) - 0.5
    return (level * max(1, factor) + 0.5).clip(0, 1)


def tight(side: int, margins: tuple[int, ...]) -> Scene:
    """Crop to the ink of a digit of so many pixels."""
    return Scene(partial(cut_out, margins=margins), (side, side), (0, 0), felt=1)


def tight_photo(side: int) -> Scene:
    """Crop a photo to the ink of a digit of up to so many pixels."""
    return Scene(scanned, (0.75 * side, side), (0, 0))


photo = partial(scanned, light=sheets.shadowed)
on_desk = partial(photo, desk=2)
SHARP = Scene(on_desk, (350, 500), (1, 2.5))
boxes = partial(in_cells, gap=(0.1, 0.4))
ThinScene = partial(Scene, pens=(15, 25), felt=0)
NumberScene = partial(Scene, height=(28, 90), room=(0.2, 1.5))
SIDES = (8, 16, 28, 100, 300)
SCENES: dict[str, Callable[[Digit, Generator], bytes]] = {
    "clean": lambda digit, _: png(Image.fromarray(digit)),
    "large-canvas": Scene(on_canvas, room=(1.5, 10), felt=1),
    "thin-pen": ThinScene(on_canvas, (150, 500)),
    "thick-marker": Scene(on_canvas, (150, 500), pens=(5, 8), felt=0),
    "white-on-black": Scene(partial(on_canvas, black=1)),
    "colour-on-colour": Scene(sheets.coloured),
    "transparent": Scene(sheets.transparent),
    "phone-photo": Scene(on_desk, room=(0.6, 3)),
    "12-megapixels": lambda digit, rng: jpeg(
        ImageOps.scale(opened(SHARP(digit, rng)), 2)
    ),
    "crumpled-paper": Scene(partial(scanned, light=sheets.crumpled)),
    "ruled-paper": Scene(
        layout=partial(ruled, spacing=(0.3, 1.2), darkness=(0.2, 0.4))
    ),
    "printed-box": Scene(layout=boxes, room=(0.16, 0.8)),
    "faint-pencil": ThinScene(darkness=(0.2, 0.35)),
    "specks-and-smudges": Scene(partial(scanned, light=sheets.dirty)),
    "cut-off-neighbours": Scene(layout=among_others, room=(0.2, 1)),
    "slightly-cut": Scene(layout=partial(cut, share=0.05)),
    "quarter-cut": Scene(layout=partial(cut, share=0.25)),
    "printed-grid": ThinScene(
        layout=in_cells, height=(50, 300), room=(0.2, 0.9), darkness=(0.35, 0.65)
    ),
    "grid-through": Scene(
        layout=partial(ruled, spacing=(0.5, 1), darkness=(0.25, 0.7)), room=(0.3, 1)
    ),
    "one-bit-scan": Scene(sheets.one_bit),
    **{f"tight-{side}px": tight(side, (0,)) for side in SIDES},
    **{f"tight-{side}px-margin": tight(side, (1, 2)) for side in SIDES},
    **{f"tight-photo-{side}px": tight_photo(side) for side in (48, 100, 300)},
}
MARKED = ("amounts", "dates", "times", "columns")  # of which the text counts as written
# The frame is an MNIST image itself.
NUMBERS: dict[str, Scene] = {
    "spaced": NumberScene(),
    "tight": NumberScene(gap=(0.02, 0.12)),
    "touching": NumberScene(gap=(-0.06, 0.1)),
    "slanted": NumberScene(slant=(0.25, 0.6), gap=(0.05, 0.3)),
    "with-signs": NumberScene(),
    "on-lines": NumberScene(
        layout=partial(ruled, spacing=(0.9, 1.8), darkness=(0.2, 0.7))
    ),
    "in-cells": NumberScene(layout=boxes, room=(0.15, 0.8)),
    "in-grid": NumberScene(layout=in_cells, room=(0.2, 0.9)),
    "canvas": NumberScene(partial(on_canvas, black=0.3), room=(0.2, 4)),
    "plain-1s": NumberScene(on_canvas, room=(0.2, 4)),
    "cheque": NumberScene(partial(scanned, light=sheets.patterned)),
    "photo": NumberScene(photo, room=(0.6, 6)),
    "on-desk": NumberScene(on_desk, height=(20, 80), room=(4, 7)),
    "cut-out": NumberScene(cut_out, height=(14, 80)),
    "clipped": NumberScene(layout=among_others, room=(0.06, 0.5)),
    "two-lines": NumberScene(),
    **dict.fromkeys(("frame", "word", "character", "things"), NumberScene()),
    **dict.fromkeys(MARKED, NumberScene()),
}
# What is written, if not n: patterns of `training.writing.patterns`, with n for some
# digits and c for as many in cells.
PATTERNS = {
    "with-signs": "$n",
    "in-cells": "c",
    "in-grid": "c",
    "plain-1s": "1d|d1|1dd|d1d|dd1|d11",
    "two-lines": "n\nddd",
    "word": "Ll|Lll|Llll|Lllll",
    "character": "*",
    "things": "**|***",
    "amounts": "d.dd|ddd.dd|d,ddd.dd|dd,dd|d.ddd,dd|-dd|-ddd|-d.dd|-dd.dd",
    "dates": "dd/dd/dd|dd/dd/dddd|dd.dd.dddd|dd-dd-dddd|d/d/dd",
    "times": "dd:dd|d:dd|d:dd:dd|dd:dd:dd",
    "columns": "dd dd|ddd ddd|ddd dd|dd dddd",
}


def generator_of(scene: str, seed: int, index: int) -> Generator:
    """Return the random generator of a picture."""
    return np.random.default_rng([seed, crc32(scene.encode()), index])


def render(scene: str, digit: Digit, seed: int, index: int) -> bytes:
    """Render a digit in a scene."""
    return SCENES[scene](digit, generator_of(scene, seed, index))


def number(
    scene: str, digits: Digits, seed: int, index: int, lengths: tuple[int, int] = (2, 5)
) -> tuple[bytes, str]:
    """Render a number in a scene: a file, and its text, with a newline between lines.

    It has `lengths` digits, at least and at most, if that is not its pattern's choice.
    """
    rng = generator_of(scene, seed, index)
    first = rng.integers(max(1, len(digits) - FROM))
    fewest, most = lengths
    count = rng.integers(fewest, most + 1)
    digits = digits.take(slice(first, first + FROM))
    if scene == "frame":
        return png(Image.fromarray(digits.images[0].numpy())), str(
            int(digits.labels[0])
        )
    pattern = str(rng.choice(PATTERNS.get(scene, "n").split("|")))
    pattern = pattern.replace("n", "d" * count).replace("c", "\t".join("d" * count))
    return NUMBERS[scene].number(pattern, digits, rng)
