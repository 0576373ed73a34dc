"""The catalogue of scenes: MNIST's digits, and numbers made of them, in the kinds of picture that people send.

`render` draws one digit, `number` several, with marks or other things among them, in one hand: MNIST's images are
sorted by writer, with two writers interleaved. A picture depends only on its scene, the seed and its index. Lengths are
in digit heights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.maps import Map, connected
from training import characters, non_digits, sheets
from training.data import NOTHING
from training.paper import levels, png, resized, to_image
from training.sample import random_digit
from training.sheets import Finish, photographed, ruled, scanned, turned
from training.strokes import Digit, felt, pen
from training.writing import FELT, INKED, TIGHT, TOUCHING, Hand, Row, Span, extent, mark, written

Layout = Callable[[Map, float, Generator, Span], Map]  # ink, the digits' height in pixels, room → ink on a sheet
Draw = Callable[..., bytes]  # digits, a random generator and perhaps a pattern → a file
Pattern = Callable[[Generator, int], str]  # chooses what to write with so many digits: # for each
SPACED = 0.12, 0.5  # gaps
# What else a pattern may have, beside # for a digit.
OTHERS: dict[str, tuple[non_digits.Kind, ...]] = {
    "$": (characters.sign,),
    "L": (characters.letter,),
    "*": (characters.letter, characters.invented_character, characters.scribble),
    "T": (characters.lines, non_digits.shape, non_digits.texture),
}


def placed(ink: Map, height: float, rng: Generator, room: Span) -> Map:
    """Place ink on a sheet with so much room around it."""
    free = rng.uniform(*room, 2) * height
    before = free * rng.uniform(0.05, 0.95, 2)
    return np.pad(ink, np.stack([before, free - before], axis=1).astype(int))


def cut(ink: Map, height: float, rng: Generator, room: Span, share: Span) -> Map:
    """Place ink of which an edge of the sheet cuts off a share."""
    side = int(rng.integers(4))
    sheet = np.rot90(placed(ink, height, rng, room), side)
    rows = extent(sheet, INKED)[0]
    return np.rot90(sheet[rows.start + round(rng.uniform(*share) * (rows.stop - rows.start)) :], -side)


def among_others(ink: Map, height: float, rng: Generator, room: Span) -> Map:
    """Crop ink from a page: one or two of the edges cut through other digits."""
    for side, has_other in enumerate(rng.permutation([True, rng.random() < 0.5, False, False])):
        sheet, margin = np.rot90(ink, side), int(rng.uniform(*room) * height)
        sheet = np.pad(sheet, ((margin, 0), (0, 0)))
        if has_other:
            other = np.rot90(written(felt(random_digit(rng)), height, 0.0), side)
            sheet = stacked([other[int(rng.uniform(0.35, 0.7) * len(other)) :], sheet], rng)
        ink = np.rot90(sheet, -side)
    return ink


def stacked(lines: Sequence[Map], rng: Generator) -> Map:
    """Put lines below each other, at random indents."""
    wide = max(line.shape[1] for line in lines)
    indents = [int(rng.integers(wide - line.shape[1] + 1)) for line in lines]
    pads = [((0, 0), (k, wide - k - line.shape[1])) for k, line in zip(indents, lines, strict=True)]
    return np.concatenate([np.pad(line, pad) for line, pad in zip(lines, pads, strict=True)])


class Cells(NamedTuple):
    """Cells of a printed grid or, if there is a gap between them, boxes of a form."""

    room: Span = (0.2, 0.9)  # in a cell
    gap: Span = (0, 0)
    outside: Span = (0, 0.3)

    def filled(self, masks: Sequence[Map], height: float, rng: Generator) -> tuple[Map, Map]:
        """Write a digit into each cell: the ink, and what is printed."""
        cell = (np.max([mask.shape for mask in masks], axis=0) + rng.uniform(*self.room, 2) * height).astype(int)
        gap, width = round(rng.uniform(*self.gap) * height), round(rng.uniform(0.015, 0.05) * height) + 1
        box = np.pad(np.pad(np.zeros(cell - 2 * width), width, constant_values=1), (0, gap))
        printed = np.tile(box, (3, len(masks) + 2)).astype(np.float32)
        ink, pitch = np.zeros_like(printed), np.array(box.shape)
        for place, mask in enumerate(masks, 1):
            top, left = (pitch * (1, place) + (cell - mask.shape) * rng.uniform(0.1, 0.9, 2)).astype(int)
            ink[top : top + len(mask), left : left + mask.shape[1]] = mask
        before, after = (rng.uniform(*self.outside, (2, 2)) * height).astype(int)
        (top, left), (bottom, right) = pitch - before, pitch * (1, len(masks)) + cell + after
        seen = slice(max(0, top), bottom), slice(max(0, left), right)
        return ink[seen], turned(printed, rng.uniform(-1.5, 1.5), expand=False)[seen]


@dataclass(frozen=True)
class Scene:
    """How digits are written, and what becomes of the ink. The pens' widths are the digit's height by so many."""

    finish: Finish = scanned
    height: Span = (120, 350)
    room: Span = (0.3, 2)
    layout: Layout = placed
    pens: Span = (10, 18)
    felt: float = 0.4  # share of felt pens, which keep MNIST's strokes
    turn: float = 0  # at most, in degrees
    slant: Span = (-0.1, 0.1)
    gaps: Span = SPACED
    touching: float = 0  # share of the gaps
    cells: Cells | None = None

    def __call__(self, digits: Sequence[Digit], rng: Generator, pattern: str = "#") -> bytes:
        """Draw digits, with marks and other things among them."""
        width = 0.0 if rng.random() < self.felt else 1 / rng.uniform(*self.pens)
        strokes = [pen(digit, width) if width else felt(digit) for digit in digits]
        hand = Hand(strokes, rng.uniform(*self.height), rng.uniform(*self.slant), width or FELT)
        if self.cells:
            masks = [written(each, hand.height * rng.uniform(0.85, 1.05), hand.slant) for each in strokes]
            ink, printed = self.cells.filled(masks, hand.height, rng)
            return self.finish(ink, hand.height, rng, printed=lambda *_: printed)
        lines: list[Map] = []
        for text in pattern.split("\n"):
            lines += [np.zeros((int(rng.uniform(0.35, 1) * hand.height), 1), np.float32)] * bool(lines)
            lines.append(self.line(text, hand, rng))
            hand = hand._replace(strokes=hand.strokes[text.count("#") :])
        ink = turned(stacked(lines, rng), rng.uniform(-self.turn, self.turn))
        return self.finish(self.layout(ink, hand.height, rng, self.room), hand.height, rng)

    def line(self, text: str, hand: Hand, rng: Generator) -> Map:
        """Write one line."""
        row, strokes = Row(hand.height), iter(hand.strokes)
        for before, sign in pairwise(" " + text):
            gap, height = TOUCHING if rng.random() < self.touching else self.gaps, rng.uniform(0.88, 1.08)
            if before == " ":
                gap = 1.2, 3
            if sign == "#":
                mask = written(next(strokes), hand.height * height, hand.slant)
                row.write(mask, rng.uniform(*gap), height - 1 + rng.uniform(-0.06, 0.06))
            elif sign in OTHERS:
                row.write(other(sign, hand.height * height, rng), rng.uniform(*SPACED))
            elif sign != " ":
                mask, raised = mark(sign, hand.height, hand.pen_width, hand.slant, rng)
                row.write(mask, rng.uniform(0.05, 0.3), raised)
        return row.cropped()


def other(sign: str, side: float, rng: Generator) -> Map:
    """Draw what is neither digit nor mark, with a longer side of so many pixels."""
    ink: Map | None = None
    while ink is None:
        ink = non_digits.crop(OTHERS[sign][rng.integers(len(OTHERS[sign]))](NOTHING, rng))
    height, width = (np.array(ink.shape) * side / max(ink.shape)).astype(int).clip(1).tolist()
    return resized(ink, (width, height)).clip(0, 1)


def without_specks(digit: Digit) -> Digit:
    """Remove the specks beside some of MNIST's digits, which look like points."""
    pieces = connected(digit > 60)
    shares = np.bincount(pieces.ravel(), digit.ravel()) / digit.sum()
    return np.where((shares < 0.08)[pieces] & (pieces > 0), 0, digit).astype(np.uint8)


def unchanged(digits: Sequence[Digit], _: Generator, __: str = "#") -> bytes:
    """Encode the MNIST image itself."""
    return png(Image.fromarray(digits[0]))


def tight(digits: Sequence[Digit], rng: Generator, side: int, margins: tuple[int, ...]) -> bytes:
    """Crop MNIST's ink, and resize its longer side to `side` pixels."""
    level = levels(digits[0])
    ink = level[extent(level, 0.4 * level.max())]
    height, width = (np.array(ink.shape) * side / max(ink.shape)).round().astype(int).clip(1).tolist()
    method = Image.Resampling.BOX if side < max(ink.shape) else Image.Resampling.BICUBIC
    return sheets.cut_out(levels(to_image(255 * ink).resize((width, height), method)), side, rng, margins)


SIDES = 8, 16, 28, 100, 300
Thin = partial(Scene, pens=(15, 25), felt=0)
SCENES: dict[str, Draw] = {
    "clean": unchanged,
    "large-canvas": Scene(sheets.on_canvas, room=(1.5, 10), felt=1),
    "thin-pen": Thin(finish=sheets.on_canvas, height=(150, 500)),
    "thick-marker": Scene(sheets.on_canvas, height=(150, 500), pens=(5, 8), felt=0),
    "white-on-black": Scene(partial(sheets.on_canvas, black=1)),
    "colour-on-colour": Scene(sheets.coloured),
    "transparent-black-ink": Scene(partial(sheets.transparent, level=0)),
    "transparent-white-ink": Scene(partial(sheets.transparent, level=255)),
    "phone-photo": Scene(partial(photographed, with_desk=True), room=(0.8, 4)),
    "12-megapixels": Scene(partial(photographed, with_desk=True, zoom=2), height=(350, 500), room=(1.5, 3)),
    "crumpled-paper": Scene(partial(scanned, light=sheets.crumpled)),
    "ruled-paper": Scene(partial(scanned, printed=ruled((0.6, 1.2), (0.005, 0.02)), grey=(150, 195))),
    "squared-paper": Scene(partial(scanned, printed=ruled((0.25, 0.5), (0.004, 0.012), 2), grey=(150, 195))),
    "printed-box": Scene(partial(scanned, grey=(10, 90)), cells=Cells((0.16, 0.8), (0.05, 0.2), (0.06, 0.3))),
    "faint-pencil": Thin(finish=partial(scanned, pencil=(0.2, 0.35))),
    "specks-and-smudges": Scene(partial(scanned, light=sheets.dirty)),
    "cut-off-neighbours": Scene(layout=among_others, room=(0.2, 0.7)),
    "slightly-cut": Scene(layout=partial(cut, share=(0.03, 0.08))),
    "quarter-cut": Scene(layout=partial(cut, share=(0.25, 0.25))),
    "printed-grid": Thin(
        finish=partial(scanned, grey=(10, 70), pencil=(0.35, 0.65)), height=(50, 300), cells=Cells(outside=(0, 0.15))
    ),
    "grid-through": Scene(partial(scanned, printed=ruled((0.5, 1), (0.01, 0.03), 2), grey=(90, 190)), room=(0.3, 1)),
    "one-bit-scan": Scene(partial(scanned, is_binary=True)),
    **{f"tight-{side}px": partial(tight, side=side, margins=(0,)) for side in SIDES},
    **{f"tight-{side}px-margin": partial(tight, side=side, margins=(1, 2)) for side in SIDES},
    **{f"tight-photo-{side}px": Scene(scanned, (0.75 * side, side), (0, 0)) for side in (48, 100, 300)},
}


def repeated(_: Generator, count: int, sign: str = "#") -> str:
    """Write so many digits or other things."""
    return count * sign


def separated(rng: Generator, count: int, before: str = "") -> str:
    """Write digits with points, commas and dashes between them, and perhaps a sign in front."""
    text = "".join(rng.choice(["#", "#.", "#,", "#-"], count, p=[0.5, 0.17, 0.17, 0.16]))
    return (before if rng.random() < 0.5 else "") + text.rstrip(".,-")


def one_of(*patterns: str) -> Pattern:
    """Choose one of some patterns."""
    return lambda rng, _: patterns[rng.integers(len(patterns))]


def any_finish(ink: Map, height: float, rng: Generator) -> bytes:
    """Scan, draw or photograph ink."""
    finishes: tuple[Finish, ...] = scanned, partial(sheets.on_canvas, black=0.3), photographed
    return finishes[rng.integers(3)](ink, height, rng)


Line = partial(Scene, height=(28, 90), room=(0.2, 1.5), turn=2, pens=(9, 16), felt=0.5)
InCells = partial(Line, finish=partial(scanned, grey=(10, 160)), height=(28, 70))
ANY = Line(finish=any_finish)
NUMBERS: dict[str, tuple[Pattern, Draw]] = {
    "spaced": (repeated, Line()),
    "tight": (repeated, Line(gaps=TIGHT)),
    "touching": (repeated, Line(gaps=TIGHT, touching=0.4)),
    "slanted": (repeated, Line(slant=(0.25, 0.6), gaps=(0.05, 0.3))),
    "on-lines": (repeated, Line(finish=partial(scanned, printed=ruled((0.9, 1.8), (0.01, 0.04))))),
    "in-cells": (repeated, InCells(cells=Cells((0.15, 0.8), (0.05, 0.3), (-0.02, 0.5)))),
    "in-grid": (repeated, InCells(cells=Cells())),
    "in-row": (repeated, InCells(cells=Cells(outside=(-0.12, 0.02)))),
    "separated": (separated, Line(gaps=(0.08, 0.35))),
    "with-signs": (partial(separated, before="$"), Line(gaps=(0.08, 0.35))),
    "canvas": (repeated, Line(finish=partial(sheets.on_canvas, black=0.3), height=(40, 160), room=(0.2, 4))),
    "cheque": (repeated, Line(finish=partial(scanned, light=sheets.patterned), room=(0.05, 0.8), gaps=(0, 0.2))),
    "photo": (repeated, Line(finish=photographed, room=(0.6, 6), turn=5)),
    "on-desk": (repeated, Line(finish=partial(photographed, with_desk=True), height=(20, 80), room=(5, 9))),
    "cut-out": (repeated, Line(finish=sheets.cut_out, height=(14, 80), gaps=(0.05, 0.4))),
    "clipped": (repeated, Line(layout=among_others, room=(0.06, 0.5))),
    "two-lines": (lambda rng, count: count * "#" + "\n" + int(rng.integers(2, 6)) * "#", Line()),
    "frame": (one_of("#"), unchanged),
    "word": (partial(repeated, sign="L"), ANY),
    "character": (one_of("*"), ANY),
    "things": (partial(repeated, sign="T"), ANY),
    "amounts": (one_of("#.##", "##.##", "###.##", "#,###.##", "##,##", "#.###,##"), ANY),
    "negatives": (one_of("-##", "-###", "-#.##", "-##.##"), ANY),
    "dates": (one_of("##/##/##", "##/##/####", "##.##.####", "##-##-####", "#/#/##"), ANY),
    "times": (one_of("##:##", "#:##", "#:##:##", "##:##:##"), ANY),
    "columns": (one_of("## ##", "### ###", "### ##", "## ####"), ANY),
}
MARKED = "amounts", "negatives", "dates", "times", "columns"  # of which the text counts as written


class Number(NamedTuple):
    """A picture of a number, as a file, and its text, with a newline between lines."""

    picture: bytes
    text: str


def render(scene: str, digit: Digit, seed: int, index: int) -> bytes:
    """Render a digit in a scene."""
    return SCENES[scene]([digit], np.random.default_rng([seed, crc32(scene.encode()), index]))


def number(
    scene: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seed: int,
    index: int,
    lengths: tuple[int, int] = (2, 5),
) -> Number:
    """Render a number in a scene, with `lengths` digits, at least and at most, if that is not its pattern's choice."""
    rng = np.random.default_rng([seed, crc32(scene.encode()), index])
    choose, draw = NUMBERS[scene]
    pattern = choose(rng, int(rng.integers(lengths[0], lengths[1] + 1)))
    count = pattern.count("#")
    chosen = int(rng.integers(len(images) - 2 * count)) + 2 * np.arange(count)  # every second image: one writer
    found = map(str, labels[chosen])
    text = "".join(next(found) if sign == "#" else sign for sign in pattern)
    kept = text if scene in MARKED else "".join(sign for sign in text if sign in "0123456789\n")
    return Number(draw([without_specks(image) for image in images[chosen]], rng, pattern), kept)
