"""Draw letters, signs, scribbles and printed lines, as if by hand: kinds of non-digits."""

from functools import cache

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.preprocess.maps import Map
from training.data import Digits
from training.paper import levels

CANVAS = 140  # side in pixels of the canvas
MARGIN = 15
# Drawn with all alphabets of the Hershey fonts. Letters that look like a digit in some handwriting are left out.
LETTERS = "ACEFGHKLMNPRTVWXYadefhjkmnprtvwxy?!&%@#$*+=<>[]{}"

Strokes = list[NDArray[np.float64]]  # each (P, 2) vertices as (x, y)
Point = NDArray[np.float64] | tuple[float, float]  # (x, y)


@cache
def glyphs(letters: str) -> list[Strokes]:
    """Load letters of all alphabets of the Hershey fonts, as strokes."""
    fonts, found = HersheyFonts(), []
    for name in sorted(fonts.default_font_names):
        fonts.load_default_font(name)
        for letter in letters:
            lines = [np.array(line, np.float64) for line in fonts.lines_for_text(letter)]
            if lines:
                found.append(lines)
    return found


def letter(_: Digits, rng: Generator, letters: str = LETTERS) -> Map:
    """Draw a letter or sign of a stroke font."""
    all_glyphs = glyphs(letters)
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


def arc(centre: Point, radii: Point, start: float, end: float) -> NDArray[np.float64]:
    """Return points along an ellipse, as (x, y). Angles are in degrees, from the x axis towards the y axis."""
    angles = np.radians(np.linspace(start, end, 20))
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)


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
