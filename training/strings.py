"""Pictures of numbers, made of MNIST's digits: what the weights of `app.inference.lattice` are fitted and measured on.

MNIST's images come writer by writer, two of them in turn, so a number of every second image is in one hand. Seeded: a
picture depends on the seed, its scene and its place alone. Ignores: digits cut off or crossed out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.paper import (
    Size,
    cast_shadow,
    clouds,
    ink_colour,
    jpeg,
    lines,
    lit,
    noise,
    off_white,
    paint,
    plain,
    png,
    scanned,
    sensed,
    to_image,
)
from training.strokes import Map, Strokes, felt, pen

Span = tuple[float, float]
SPACED, TIGHT, TOUCHING = (0.12, 0.5), (0.02, 0.12), (-0.08, -0.01)  # gaps, in heights of a digit
SIGNS = ".,-$#="


class Number(NamedTuple):
    """A picture of digits.

    Attributes
    ----------
    picture : bytes
        A PNG or JPEG file.
    text : str
        Its digits; lines end with a newline, but for the last.
    """

    picture: bytes
    text: str


class Hand(NamedTuple):
    """How somebody writes: digits as strokes, in cells; the height of one in pixels; a slant; with which pen."""

    strokes: list[Strokes]
    height: float
    slant: float
    pen_width: float


def hand(
    digits: Sequence[NDArray[np.uint8]], rng: Generator, height: Span = (28, 90), slant: Span = (-0.1, 0.1)
) -> Hand:
    """A hand that writes digits with a felt pen or a ball pen."""
    width = 1 / rng.uniform(9, 16)
    as_felt = rng.random() < 0.5
    strokes = [felt(digit) if as_felt else pen(digit, width) for digit in digits]
    return Hand(strokes, rng.uniform(*height), rng.uniform(*slant), 1 / 9 if as_felt else width)


def written(strokes: Strokes, height: float, slant: float) -> Map:
    """A mask of one digit in its box, (h, w), `height` pixels high and slanted to the right."""
    left, top, right, bottom = strokes.box
    scale = (bottom - top) / height
    reach = abs(slant) * height / 2
    size = int(np.ceil((right - left) / scale + 2 * reach)) + 4, int(np.ceil(height)) + 4
    middle = (left + right) / 2, (top + bottom) / 2
    x = scale * slant  # a row that is higher lies further to the right
    onto = (scale, x, middle[0] - scale * size[0] / 2 - x * size[1] / 2, 0, scale, middle[1] - scale * size[1] / 2)
    field = Image.fromarray(strokes.field).transform(
        size, Image.Transform.AFFINE, onto, Image.Resampling.BICUBIC, fillcolor=-99
    )
    mask = (0.5 + np.asarray(field) / np.float32(scale)).clip(0, 1)
    rows, columns = (np.flatnonzero((mask > 0.1).any(axis=axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def sign(kind: str, height: float, width: float) -> Map:
    """A mask of a sign that is no digit, from the top of the digits beside it down to their foot or below it."""
    image = Image.new("L", (int(0.8 * height) + 4, int(1.3 * height) + 4))
    draw, pen_width = ImageDraw.Draw(image), max(1, round(width * height))
    h, w = height, 0.4 * height
    strokes = {
        ".": [((2, h - pen_width), (2 + pen_width / 2, h - pen_width))],
        ",": [((0.15 * h, 0.92 * h), (0.06 * h, 1.15 * h))],
        "-": [((2, 0.52 * h), (2 + w, 0.5 * h))],
        "=": [((2, 0.42 * h), (2 + w, 0.4 * h)), ((2, 0.6 * h), (2 + w, 0.6 * h))],
        "#": [((0.3 * h, 0), (0.2 * h, h)), ((0.5 * h, 0), (0.4 * h, h))]
        + [((0, y * h), (0.7 * h, y * h)) for y in (0.33, 0.66)],
        "$": [((0.25 * h, 0), (0.25 * h, h))],
    }[kind]
    for start, end in strokes:
        draw.line((*start, *end), fill=255, width=pen_width)
    if kind == "$":
        draw.arc((0.05 * h, 0.1 * h, 0.45 * h, 0.5 * h), 90, 330, fill=255, width=pen_width)
        draw.arc((0.05 * h, 0.5 * h, 0.45 * h, 0.9 * h), 270, 150, fill=255, width=pen_width)
    columns = np.flatnonzero(np.asarray(image).any(axis=0))
    return np.asarray(image, np.float32)[:, columns[0] : columns[-1] + 1] / np.float32(255)


class Row:
    """A line of writing: ink beside ink on a strip of paper, which grows to the right."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.top = round(0.5 * height)  # of a digit that is neither raised nor lowered
        self.strip = np.zeros((round(2.2 * height) + 8, 0), np.float32)

    def write(self, mask: Map, gap: float, raised: float = 0.0) -> None:
        """Add ink after a gap, in heights, from the nearest ink before it in any of its rows; none overlaps by more."""
        top = max(0, round(self.top - raised * self.height))
        mask = mask[: len(self.strip) - top]
        rows = slice(top, top + len(mask))
        start = self.strip.shape[1]
        if start:
            shift = nearest(self.strip[rows], mask) + gap * self.height
            start = max(0, round(start + shift))
        grown = np.zeros((len(self.strip), max(self.strip.shape[1], start + mask.shape[1])), np.float32)
        grown[:, : self.strip.shape[1]] = self.strip
        place = grown[rows, start : start + mask.shape[1]]
        np.maximum(place, mask, out=place)
        self.strip = grown

    def cropped(self) -> Map:
        """The ink in its box."""
        rows = np.flatnonzero((self.strip > 0.1).any(axis=1))
        return self.strip[rows[0] : rows[-1] + 1]


def nearest(before: Map, after: Map) -> float:
    """Where ink touches the ink before it, were it moved there: columns from that one's end, 0 or fewer."""
    reach = max(1, len(before) // 8)  # a row apart is as near as a row beside
    ends = before.shape[1] - 1 - (before[:, ::-1] > 0.3).argmax(axis=1)
    ends = np.where((before > 0.3).any(axis=1), ends, -(10**6))
    ends = np.max([np.roll(ends, k) for k in range(-reach, reach + 1)], axis=0)
    begins = np.where((after > 0.3).any(axis=1), (after > 0.3).argmax(axis=1), 10**6)
    distance = (begins - ends).min()
    return float(max(1 - distance - before.shape[1], -after.shape[1] * 0.7)) if distance < 10**5 else 0.0


def row(writer: Hand, rng: Generator, gaps: Span, signs: bool = False, touching: bool = False) -> Map:
    """Digits in a line; with signs between some of them, or one or more pairs that touch."""
    line = Row(writer.height)
    touches = rng.integers(1, max(2, len(writer.strokes))) if touching else 0
    for place, strokes in enumerate(writer.strokes):
        gap = rng.uniform(*(TOUCHING if place == touches or (touching and rng.random() < 0.2) else gaps))
        height = writer.height * rng.uniform(0.88, 1.08)
        mask = written(strokes, height, writer.slant)
        if signs and rng.random() < (0.3 if place == 0 else 0.5):
            kind = (
                SIGNS[rng.integers(2, 6) if place == 0 else rng.integers(4)] if place == 0 else SIGNS[rng.integers(3)]
            )
            line.write(sign(kind, writer.height, writer.pen_width), rng.uniform(0.08, 0.4))
            gap = rng.uniform(0.08, 0.4)
        line.write(mask, gap, rng.uniform(-0.06, 0.06) + (height / writer.height - 1))
    return line.cropped()


def laid(mask: Map, size: Size, rng: Generator, angle: float = 0.0) -> Map:
    """A mask anywhere on a larger one, turned by some degrees."""
    turned = (
        to_image(255 * mask).rotate(angle, Image.Resampling.BICUBIC, expand=True) if angle else to_image(255 * mask)
    )
    sheet = Image.new("L", size)
    sheet.paste(turned, tuple(int(rng.integers(0, max(1, a - b))) for a, b in zip(size, turned.size, strict=True)))
    return np.asarray(sheet, np.float32) / np.float32(255)


def room(mask: Map, height: float, rng: Generator, least: float = 0.2, most: float = 1.5) -> Size:
    """A size with so much room around a mask, in heights of a digit."""
    across, down = rng.uniform(least, most, 2) * height
    return int(mask.shape[1] + across) + 2, int(mask.shape[0] + down) + 2


def canvas(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Drawn on a white or a black canvas."""
    writer = hand(digits, rng, (40, 160))
    mask = row(writer, rng, SPACED)
    ink = laid(mask, room(mask, writer.height, rng, 0.2, 4), rng, rng.uniform(-4, 4))
    return png(255 * ink if rng.random() < 0.3 else 255 - ink * np.float32(rng.uniform(205, 255)))


def on_paper(mask: Map, height: float, rng: Generator, ruled: Callable[[Size], Map] | None = None) -> bytes:
    """A mask on a sheet of paper, scanned; first something may be printed on it."""
    size = room(mask, height, rng)
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    if ruled is not None:
        paper = paint(paper, ruled(size), np.full(3, rng.uniform(60, 190)) + rng.uniform(0, 30, 3))
    ink = laid(mask, size, rng, rng.uniform(-2, 2))
    return scanned(rng, paint(paper, ink, ink_colour(rng)), rng.uniform(1, 4))


def spaced(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Digits with room between them."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, SPACED), writer.height, rng)


def tight(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Digits close together."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, TIGHT), writer.height, rng)


def touching(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """A pair that touches, or more."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, TIGHT, touching=True), writer.height, rng)


def slanted(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """A strong slant."""
    writer = hand(digits, rng, slant=(0.25, 0.6) if rng.random() < 0.8 else (-0.4, -0.2))
    return on_paper(row(writer, rng, (0.05, 0.3)), writer.height, rng)


def on_lines(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """On ruled paper, the lines anywhere."""
    writer = hand(digits, rng)
    spacing = rng.uniform(0.9, 1.8) * writer.height
    angle = np.radians(rng.uniform(-1, 1))

    def ruled(size: Size) -> Map:
        return lines(size, spacing, rng.uniform(0.01, 0.03) * spacing + 0.5, angle, rng.uniform(0, spacing))

    return on_paper(row(writer, rng, SPACED), writer.height, rng, ruled)


def in_cells(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """A digit in each box of a form, or cell of a table; some touch its lines."""
    writer = hand(digits, rng, (28, 70))
    masks = [written(strokes, writer.height * rng.uniform(0.85, 1.08), writer.slant) for strokes in writer.strokes]
    wide = max(mask.shape[1] for mask in masks) + rng.uniform(0.15, 0.7) * writer.height
    tall = rng.uniform(1.12, 1.8) * writer.height
    between = rng.choice([0, rng.uniform(0.1, 0.4)]) * writer.height
    margin, width = rng.uniform(-0.02, 0.5, 2) * writer.height, max(1, round(rng.uniform(0.015, 0.05) * writer.height))
    size = int(2 * margin[0] + len(masks) * (wide + between) + 4), int(2 * margin[1] + tall + 4)
    printed, ink = Image.new("L", size), np.zeros(size[::-1], np.float32)
    for place, mask in enumerate(masks):
        x, y = margin[0] + place * (wide + between), margin[1]
        ImageDraw.Draw(printed).rectangle((x, y, x + wide, y + tall), outline=255, width=width)
        slack = np.array([wide - mask.shape[1], tall - mask.shape[0]])
        left, top = (np.array([x, y]) + slack * rng.uniform(0.15, 0.85, 2)).round().astype(int).clip(0)
        part = ink[top : top + mask.shape[0], left : left + mask.shape[1]]
        np.maximum(part, mask[: part.shape[0], : part.shape[1]], out=part)
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    paper = paint(paper, np.asarray(printed, np.float32) / 255, np.full(3, rng.uniform(10, 170)))
    picture = to_image(paint(paper, ink, ink_colour(rng)))
    ground = tuple(int(level) for level in picture.getpixel((0, 0)))
    picture = picture.rotate(rng.uniform(-1, 1), Image.Resampling.BICUBIC, fillcolor=ground)
    return scanned(rng, np.asarray(picture, np.float32), rng.uniform(1, 3))


def with_signs(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Points, commas, dashes between the digits, or a sign in front of them."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, (0.08, 0.35), signs=True), writer.height, rng)


def cheque(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """The amount on a cheque: close together, signs around it, a pattern below, the rest of a printed line."""
    writer = hand(digits, rng, (28, 60), (-0.1, 0.35))
    mask = row(writer, rng, (0.0, 0.2), signs=rng.random() < 0.5, touching=rng.random() < 0.3)
    size = room(mask, writer.height, rng, 0.05, 0.8)
    waves = clouds(rng, size, int(rng.integers(4, 30)), int(rng.integers(3, 12)))
    pattern = np.sin(waves * rng.uniform(3, 15)) * rng.uniform(4, 16)
    paper = plain(size, off_white(rng) - rng.uniform(5, 45, 3)) + pattern[..., None] + noise(rng, size, 2)
    if rng.random() < 0.4:
        spacing = size[1] * rng.uniform(0.9, 1.6)
        rule = lines(size, spacing, rng.uniform(1, 3), np.radians(rng.uniform(-1, 1)), rng.uniform(0, spacing))
        paper = paint(paper, rule, np.full(3, rng.uniform(40, 150)))
    ink = laid(mask, size, rng, rng.uniform(-2, 2))
    picture = scanned(rng, paint(paper, ink, ink_colour(rng)), rng.uniform(1, 4))
    return picture


def photographed(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """A photo of a number on a sheet, in uneven light."""
    writer = hand(digits, rng, (30, 90))
    mask = row(writer, rng, SPACED)
    size = room(mask, writer.height, rng, 0.6, 6)
    paper = plain(size, off_white(rng)) + noise(rng, size, 1.5)
    picture = paint(paper, laid(mask, size, rng, rng.uniform(-5, 5)), ink_colour(rng))
    picture *= (lit(rng, size, 0.45) * cast_shadow(rng, size))[..., None]
    return jpeg(sensed(rng, picture, rng.uniform(0.4, 1.2), rng.uniform(1.5, 4)), int(rng.integers(60, 91)))


def stacked(rows: Sequence[Map], height: float, rng: Generator) -> Map:
    """Lines of writing below each other."""
    indents = [int(rng.uniform(0, 0.8) * height) for _ in rows]
    wide = max(indent + line.shape[1] for indent, line in zip(indents, rows, strict=True))
    parts = []
    for indent, line in zip(indents, rows, strict=True):
        parts.append(np.pad(line, ((0, 0), (indent, wide - indent - line.shape[1]))))
        parts.append(np.zeros((int(rng.uniform(0.35, 1.0) * height), wide), np.float32))
    return np.concatenate(parts[:-1])


Scene = Callable[[Sequence[NDArray[np.uint8]], Generator], bytes]
SCENES: dict[str, Scene] = {
    "spaced": spaced,
    "tight": tight,
    "touching": touching,
    "slanted": slanted,
    "on-lines": on_lines,
    "in-cells": in_cells,
    "with-signs": with_signs,
    "canvas": canvas,
    "cheque": cheque,
    "photo": photographed,
}
TWO_LINES = "two-lines"


def number(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, index: int, lengths: tuple[int, int]
) -> Number:
    """A picture of a number of so many digits, (least, most), in a scene; of two lines, each has so many."""
    rng = np.random.default_rng([seed, crc32(scene.encode()), index])
    counts = rng.integers(lengths[0], lengths[1] + 1, 2 if scene == TWO_LINES else 1)
    first = int(rng.integers(len(images) - 2 * counts.sum()))
    chosen = first + 2 * np.arange(counts.sum())  # every second image is by one writer
    text = "".join(map(str, labels[chosen]))
    digits = list(images[chosen])
    if scene != TWO_LINES:
        return Number(SCENES[scene](digits, rng), text)
    writer = hand(digits, rng)
    parts = [writer._replace(strokes=writer.strokes[: counts[0]]), writer._replace(strokes=writer.strokes[counts[0] :])]
    mask = stacked([row(part, rng, SPACED) for part in parts], writer.height, rng)
    return Number(on_paper(mask, writer.height, rng), text[: counts[0]] + "\n" + text[counts[0] :])
