"""Write numbers with marks, and two numbers side by side, with marks drawn by other code and pens than in training.

A picture depends only on the seed, its scene and its index. Like the digits, the marks of a number are in one hand.
"""

from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.preprocess.maps import Map, connected
from strings import Number, hand, on_canvas, on_paper, on_sheet
from training.paper import levels
from training.strokes import Strokes
from training.writing import INKED, Hand, Span, written

FINE = 8  # marks are drawn this many times larger
DOTS = 40  # per stroke
ABOVE, BELOW = 0.2, 0.5  # room above and below a line of digits, in digit heights
GAPS: dict[str, Span] = {"digit": (0.08, 0.3), "mark": (0.05, 0.25), "space": (1.2, 3)}  # in digit heights
SPECK = 0.08  # share of a digit's ink
# Each # stands for a digit.
SCENES: dict[str, tuple[str, ...]] = {
    "amounts": ("#.##", "##.##", "###.##", "#,###.##", "##,##", "#.###,##"),
    "negatives": ("-##", "-###", "-#.##", "-##.##"),
    "dates": ("##/##/##", "##/##/####", "##.##.####", "##-##-####", "#/#/##"),
    "times": ("##:##", "#:##", "#:##:##", "##:##:##"),
    "columns": ("## ##", "### ###", "### ##", "## ####"),
}


def number(scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, index: int) -> Number:
    """Make a picture of a number with marks."""
    rng = np.random.default_rng([seed, crc32(scene.encode()), index])
    pattern = SCENES[scene][rng.integers(len(SCENES[scene]))]
    count = pattern.count("#")
    chosen = int(rng.integers(len(images) - 2 * count)) + 2 * np.arange(count)  # every second image: one writer
    found = map(str, labels[chosen])
    text = "".join(next(found) if character == "#" else character for character in pattern)
    writer = hand([without_specks(image) for image in images[chosen]], rng)
    ground = (on_paper, on_canvas, on_sheet)[rng.integers(3)]
    return Number(ground(line(pattern, writer, rng), writer.height, rng), text)


def without_specks(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the specks beside some of MNIST's digits, which look like points."""
    pieces = connected(digit > 60)
    shares = np.bincount(pieces.ravel(), digit.ravel()) / digit.sum()
    return np.where((shares < SPECK)[pieces] & (pieces > 0), 0, digit).astype(np.uint8)


def line(pattern: str, writer: Hand, rng: Generator) -> Map:
    """Write digits and marks side by side, with gaps between the boxes around them: a mask, cropped to its ink."""
    strokes, parts = iter(writer.strokes), list[Map]()
    for before, character in pairwise(" " + pattern):
        if character == " ":
            continue
        if parts:
            gap = "space" if before == " " else "digit" if before == character == "#" else "mark"
            parts.append(blank(writer, rng.uniform(*GAPS[gap])))
        parts.append(digit(next(strokes), writer, rng) if character == "#" else mark(character, writer, rng))
    sheet = np.concatenate(parts, axis=1)
    rows = np.flatnonzero((sheet > INKED).any(axis=1))
    return sheet[rows[0] : rows[-1] + 1]


def blank(writer: Hand, width: float) -> Map:
    """Make an empty part of a line; `width` is in digit heights."""
    return np.zeros((int((1 + ABOVE + BELOW) * writer.height), round(width * writer.height)), np.float32)


def digit(strokes: Strokes, writer: Hand, rng: Generator) -> Map:
    """Write a digit that stands on the baseline, or nearly."""
    mask = written(strokes, writer.height * rng.uniform(0.88, 1.08), writer.slant)
    foot = round((1 + ABOVE + rng.uniform(-0.06, 0.06)) * writer.height)
    part = np.zeros((len(blank(writer, 0)), mask.shape[1]), np.float32)
    part[foot - len(mask) : foot] = mask
    return part


def mark(kind: str, writer: Hand, rng: Generator) -> Map:
    """Draw a mark with a round pen."""
    image = Image.new("L", (int(2 * writer.height * FINE), FINE * len(blank(writer, 0))))
    draw, unit = ImageDraw.Draw(image), FINE * writer.height
    width = writer.pen_width * rng.uniform(0.9, 1.4)
    for stroke in marks(kind, rng):
        for x, y, radius in dots(stroke, width, rng):
            left, top = x - radius + 0.7 + writer.slant * (0.5 - y), y - radius + ABOVE
            draw.ellipse([unit * edge for edge in (left, top, left + 2 * radius, top + 2 * radius)], fill=255)
    mask = levels(image.reduce(FINE))
    columns = np.flatnonzero((mask > INKED).any(axis=0))
    return mask[:, columns[0] : columns[-1] + 1]


def dots(stroke: NDArray[np.float64], width: float, rng: Generator) -> NDArray[np.float64]:
    """Return the dots (DOTS, 3) of a stroke, x, y and radius each, by a pen that shakes and is pressed unevenly."""
    places = np.linspace(0, len(stroke) - 1, DOTS)
    x, y = (np.interp(places, range(len(stroke)), axis) for axis in stroke.T)
    shaking = np.sin(np.linspace(0, rng.uniform(3, 9), DOTS)) * rng.normal(0, 0.006, (2, 1))
    radius = width / 2 * np.linspace(1, rng.uniform(0.75, 1.15), DOTS)
    return np.stack([x + shaking[0], y + shaking[1], radius], axis=1)


def marks(kind: str, rng: Generator) -> list[NDArray[np.float64]]:
    """Return the strokes of a mark, each as points (P, 2): x and y, in digit heights below a digit's top."""
    if kind == "-":
        middle, length = rng.uniform(0.42, 0.6), rng.uniform(0.28, 0.55)
        return [np.array([[0, middle], [length, middle + rng.uniform(-0.05, 0.05)]])]
    if kind == "/":
        return [np.array([[rng.uniform(0.25, 0.6), rng.uniform(-0.12, 0.05)], [0, rng.uniform(0.95, 1.15)]])]
    if kind == ",":
        top, tail = rng.uniform(0.86, 0.96), rng.uniform(0.16, 0.32)
        return [np.array([[0.06, top], [0.08, top + 0.4 * tail], [rng.uniform(-0.06, 0.02), top + tail]])]
    heights = (rng.uniform(0.22, 0.38), rng.uniform(0.72, 0.9)) if kind == ":" else (rng.uniform(0.86, 0.98),)
    return [np.array([[0, y], [rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03)]]) for y in heights]
