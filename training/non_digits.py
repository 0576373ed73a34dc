"""Generate frames that show no single whole digit, for the network to learn to tell from digits.

    python -m training.non_digits docs/non-digits.png      draws a sheet of them

They cover what a picture may show beside a digit or in its place: parts of digits, several digits at once, other
characters, scribbles, shapes and textures. They are framed as the service frames a picture. `training.augment` deforms
them again in each epoch.
"""

import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.maps import Map
from training import data
from training.data import Digits
from training.paper import levels
from training.segments import segments

INK = 0.12  # pixels above this count as ink
CANVAS = 140  # side in pixels of the canvas for characters and shapes
MARGIN = 15
# Drawn with all alphabets of the Hershey fonts. Letters that look like a digit in some handwriting are left out.
LETTERS = "ACEFGHKLMNPRTVWXYadefhjkmnprtvwxy?!&%@#$*+=<>[]{}"
TURNED = (2, 3, 4, 5, 6, 7, 9)  # digits that stop being digits when rotated by 90°

Strokes = list[NDArray[np.float64]]  # each (P, 2) vertices as (x, y)
Point = NDArray[np.float64] | tuple[float, float]  # (x, y)
Kind = Callable[[Digits, Generator], Map]


def non_digits(digits: Digits, count: int, seed: int) -> NDArray[np.uint8]:
    """Generate frames that show no single whole digit.

    Parameters
    ----------
    digits : Digits
        Source of the parts and groups of digits.
    count : int
        Number of frames.
    seed : int
        Seed of the random generator.

    Returns
    -------
    NDArray
        (count, 28, 28) uint8, ink = 255.
    """
    rng = np.random.default_rng(seed)
    kinds, shares = zip(*KINDS, strict=True)
    frames = np.empty((count, FRAME_SIDE, FRAME_SIDE), np.uint8)
    for frame, kind in zip(frames, rng.choice(len(kinds), count, p=shares), strict=True):
        while (cropped := crop(kinds[kind](digits, rng))) is None:
            pass
        frame[:] = np.round(255 * frame_from_ink(cropped))
    return frames


def crop(ink: Map) -> Map | None:
    """Crop ink to its bounding box; return None if there is too little of it."""
    rows, columns = np.nonzero(ink > INK)
    if len(rows) < 12:
        return None
    cropped = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return None if max(cropped.shape) < 6 else cropped / cropped.max()


def digit(digits: Digits, rng: Generator, among: tuple[int, ...] = tuple(range(10))) -> Map:
    """Pick the image (28, 28) of a random digit with one of the given labels."""
    while True:
        index = rng.integers(len(digits))
        if int(digits.labels[index]) in among:
            return levels(digits.images[index])


def part_of_digit(digits: Digits, rng: Generator) -> Map:
    """Cut a digit along a straight line and keep one side. Excludes 8s, whose halves are digits, and parts like a 1."""
    axis = np.arange(FRAME_SIDE) - (FRAME_SIDE - 1) / 2
    while True:
        whole, angle = digit(digits, rng, (0, 2, 3, 4, 5, 6, 7, 9)), rng.uniform(0, 2 * math.pi)
        part = whole * (axis * math.cos(angle) + axis[:, None] * math.sin(angle) > rng.uniform(-5, 5))
        rows, columns = np.nonzero(part > INK)
        if 0.25 < part.sum() / whole.sum() < 0.6 and np.ptp(columns) > 0.4 * np.ptp(rows):
            return part


def several_digits(digits: Digits, rng: Generator) -> Map:
    """Put two or three digits side by side; they may touch."""
    return row([digit(digits, rng) for _ in range(rng.choice([2, 2, 2, 3]))], rng)


def digit_and_part(digits: Digits, rng: Generator) -> Map:
    """Put a digit beside the adjacent part of a neighbour, to its left or right, with 15 to 65 % of its ink."""
    whole, other, share = digit(digits, rng), digit(digits, rng), rng.uniform(0.15, 0.65)
    shares = other.sum(axis=0).cumsum() / other.sum()
    if rng.random() < 0.5:
        return row([whole, other[:, : np.searchsorted(shares, share) + 1]], rng)
    return row([other[:, np.searchsorted(shares, 1 - share) :], whole], rng)


def row(parts: list[Map], rng: Generator) -> Map:
    """Put ink side by side, shifted slightly up or down, with gaps of -3 to 4 pixels between bounding boxes."""
    sheet, end = np.zeros((40, 120), np.float32), 4
    for part in parts:
        columns = np.flatnonzero(part.max(axis=0) > INK)
        part = part[:, columns[0] : columns[-1] + 1]
        left, top = max(0, end + int(rng.integers(-3, 5))), 6 + int(rng.integers(-3, 4))
        end = left + part.shape[1]
        place = sheet[top : top + FRAME_SIDE, left:end]
        np.maximum(place, part, out=place)
    return sheet


def turned_digit(digits: Digits, rng: Generator) -> Map:
    """Rotate a digit by 90° in either direction."""
    return np.rot90(digit(digits, rng, TURNED), rng.choice([1, 3])).copy()


@cache
def glyphs() -> list[Strokes]:
    """Load the letters of all alphabets of the Hershey fonts, as strokes."""
    fonts, found = HersheyFonts(), []
    for name in sorted(fonts.default_font_names):
        fonts.load_default_font(name)
        for letter in LETTERS:
            lines = [np.array(line, np.float64) for line in fonts.lines_for_text(letter)]
            if lines:
                found.append(lines)
    return found


def letter(_: Digits, rng: Generator) -> Map:
    """Draw a letter or sign of a stroke font."""
    all_glyphs = glyphs()
    return written(all_glyphs[rng.integers(len(all_glyphs))], rng)


def sign(_: Digits, rng: Generator) -> Map:
    """Draw a #, or a $: an S with one or two lines through it, which often resembles an 8 or a 5."""
    apart, reach, width = rng.uniform(0.15, 0.35) / 2, rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.45)
    pair = [np.array([(x, 0.5 - reach), (x, 0.5 + reach)]) for x in (0.5 - apart, 0.5 + apart)]
    if rng.random() < 0.3:
        return written([*pair, *(line[:, ::-1] for line in pair)], rng)
    upper = arc((0.5, 0.25), (width, 0.25), rng.uniform(-60, 0), -270)
    lower = arc((0.5, 0.75), (width, 0.25), -90, rng.uniform(120, 190))
    bars = pair if rng.random() < 0.3 else [np.array([(0.5, 0.5 - reach), (0.5, 0.5 + reach)])]
    return written([np.concatenate([upper, lower]), *bars], rng)


def y_like(_: Digits, rng: Generator) -> Map:
    """Draw a y, which may resemble a 4 or a 9: two arms or a cup, and a tail that may turn left or be a loop."""
    width, joint = rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.6)
    if rng.random() < 0.3:
        foot = rng.uniform(0, 0.4) * width
        meeting = width + (foot - width) * joint, joint
        return written([np.array([(0, 0), meeting]), np.array([(width, 0), (foot, 1)])], rng)
    cup = arc((width / 2, joint / 2), (width / 2, joint / 2), rng.uniform(180, 240), 0)
    foot, radius, end = width * rng.uniform(0.7, 1), rng.uniform(0.05, 0.25), rng.uniform(60, 270)
    tail = arc((foot - radius, 1), (radius, radius * rng.uniform(0.5, 1)), 0, end)
    if end < 180 and rng.random() < 0.4:  # a flat foot
        tail = np.concatenate([tail, [(tail[-1, 0] - rng.uniform(0.2, 0.6), tail[-1, 1] + rng.uniform(-0.1, 0.1))]])
    elif end > 180 and rng.random() < 0.6:  # a loop, whose end crosses the tail
        tail = np.concatenate([tail, [(foot + rng.uniform(0.1, 0.4), rng.uniform(joint, 1))]])
    return written([cup, np.concatenate([[(width, 0)], tail])], rng)


def z_like(_: Digits, rng: Generator) -> Map:
    """Draw a z, which may resemble a 2: two bars, straight or waved, a diagonal, and maybe a tick or another bar."""
    width, wave = rng.uniform(0.4, 1.1), rng.uniform(0, 0.12, 2) * (rng.random(2) < 0.5)
    x = np.linspace(0, 1, 9)
    upper = np.stack([x * width, rng.normal(0, 0.05) * (1 - x) - wave[0] * np.sin(2 * np.pi * x)], axis=1)
    longer, drop = rng.uniform(0.7, 1.1), rng.normal(0, 0.08)
    lower = np.stack([x * width * longer, 1 + drop * x - wave[1] * np.sin(2 * np.pi * x)], axis=1)
    tick = [(rng.uniform(-0.05, 0.1), rng.uniform(0.1, 0.3))] if rng.random() < 0.3 else upper[:0]
    z = np.concatenate([tick, upper, lower + np.array([rng.uniform(-0.1, 0.1), 0])])
    bar = np.array([(rng.uniform(0, 0.3) * width, 0.5), (rng.uniform(0.7, 1) * width, rng.normal(0.5, 0.04))])
    return written([z, bar] if rng.random() < 0.4 else [z], rng)


def slash(_: Digits, rng: Generator) -> Map:
    """Draw a slash, which may resemble a 1: a stroke that leans to the right by 30 to 50 degrees."""
    return written([np.array([(math.tan(math.radians(rng.uniform(30, 50))), 0), (0, 1)])], rng)


def arc(centre: Point, radii: Point, start: float, end: float) -> NDArray[np.float64]:
    """Return points along an ellipse, as (x, y). Angles are in degrees, from the x axis towards the y axis."""
    angles = np.radians(np.linspace(start, end, 20))
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)


def invented_character(_: Digits, rng: Generator) -> Map:
    """Draw two to five straight or curved strokes, like a character of an unknown script."""
    strokes: Strokes = []
    for _stroke in range(rng.integers(2, 6)):
        middle, reach = rng.uniform(0.2, 0.8, 2), rng.uniform(0.15, 0.5)
        if rng.random() < 0.5:
            angle = rng.choice([0, 0.25, 0.5, 0.75]) * math.pi + rng.normal(0, 0.15)
            half = reach * np.array([math.cos(angle), math.sin(angle)])
            strokes.append(np.stack([middle - half, middle + half]))
        else:
            start = rng.uniform(0, 360)
            strokes.append(arc(middle, rng.uniform(0.4, 0.8, 2) * reach, start, start + rng.uniform(115, 360)))
    return written(strokes, rng)


def scribble(_: Digits, rng: Generator) -> Map:
    """Draw one long, wandering stroke."""
    corners = rng.uniform(0, 1, (rng.integers(5, 12), 2))
    middles, share = (corners[:-1] + corners[1:]) / 2, np.linspace(0, 1, 12)[:, None]
    curves = [
        (1 - share) ** 2 * start + 2 * share * (1 - share) * corner + share**2 * end
        for start, corner, end in zip(middles[:-1], corners[1:-1], middles[1:], strict=True)
    ]
    return written([np.concatenate(curves)], rng)


def lines(_: Digits, rng: Generator) -> Map:
    """Draw printed lines that cross, meet in a corner, run in parallel or form a box."""
    low, high = rng.uniform(0, 0.3, 2), rng.uniform(0.7, 1, 2)
    box = [np.array(side) for side in ([low, (high[0], low[1])], [low, (low[0], high[1])])]
    box += [np.array(side) for side in ([(high[0], low[1]), high], [(low[0], high[1]), high])]
    cross = [np.array([(x, 0), (x, 1)]) for x in rng.uniform(0, 1, rng.integers(1, 3))]
    cross += [np.array([(0, y), (1, y)]) for y in rng.uniform(0, 1, rng.integers(1, 3))]
    figures = [box, box, cross, [box[k] for k in rng.choice(4, 2, replace=False)]]
    return written(figures[rng.integers(len(figures))], rng)


def shape(_: Digits, rng: Generator) -> Map:
    """Draw a filled shape, half of the time with a texture, like an object in a photo."""
    image = Image.new("L", (CANVAS, CANVAS))
    draw, (low, high) = ImageDraw.Draw(image), (rng.uniform(5, 55, 2), rng.uniform(85, 135, 2))
    if rng.random() < 0.25:
        draw.ellipse((*low, *high), fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(3, 12)))
        radii = rng.uniform(0.3, 1, (len(angles), 1)) * (high - low) / 2
        corners = (low + high) / 2 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        draw.polygon([tuple(corner) for corner in corners.tolist()], fill=255)
    ink = levels(image)
    return ink * (np.float32(0.2) + np.float32(0.8) * clouds(rng)) if rng.random() < 0.5 else ink


def texture(_: Digits, rng: Generator) -> Map:
    """Draw blots and gradients of all sizes."""
    ground = clouds(rng)
    return np.where(ground > rng.uniform(0.3, 0.6), ground if rng.random() < 0.5 else np.float32(1), np.float32(0))


def clouds(rng: Generator) -> Map:
    """Make smooth noise in [0, 1] over the canvas."""
    coarse = np.uint8(rng.uniform(0, 256, rng.integers(2, 12, 2)))
    return levels(Image.fromarray(coarse).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))


def written(strokes: Strokes, rng: Generator) -> Map:
    """Draw strokes as if by hand: slanted, stretched and uneven, with a pen of random width."""
    bent = np.eye(2) + rng.normal(0, 0.15, (2, 2))
    strokes = [stroke @ bent for stroke in strokes]
    corners = np.concatenate(strokes)
    low, size = corners.min(axis=0), max(float(np.ptp(corners, axis=0).max()), 1e-6)
    image, width = Image.new("L", (CANVAS, CANVAS)), int(rng.integers(4, 19))
    draw, radius = ImageDraw.Draw(image), (width - 1) / 2
    for stroke in strokes:
        points = MARGIN + (stroke - low) * (CANVAS - 2 * MARGIN) / size + rng.normal(0, 1.5, stroke.shape)
        draw.line(points.ravel().tolist(), fill=255, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return levels(image)


# The first three kinds are the most common non-digits among the service's candidates.
KINDS: tuple[tuple[Kind, float], ...] = (
    (part_of_digit, 0.2),
    (several_digits, 0.16),
    (digit_and_part, 0.14),
    (turned_digit, 0.07),
    (letter, 0.108),
    (y_like, 0.015),
    (z_like, 0.02),
    (slash, 0.007),
    (sign, 0.02),
    (invented_character, 0.1),
    (scribble, 0.04),
    (lines, 0.04),
    (shape, 0.05),
    (texture, 0.03),
)


def sheet(frames: NDArray[np.uint8], columns: int) -> Image.Image:
    """Arrange frames in a grid, black ink on white."""
    rows = frames.reshape(-1, columns, FRAME_SIDE, FRAME_SIDE).swapaxes(1, 2)
    return Image.fromarray(255 - rows.reshape(-1, columns * FRAME_SIDE))


def main() -> None:
    """Draw a sheet with a row for each kind, and a last row of wrongly cut segments of numbers."""
    digits, path = data.load(train=True), Path(sys.argv[1])
    rng = np.random.default_rng(0)
    inks = (crop(kind(digits, rng)) for kind, _ in KINDS for _ in range(24))
    frames = [frame_from_ink(ink) if ink is not None else np.zeros((28, 28), np.float32) for ink in inks]
    _, cut_wrongly = segments(digits, 24, seed=0)
    kinds = (255 * np.stack(frames)).astype(np.uint8)
    sheet(np.concatenate([kinds, cut_wrongly.images.numpy()]), 24).save(path, optimize=True)


if __name__ == "__main__":
    main()
