"""Make pictures of numbers from MNIST's digits.

MNIST's images are sorted by writer, with two writers interleaved, so a number made of every second image is in one
hand. A picture depends only on the seed, its scene and its index. No digit is crossed out, and few are cut off.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.preprocess.maps import Map
from desk import sheet_bounds, sheet_on_desk, tilted_camera
from paper import (
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
    scanned,
    sensed,
    size_of,
    to_size,
)
from training.characters import invented_character, letter, scribble
from training.characters import lines as printed_lines
from training.data import NOTHING
from training.non_digits import Kind, crop, shape, texture
from training.paper import Size, levels, png, resized, to_image
from training.strokes import felt, pen
from training.writing import FELT, TIGHT, TOUCHING, Hand, Row, Span, written

SPACED = 0.12, 0.5  # gaps, in digit heights


SEPARATORS, SIGNS = ".,-", "-$#="
# The strokes of each sign, from (x, y) to (x, y), in digit heights from the digit's top left.
SIGN_STROKES: dict[str, list[tuple[float, ...]]] = {
    ".": [(0.05, 0.95, 0.06, 0.95)],
    ",": [(0.15, 0.92, 0.06, 1.15)],
    "-": [(0.05, 0.52, 0.45, 0.5)],
    "=": [(0.05, 0.42, 0.45, 0.4), (0.05, 0.6, 0.45, 0.6)],
    "#": [(0.3, 0, 0.2, 1), (0.5, 0, 0.4, 1), (0, 0.33, 0.7, 0.33), (0, 0.66, 0.7, 0.66)],
    "$": [(0.25, 0, 0.25, 1)],
}


class Number(NamedTuple):
    """A picture of a number.

    Attributes
    ----------
    picture : bytes
        A PNG or JPEG file.
    text : str
        Its digits, with a newline between lines.
    """

    picture: bytes
    text: str


def hand(
    digits: Sequence[NDArray[np.uint8]], rng: Generator, height: Span = (28, 90), slant: Span = (-0.1, 0.1)
) -> Hand:
    """Make a random hand for these digits, with a felt pen or a ball pen."""
    width = 1 / rng.uniform(9, 16)
    as_felt = rng.random() < 0.5
    strokes = [felt(digit) if as_felt else pen(digit, width) for digit in digits]
    return Hand(strokes, rng.uniform(*height), rng.uniform(*slant), FELT if as_felt else width)


def sign(kind: str, height: float, width: float) -> Map:
    """Draw a mask of a sign, from the top of the digits beside it down to their foot or below."""
    image = Image.new("L", (int(0.8 * height) + 4, int(1.3 * height) + 4))
    draw, pen_width = ImageDraw.Draw(image), max(1, round(width * height))
    for stroke in SIGN_STROKES[kind]:
        draw.line([height * share for share in stroke], fill=255, width=pen_width)
    if kind == "$":
        upper, lower = ([share * height for share in (0.05, top, 0.45, top + 0.4)] for top in (0.1, 0.5))
        draw.arc(upper, 90, 330, fill=255, width=pen_width)
        draw.arc(lower, 270, 150, fill=255, width=pen_width)
    columns = np.flatnonzero(np.asarray(image).any(axis=0))
    return levels(image)[:, columns[0] : columns[-1] + 1]


def row(writer: Hand, rng: Generator, gaps: Span, between: str = "", before: str = "", touching: bool = False) -> Map:
    """Write digits in a line. There may be signs between or before them, or one or more pairs that touch."""
    line = Row(writer.height)
    touches = rng.integers(1, max(2, len(writer.strokes))) if touching else 0
    for place, strokes in enumerate(writer.strokes):
        gap = rng.uniform(*(TOUCHING if place == touches or (touching and rng.random() < 0.2) else gaps))
        height = writer.height * rng.uniform(0.88, 1.08)
        mask = written(strokes, height, writer.slant)
        signs = between if place else before
        if signs and rng.random() < 0.5:
            kind = signs[rng.integers(len(signs))]
            line.write(sign(kind, writer.height, writer.pen_width), rng.uniform(0.08, 0.4))
            gap = rng.uniform(0.08, 0.4)
        line.write(mask, gap, rng.uniform(-0.06, 0.06) + (height / writer.height - 1))
    return line.cropped()


def stacked(rows: Sequence[Map], height: float, rng: Generator) -> Map:
    """Stack lines of writing, with random indents."""
    indents = [int(rng.uniform(0, 0.8) * height) for _ in rows]
    wide = max(indent + line.shape[1] for indent, line in zip(indents, rows, strict=True))
    parts = []
    for indent, line in zip(indents, rows, strict=True):
        parts.append(np.pad(line, ((0, 0), (indent, wide - indent - line.shape[1]))))
        parts.append(np.zeros((int(rng.uniform(0.35, 1.0) * height), wide), np.float32))
    return np.concatenate(parts[:-1])


def laid(mask: Map, size: Size, rng: Generator, angle: float = 0.0) -> Map:
    """Paste a mask at a random place on a sheet of this size, rotated by an angle in degrees."""
    turned = to_image(255 * mask).rotate(angle, Image.Resampling.BICUBIC, expand=True)
    sheet, room_left = Image.new("L", size), np.subtract(size, turned.size).clip(min=1)
    left, top = rng.integers(room_left).tolist()
    sheet.paste(turned, (left, top))
    return levels(sheet)


def room(mask: Map, height: float, rng: Generator, least: float = 0.2, most: float = 1.5) -> Size:
    """Return a size with `least` to `most` digit heights of free space beside a mask, and above and below it."""
    across, down = rng.uniform(least, most, 2) * height
    return int(mask.shape[1] + across) + 2, int(mask.shape[0] + down) + 2


def canvas(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Draw digits on a white or black canvas."""
    writer = hand(digits, rng, (40, 160))
    return on_canvas(row(writer, rng, SPACED), writer.height, rng)


def on_canvas(mask: Map, height: float, rng: Generator) -> bytes:
    """Draw a mask on a white or black canvas."""
    ink = laid(mask, room(mask, height, rng, 0.2, 4), rng, rng.uniform(-4, 4))
    return png(255 * ink if rng.random() < 0.3 else 255 - ink * np.float32(rng.uniform(205, 255)))


def on_paper(mask: Map, height: float, rng: Generator, ruled: Callable[[Size], Map] | None = None) -> bytes:
    """Scan a mask on a sheet of paper, which may be ruled."""
    size = room(mask, height, rng)
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    if ruled is not None:
        paper = paint(paper, ruled(size), np.full(3, rng.uniform(60, 190)) + rng.uniform(0, 30, 3))
    ink = laid(mask, size, rng, rng.uniform(-2, 2))
    return scanned(rng, paint(paper, ink, ink_colour(rng)), rng.uniform(1, 4))


def spaced(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write digits with space between them."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, SPACED), writer.height, rng)


def tight(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write digits close together."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, TIGHT), writer.height, rng)


def touching(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write digits of which at least one pair touches."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, TIGHT, touching=True), writer.height, rng)


def slanted(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write digits with a strong slant."""
    writer = hand(digits, rng, slant=(0.25, 0.6) if rng.random() < 0.8 else (-0.4, -0.2))
    return on_paper(row(writer, rng, (0.05, 0.3)), writer.height, rng)


def on_lines(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write digits on ruled paper, not aligned with the lines."""
    writer = hand(digits, rng)
    spacing = rng.uniform(0.9, 1.8) * writer.height
    angle = np.radians(rng.uniform(-1, 1))

    def ruled(size: Size) -> Map:
        return lines(size, spacing, rng.uniform(0.01, 0.03) * spacing + 0.5, angle, rng.uniform(0, spacing))

    return on_paper(row(writer, rng, SPACED), writer.height, rng, ruled)


def in_grid(digits: Sequence[NDArray[np.uint8]], rng: Generator, margin: Span = (0, 0.3)) -> bytes:
    """Write in the cells of a printed grid, with a random margin (in cells) of the empty cells around them."""
    writer = hand(digits, rng, (28, 70))
    cell = writer.height * rng.uniform(1.2, 1.9, 2) * (1, 0.8)
    masks = [written(strokes, writer.height * rng.uniform(0.8, 1), writer.slant) for strokes in writer.strokes]
    cell[0] = max(cell[0], *(mask.shape[1] + 0.1 * writer.height for mask in masks))
    outside = rng.uniform(*margin, (2, 2)) * cell
    size = int(len(masks) * cell[0] + outside[0].sum()), int(cell[1] + outside[1].sum())
    width, angle = rng.uniform(0.02, 0.06) * writer.height + 0.8, np.radians(rng.uniform(-1.5, 1.5))
    rows = lines(size, cell[1], width, angle, cell[1] / 2 - outside[1, 0])
    grid = np.maximum(rows, lines(size, cell[0], width, angle + np.pi / 2, cell[0] / 2 - outside[0, 0]))
    paper = plain(size, off_white(rng)) + noise(rng, size, 2)
    paper = paint(paper, grid, np.full(3, rng.uniform(10, 150)))
    for place, mask in enumerate(masks):
        ink = np.zeros(size[::-1], np.float32)
        slack = cell - mask.shape[::-1]
        left, top = (
            (outside[:, 0] + (place * cell[0], 0) + slack * rng.uniform(0.1, 0.9, 2)).round().astype(int).clip(0)
        )
        part = ink[top : top + mask.shape[0], left : left + mask.shape[1]]
        part[:] = mask[: part.shape[0], : part.shape[1]]
        paper = paint(paper, ink, ink_colour(rng) * 1.5)
    return scanned(rng, paper * lit(rng, size, 0.3)[..., None], rng.uniform(1, 4))


def in_row(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write in a row of a printed grid, cropped along its lines, so that few of the horizontal ones are left."""
    return in_grid(digits, rng, (-0.1, 0.02))


def in_cells(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write a digit into each box of a form or cell of a table; some touch its lines."""
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
    colour = off_white(rng)
    paper = plain(size, colour) + noise(rng, size, rng.uniform(0.5, 2))
    paper = paint(paper, levels(printed), np.full(3, rng.uniform(10, 170)))
    picture = to_image(paint(paper, ink, ink_colour(rng)))
    ground = tuple(int(level) for level in colour)
    picture = picture.rotate(rng.uniform(-1, 1), Image.Resampling.BICUBIC, fillcolor=ground)
    return scanned(rng, np.asarray(picture, np.float32), rng.uniform(1, 3))


def separated(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write points, commas and dashes between the digits."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, (0.08, 0.35), SEPARATORS), writer.height, rng)


def with_signs(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write a sign in front of the digits, and separators between them."""
    writer = hand(digits, rng)
    return on_paper(row(writer, rng, (0.08, 0.35), SEPARATORS, SIGNS), writer.height, rng)


def cut_out(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Crop digits to their ink, as another program would: dark or light, greyscale or binary."""
    mask = row(hand(digits, rng, (14, 80)), rng, (0.05, 0.4))
    mask = np.pad(mask, int(rng.integers(3)))
    mask = mask.round() if rng.random() < 0.5 else mask
    return png(255 * mask if rng.random() < 0.5 else 255 - 255 * mask)


def clipped(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Crop a number from a page, sometimes a little into its digits, or with parts of the digits around it."""
    writer = hand(digits, rng)
    mask = row(writer, rng, SPACED)
    above, below, left, right = (rng.uniform((-0.1, -0.1, -0.04, -0.04), 0.5) * writer.height).astype(int).tolist()
    size = wide, tall = mask.shape[1] + left + right, mask.shape[0] + above + below
    sheet = Image.new("L", size)

    def write(mask: Map, x: int, y: int) -> None:
        sheet.paste(255, (x, y), to_image(255 * mask))

    write(mask, left, above)
    for is_above in (True, False):
        line = row(writer._replace(strokes=[writer.strokes[k] for k in rng.permutation(len(digits))]), rng, SPACED)
        seen = visible(len(line), (above if is_above else below) - 0.1 * writer.height, rng)
        write(line, int(rng.uniform(-0.5, 0.5) * wide), seen - len(line) if is_above else tall - seen)
    for is_left in (True, False):
        digit = written(writer.strokes[int(rng.integers(len(digits)))], writer.height, writer.slant)
        seen = visible(digit.shape[1], (left if is_left else right) - 0.1 * writer.height, rng)
        write(digit, seen - digit.shape[1] if is_left else wide - seen, above)
    ink = levels(sheet)
    paper = plain(size, off_white(rng)) + noise(rng, size, rng.uniform(0.5, 2))
    return scanned(rng, paint(paper, ink, ink_colour(rng)), rng.uniform(1, 4))


def visible(side: int, most: float, rng: Generator) -> int:
    """Return how many pixels of a neighbour are in view, at most `most`: every second time none, else 5 to 40 %."""
    return int(rng.random() < 0.5) * int(max(0, min(most, rng.uniform(0.05, 0.4) * side)))


def frame(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Encode one of MNIST's images."""
    return png(Image.fromarray(digits[0]))


def without_digits(kinds: Sequence[Kind], count: int, rng: Generator) -> bytes:
    """Draw a line of non-digits, on paper or a canvas."""
    height = rng.uniform(30, 110)
    line = Row(height)
    for _ in range(count):
        while (ink := crop(kinds[int(rng.integers(len(kinds)))](NOTHING, rng))) is None:
            pass
        scale = height * rng.uniform(0.85, 1.1) / max(ink.shape)
        size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
        line.write(resized(ink, size).clip(0, 1), rng.uniform(*SPACED))
    mask = line.cropped()
    if rng.random() < 0.5:
        return on_paper(mask, height, rng)
    return png(255 - 255 * laid(mask, room(mask, height, rng, 0.1, 2), rng))


def word(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write letters in place of digits."""
    return without_digits([letter], len(digits), rng)


def character(_: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write a letter, an invented character or a scribble."""
    return without_digits([letter, invented_character, scribble], 1, rng)


def things(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Draw lines, shapes and textures."""
    return without_digits([printed_lines, shape, texture], len(digits), rng)


def cheque(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Write the amount on a cheque: close together, with signs, on a pattern, and perhaps with a printed line."""
    writer = hand(digits, rng, (28, 60), (-0.1, 0.35))
    signs = (SEPARATORS, SIGNS) if rng.random() < 0.5 else ("", "")
    mask = row(writer, rng, (0.0, 0.2), *signs, touching=rng.random() < 0.3)
    size = room(mask, writer.height, rng, 0.05, 0.8)
    waves = clouds(rng, size, int(rng.integers(4, 30)), int(rng.integers(3, 12)))
    pattern = np.sin(waves * rng.uniform(3, 15)) * rng.uniform(4, 16)
    paper = plain(size, off_white(rng) - rng.uniform(5, 45, 3)) + pattern[..., None] + noise(rng, size, 2)
    if rng.random() < 0.4:
        spacing = size[1] * rng.uniform(0.9, 1.6)
        rule = lines(size, spacing, rng.uniform(1, 3), np.radians(rng.uniform(-1, 1)), rng.uniform(0, spacing))
        paper = paint(paper, rule, np.full(3, rng.uniform(40, 150)))
    ink = laid(mask, size, rng, rng.uniform(-2, 2))
    return scanned(rng, paint(paper, ink, ink_colour(rng)), rng.uniform(1, 4))


def photo(paper: Map, ink: Map, rng: Generator) -> bytes:
    """Photograph ink on paper in uneven light."""
    size = size_of(paper)
    picture = paint(paper, ink, ink_colour(rng))
    picture *= (lit(rng, size, 0.45) * cast_shadow(rng, size))[..., None]
    return jpeg(sensed(rng, picture, rng.uniform(0.4, 1.2), rng.uniform(1.5, 4)), int(rng.integers(60, 91)))


def photographed(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Photograph a number on a sheet in uneven light."""
    writer = hand(digits, rng, (30, 90))
    return on_sheet(row(writer, rng, SPACED), writer.height, rng)


def on_sheet(mask: Map, height: float, rng: Generator) -> bytes:
    """Photograph a mask on a sheet in uneven light."""
    size = room(mask, height, rng, 0.6, 6)
    paper = plain(size, off_white(rng)) + noise(rng, size, 1.5)
    return photo(paper, laid(mask, size, rng, rng.uniform(-5, 5)), rng)


def on_desk(digits: Sequence[NDArray[np.uint8]], rng: Generator) -> bytes:
    """Photograph a number on a sheet, with one or two of its edges and the desk in view, in uneven light."""
    writer = hand(digits, rng, (20, 80))
    mask = row(writer, rng, SPACED)
    shape = rng.permutation([4, 3])
    size = to_size(shape * 2.4 * max(np.divide(room(mask, writer.height, rng, 0.6, 3), shape)))
    bounds = sheet_bounds(rng, size)
    paper = sheet_on_desk(rng, size, bounds, tilted_camera(rng, size))
    within = np.clip(bounds, 0, (*size, *size)) + 0.07 * max(size) * np.array([1, 1, -1, -1])
    left, top, right, bottom = within.astype(int).tolist()
    ink = np.zeros(size[::-1], np.float32)
    ink[top:bottom, left:right] = laid(mask, (right - left, bottom - top), rng, rng.uniform(-5, 5))
    return photo(paper, ink, rng)


Scene = Callable[[Sequence[NDArray[np.uint8]], Generator], bytes]  # digits (28, 28) -> the bytes of a picture
SCENES: dict[str, Scene] = {
    "spaced": spaced,
    "tight": tight,
    "touching": touching,
    "slanted": slanted,
    "on-lines": on_lines,
    "in-cells": in_cells,
    "in-grid": in_grid,
    "in-row": in_row,
    "separated": separated,
    "with-signs": with_signs,
    "canvas": canvas,
    "cheque": cheque,
    "photo": photographed,
    "on-desk": on_desk,
    "cut-out": cut_out,
    "clipped": clipped,
    "frame": frame,
    "word": word,
    "character": character,
    "things": things,
}
WITHOUT_DIGITS = "word", "character", "things"
TWO_LINES = "two-lines"


def number(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, index: int, lengths: tuple[int, int]
) -> Number:
    """Make a picture of a number in a scene. `lengths` are the minimum and maximum number of digits per line."""
    rng = np.random.default_rng([seed, crc32(scene.encode()), index])
    counts = rng.integers(lengths[0], lengths[1] + 1, 2 if scene == TWO_LINES else 1)
    first = int(rng.integers(len(images) - 2 * counts.sum()))
    chosen = first + 2 * np.arange(counts.sum())  # every second image is by the same writer
    text = "".join(map(str, labels[chosen]))
    digits = list(images[chosen])
    if scene != TWO_LINES:
        text = text[:1] if scene == "frame" else "" if scene in WITHOUT_DIGITS else text
        return Number(SCENES[scene](digits, rng), text)
    writer = hand(digits, rng)
    parts = [writer._replace(strokes=writer.strokes[: counts[0]]), writer._replace(strokes=writer.strokes[counts[0] :])]
    mask = stacked([row(part, rng, SPACED) for part in parts], writer.height, rng)
    return Number(on_paper(mask, writer.height, rng), text[: counts[0]] + "\n" + text[counts[0] :])
