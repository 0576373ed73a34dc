"""The catalogue of scenes: MNIST's digits, and numbers made of them, in the kinds of
picture that people send.

`render` draws one digit; `number` writes several, or other things, as
`training.line_writer` does. A picture depends only on its scene, the seed and its
index. Lengths are in digit heights.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image, ImageOps

from app.picture.maps import Map, connected
from training import sample, sheets
from training.alphabet import CHARACTERS, DEFAULT
from training.data import Digits
from training.drawing import extent, png, resized
from training.line_writer import HEIGHT, Glyphs, Pen, Writer
from training.sheets import Finish, cut_out, jpeg, on_canvas, opened, scanned, turned
from training.strokes import Digit, felt, pen
from training.writing import INKED, TIGHT, Row, Span, written

# Digits, in MNIST's order, that a number is written with; a Writer needs more than 2 ·
# NEARBY.
FROM = 100
Lines = Sequence[Map]  # ink, or digits for cells
# Ink, the digits' height in pixels, room → ink on a sheet.
Layout = Callable[[Lines, float, Generator, Span], Map]


def padded(ink: Map, free: ArrayLike, rng: Generator) -> Map:
    """Add so many free rows and columns around ink."""
    before = np.multiply(free, rng.uniform(0.05, 0.95, 2)).astype(int)
    return np.pad(ink, np.stack([before, np.asarray(free, int) - before], axis=1))


def stacked(lines: Lines, rng: Generator) -> Map:
    """Put lines below each other, at random indents."""
    wide = max(line.shape[1] for line in lines)
    return np.concatenate(
        [padded(line, (0, wide - line.shape[1]), rng) for line in lines]
    )


def placed(lines: Lines, height: float, rng: Generator, room: Span) -> Map:
    """Put lines below each other on a sheet with so much room around them."""
    gap = np.zeros((int(rng.uniform(0.35, 1) * height), 1), np.float32)
    parts = [part for line in lines for part in (gap, line)][1:]
    return padded(stacked(parts, rng), rng.uniform(*room, 2) * height, rng)


def cut(lines: Lines, height: float, rng: Generator, room: Span, share: float) -> Map:
    """Place ink of which an edge of the sheet cuts off a share."""
    side = int(rng.integers(4))
    sheet = np.rot90(placed(lines, height, rng, room), side)
    rows = extent(sheet, INKED)[0]
    return np.rot90(
        sheet[rows.start + round(share * (rows.stop - rows.start)) :], -side
    )


def among_others(lines: Lines, height: float, rng: Generator, room: Span) -> Map:
    """Crop ink from a page: one or two of the edges cut through other digits."""
    ink = placed(lines, height, rng, room)
    for side in rng.permutation(4)[: rng.integers(1, 3)]:
        digit = np.rot90(
            written(felt(sample.digits()[rng.integers(500)]), height, 0.0), side
        )
        part, gap = (
            digit[int(rng.uniform(0.35, 0.7) * len(digit)) :],
            int(rng.uniform(0.2, 0.7) * height),
        )
        ink = np.rot90(
            stacked([np.pad(part, ((0, gap), (0, 0))), np.rot90(ink, side)], rng), -side
        )
    return ink


def ruled(
    lines: Lines,
    height: float,
    rng: Generator,
    room: Span,
    spacing: Span,
    darkness: Span,
) -> Map:
    """Place ink on paper with printed lines or, half of the time, squares."""
    sheet = placed(lines, height, rng, room)
    apart, thick = (
        int(rng.uniform(*span) * height) + 1 for span in (spacing, (0.005, 0.03))
    )
    rows, columns = (
        (np.arange(side) + rng.integers(apart)) % apart < thick for side in sheet.shape
    )
    printed = rows[:, None] | (columns & (rng.random() < 0.5))
    return turned(
        np.maximum(sheet, rng.uniform(*darkness) * printed), rng.uniform(-2, 2)
    )


def in_cells(
    digits: Lines, height: float, rng: Generator, room: Span, gap: Span = (0, 0)
) -> Map:
    """Write each digit into a cell of a printed grid or, if there is a gap between
    them, into a box of a form.
    """
    cell = np.max([digit.shape for digit in digits], axis=0) + (
        rng.uniform(*room, 2) * height
    ).astype(int)
    apart, thick = (
        round(rng.uniform(*gap) * height / 2),
        round(rng.uniform(0.015, 0.05) * height) + 1,
    )
    filled, dark = (
        [padded(digit, cell - digit.shape, rng) for digit in digits],
        rng.uniform(0.4, 1),
    )
    sheet = np.hstack(
        [np.pad(np.pad(each, thick, constant_values=dark), apart) for each in filled]
    )
    around = (rng.uniform(0, 0.15, (2, 2)) * height).astype(int) + apart
    # More cells are in view.
    return turned(np.pad(sheet, around, "symmetric"), rng.uniform(-1.5, 1.5))


def without_specks(digit: Digit) -> Digit:
    """Remove the specks beside some of MNIST's digits, which look like points."""
    pieces = connected(digit > 60)
    shares = np.bincount(pieces.ravel(), digit.ravel()) / digit.sum()
    return np.where((shares < 0.08)[pieces] & (pieces > 0), 0, digit).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """How digits are written, and what becomes of the ink. The pens' widths are a
    single digit's height by so many.
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
        height, strokes = rng.uniform(*self.height), self.pen(rng)(digit)
        return self.shown(
            [written(strokes, height, rng.uniform(*self.slant))], height, rng
        )

    def pen(self, rng: Generator) -> Pen:
        """Choose a pen: a felt pen, or a round one of some width."""
        width = 1 / rng.uniform(*self.pens)
        return felt if rng.random() < self.felt else partial(pen, width=width)

    def number(self, pattern: str, digits: Digits, rng: Generator) -> tuple[bytes, str]:
        """Write the lines of a pattern of `training.line_text`, or what stands between
        tabs into cells, in one hand.
        """
        writer = self.writer(digits, rng)
        height, tilt, lines, texts = (
            rng.uniform(*self.height),
            rng.uniform(-2, 2),
            [],
            [],
        )
        for part in re.split("[\n\t]", pattern):
            ink, text = line(writer, part)
            lines.append(turned(scaled(ink, height / HEIGHT), tilt))
            texts.append(text)
        return self.shown(lines, height, rng), ("\n" if "\n" in pattern else "").join(
            texts
        )

    def writer(self, digits: Digits, rng: Generator) -> Writer:
        """Choose a hand that writes with these digits."""
        whole = torch.from_numpy(
            np.stack([without_specks(image) for image in digits.images.numpy()])
        )
        writer = Writer(
            Glyphs(Digits(whole, digits.labels), [], rng, self.pen(rng)), rng
        )
        writer.gap, writer.slant, writer.straight = (
            self.gap,
            rng.uniform(*self.slant),
            0.0,
        )
        writer.point_raised = 0.0
        return writer

    def shown(self, lines: Lines, height: float, rng: Generator) -> bytes:
        """Place ink on a sheet, and make a file of it."""
        lines = [line * np.float32(rng.uniform(*self.darkness)) for line in lines]
        return self.finish(self.layout(lines, height, rng, self.room), height, rng)


def line(writer: Writer, pattern: str) -> tuple[Map, str]:
    """Write one line: its ink, with digits HEIGHT pixels high, and its text."""
    writer.row, writer.symbols = Row(HEIGHT), []
    writer.write(pattern)
    characters = (CHARACTERS[symbol - 1 : symbol] for symbol in writer.symbols)
    return writer.row.cropped(), "".join(c for c in characters if c and c in DEFAULT)


def scaled(ink: Map, factor: float) -> Map:
    """Resize ink; if it grows, its outlines stay crisp."""
    height, width = (max(1, round(side * factor)) for side in ink.shape)
    return (
        (resized(ink, (width, height)) - np.float32(0.5)) * np.float32(max(1, factor))
        + np.float32(0.5)
    ).clip(0, 1)


def tight(side: int, margins: tuple[int, ...]) -> Scene:
    """Crop to the ink of a digit of so many pixels."""
    return Scene(partial(cut_out, margins=margins), (side, side), (0, 0), felt=1)


photo = partial(scanned, light=sheets.shadowed)
on_desk = partial(photo, desk=2)
SHARP = Scene(on_desk, (350, 500), (1, 2.5))
boxes = partial(in_cells, gap=(0.1, 0.4))
Line = partial(Scene, height=(28, 90), room=(0.2, 1.5))
SIDES = 8, 16, 28, 100, 300
SCENES: dict[str, Callable[[Digit, Generator], bytes]] = {
    "clean": lambda digit, _: png(Image.fromarray(digit)),
    "large-canvas": Scene(on_canvas, room=(1.5, 10), felt=1),
    "thin-pen": Scene(on_canvas, (150, 500), pens=(15, 25), felt=0),
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
    "faint-pencil": Scene(pens=(15, 25), felt=0, darkness=(0.2, 0.35)),
    "specks-and-smudges": Scene(partial(scanned, light=sheets.dirty)),
    "cut-off-neighbours": Scene(layout=among_others, room=(0.2, 1)),
    "slightly-cut": Scene(layout=partial(cut, share=0.05)),
    "quarter-cut": Scene(layout=partial(cut, share=0.25)),
    "printed-grid": Scene(
        layout=in_cells,
        height=(50, 300),
        room=(0.2, 0.9),
        pens=(15, 25),
        felt=0,
        darkness=(0.35, 0.65),
    ),
    "grid-through": Scene(
        layout=partial(ruled, spacing=(0.5, 1), darkness=(0.25, 0.7)), room=(0.3, 1)
    ),
    "one-bit-scan": Scene(sheets.one_bit),
    **{f"tight-{side}px": tight(side, (0,)) for side in SIDES},
    **{f"tight-{side}px-margin": tight(side, (1, 2)) for side in SIDES},
    **{
        f"tight-photo-{side}px": Scene(scanned, (0.75 * side, side), (0, 0))
        for side in (48, 100, 300)
    },
}
# What is written: patterns of `training.line_text`, with n for some digits and c for as
# many in cells.
NUMBERS: dict[str, tuple[str, Scene]] = {
    "spaced": ("n", Line()),
    "tight": ("n", Line(gap=TIGHT)),
    "touching": ("n", Line(gap=(-0.06, 0.1))),
    "slanted": ("n", Line(slant=(0.25, 0.6), gap=(0.05, 0.3))),
    "with-signs": ("$n", Line()),
    "on-lines": (
        "n",
        Line(layout=partial(ruled, spacing=(0.9, 1.8), darkness=(0.2, 0.7))),
    ),
    "in-cells": ("c", Line(layout=boxes, room=(0.15, 0.8))),
    "in-grid": ("c", Line(layout=in_cells, room=(0.2, 0.9))),
    "canvas": ("n", Line(partial(on_canvas, black=0.3), room=(0.2, 4))),
    "plain-1s": ("1d|d1|1dd|d1d|dd1|d11", Line(on_canvas, room=(0.2, 4))),
    "cheque": ("n", Line(partial(scanned, light=sheets.patterned))),
    "photo": ("n", Line(photo, room=(0.6, 6))),
    "on-desk": ("n", Line(on_desk, height=(20, 80), room=(4, 7))),
    "cut-out": ("n", Line(cut_out, height=(14, 80))),
    "clipped": ("n", Line(layout=among_others, room=(0.06, 0.5))),
    "two-lines": ("n\nddd", Line()),
    "frame": ("d", Line()),  # an MNIST image itself
    "word": ("Ll|Lll|Llll|Lllll", Line()),
    "character": ("*", Line()),
    "things": ("**|***", Line()),
    "amounts": ("d.dd|ddd.dd|d,ddd.dd|dd,dd|d.ddd,dd|-dd|-ddd|-d.dd|-dd.dd", Line()),
    "dates": ("dd/dd/dd|dd/dd/dddd|dd.dd.dddd|dd-dd-dddd|d/d/dd", Line()),
    "times": ("dd:dd|d:dd|d:dd:dd|dd:dd:dd", Line()),
    "columns": ("dd dd|ddd ddd|ddd dd|dd dddd", Line()),
}
MARKED = "amounts", "dates", "times", "columns"  # of which the text counts as written


def render(scene: str, digit: Digit, seed: int, index: int) -> bytes:
    """Render a digit in a scene."""
    return SCENES[scene](
        digit, np.random.default_rng([seed, crc32(scene.encode()), index])
    )


def number(
    scene: str, digits: Digits, seed: int, index: int, lengths: tuple[int, int] = (2, 5)
) -> tuple[bytes, str]:
    """Render a number in a scene: a file, and its text, with a newline between lines.

    It has `lengths` digits, at least and at most, if that is not its pattern's choice.
    """
    rng = np.random.default_rng([seed, crc32(scene.encode()), index])
    first = int(rng.integers(max(1, len(digits) - FROM)))
    count = int(rng.integers(lengths[0], lengths[1] + 1))
    if scene == "frame":
        return png(Image.fromarray(digits.images[first].numpy())), str(
            int(digits.labels[first])
        )
    patterns, draw = NUMBERS[scene]
    pattern = (
        str(rng.choice(patterns.split("|")))
        .replace("n", "d" * count)
        .replace("c", "\t".join("d" * count))
    )
    return draw.number(
        pattern, digits.take(torch.arange(first, min(first + FROM, len(digits)))), rng
    )
