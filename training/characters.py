"""Draw letters, signs, invented characters, scribbles and printed lines, as if by hand: kinds of non-digits."""

import math
from functools import cache

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import make_interp_spline

from app.preprocess.maps import Map
from training.data import Digits
from training.paper import levels

CANVAS = 140  # side in pixels of the canvas
MARGIN = 15
# Drawn with all alphabets of the Hershey fonts. Letters that look like a digit in some handwriting are left out.
LETTERS = "ACEFGHKLMNPRTVWXYadefhjkmnprtvwxy?!&%@#$*+=<>[]{}"

S = [(0.9, 0.15), (0.5, 0), (0.1, 0.2), (0.5, 0.5), (0.9, 0.75), (0.5, 1), (0.1, 0.85)]
# Strokes through points (x, y); the keys are signs and letters, v is a y with a cup.
LOOK_ALIKES: dict[str, list[list[tuple[float, float]]]] = {
    "$": [S, [(0.5, -0.2), (0.5, 1.2)]],
    "#": [[(0.35, 0), (0.35, 1)], [(0.65, 0), (0.65, 1)], [(0, 0.35), (1, 0.35)], [(0, 0.65), (1, 0.65)]],
    "y": [[(0, 0), (0.4, 0.5)], [(0.8, 0), (0.1, 1)]],
    "Y": [[(0, 0), (0.1, 0.4), (0.5, 0.4), (0.6, 0)], [(0.6, 0), (0.6, 0.9), (0.4, 1.1), (0.1, 1)]],
    "v": [[(0, 0), (0.1, 0.4), (0.5, 0.4), (0.6, 0)], [(0.6, 0), (0.55, 1), (0.2, 1), (0.9, 0.6)]],
    "z": [[(0, 0), (0.7, 0)], [(0.7, 0), (0, 1)], [(0, 1), (0.7, 1)]],
    "Z": [[(0, 0), (0.7, 0)], [(0.7, 0), (0, 1)], [(0, 1), (0.7, 1)], [(0.1, 0.5), (0.6, 0.5)]],
    "/": [[(0.8, 0), (0, 1)]],
}

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


def look_alike(_: Digits, rng: Generator, kinds: str = "$$#yYvzzZ/") -> Map:
    """Draw a sign or letter that resembles a digit: $ an 8 or a 5, y a 4 or a 9, z a 2, and a slash a 1."""
    return written([smooth(stroke, rng) for stroke in LOOK_ALIKES[kinds[rng.integers(len(kinds))]]], rng)


def sign(_: Digits, rng: Generator) -> Map:
    """Draw a $ or a #."""
    return look_alike(_, rng, "$$#")


def smooth(corners: list[tuple[float, float]], rng: Generator) -> NDArray[np.float64]:
    """Return points (P, 2) on a curve near the given ones, which is round or has corners."""
    near, degree = (
        np.array(corners) + rng.normal(0, 0.06, (len(corners), 2)),
        int(rng.integers(1, min(4, len(corners)))),
    )
    spline = make_interp_spline(np.arange(len(near)), near, degree)
    curve: NDArray[np.float64] = spline(np.linspace(0, len(near) - 1, len(near) if degree == 1 else 20))
    return curve


def arc(centre: Point, radii: Point, start: float, end: float) -> NDArray[np.float64]:
    """Return points along an ellipse, as (x, y). Angles are in degrees, from the x axis towards the y axis."""
    angles = np.radians(np.linspace(start, end, 20))
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)


def invented_character(_: Digits, rng: Generator) -> Map:
    """Draw two to five strokes, like a character of an unknown script; half of the time, three that meet."""
    strokes: Strokes = []
    meet = rng.random() < 0.5
    for _stroke in range(3 if meet else rng.integers(2, 6)):
        middle, reach = rng.uniform(0.2, 0.8, 2), rng.uniform(0.15, 0.5)
        if rng.random() < 0.5:
            angle = rng.choice([0, 0.25, 0.5, 0.75]) * math.pi + rng.normal(0, 0.15)
            half = reach * np.array([math.cos(angle), math.sin(angle)])
            stroke = middle + np.linspace(-1, 1, 20)[:, None] * half
        else:
            start = rng.uniform(0, 360)
            stroke = arc(middle, rng.uniform(0.4, 0.8, 2) * reach, start, start + rng.uniform(115, 360))
        if meet and strokes:  # its end or its middle lies on an earlier stroke
            earlier = strokes[rng.integers(len(strokes))]
            stroke = stroke + earlier[rng.choice([0, 5, 10, 15, 19])] - stroke[rng.choice([0, 0, 10, 19])]
        strokes.append(stroke)
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


def equals(_: Digits, rng: Generator) -> Map:
    """Draw an equals sign, as at the end of an amount."""
    apart, length = rng.uniform(0.15, 0.4), rng.uniform(0.5, 1.0)
    return written([np.array([(0, y), (length, y + rng.normal(0, 0.05))]) for y in (0.0, apart)], rng)


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
