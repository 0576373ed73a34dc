"""Draw letters, signs, invented characters, scribbles and printed lines, as if by hand:
kinds of non-digits.
"""

import math
from functools import cache

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from app.picture.maps import Map
from training.data import Digits
from training.drawing import drawn, levels

CANVAS = 140  # side in pixels of the canvas
MARGIN = 15
# Drawn with all alphabets of the Hershey fonts. Letters that look like a digit in some
# handwriting are left out.
LETTERS = "ACEFGHKLMNPRTVWXYadefhjkmnprtvwxy?!&%@#$*+=<>[]{}"

S = [(0.9, 0.15), (0.5, 0), (0.1, 0.2), (0.5, 0.5), (0.9, 0.75), (0.5, 1), (0.1, 0.85)]
# Strokes through points (x, y); the keys are signs and letters, v is a y with a cup.
LOOK_ALIKES: dict[str, list[list[tuple[float, float]]]] = {
    "$": [S, [(0.5, -0.2), (0.5, 1.2)]],
    "#": [
        [(0.35, 0), (0.35, 1)],
        [(0.65, 0), (0.65, 1)],
        [(0, 0.35), (1, 0.35)],
        [(0, 0.65), (1, 0.65)],
    ],
    "y": [[(0, 0), (0.4, 0.5)], [(0.8, 0), (0.1, 1)]],
    "Y": [
        [(0, 0), (0.1, 0.4), (0.5, 0.4), (0.6, 0)],
        [(0.6, 0), (0.6, 0.9), (0.4, 1.1), (0.1, 1)],
    ],
    "v": [
        [(0, 0), (0.1, 0.4), (0.5, 0.4), (0.6, 0)],
        [(0.6, 0), (0.55, 1), (0.2, 1), (0.9, 0.6)],
    ],
    "z": [[(0, 0), (0.7, 0)], [(0.7, 0), (0, 1)], [(0, 1), (0.7, 1)]],
    "Z": [
        [(0, 0), (0.7, 0)],
        [(0.7, 0), (0, 1)],
        [(0, 1), (0.7, 1)],
        [(0.1, 0.5), (0.6, 0.5)],
    ],
    "/": [[(0.8, 0), (0, 1)]],
    "=": [[(0, 0), (0.7, 0)], [(0, 0.3), (0.7, 0.3)]],
}

Strokes = list[NDArray[np.float64]]  # each (P, 2) vertices as (x, y)


@cache
def glyphs(letters: str) -> list[Strokes]:
    """Load letters of all alphabets of the Hershey fonts, as strokes."""
    fonts, found = HersheyFonts(), []
    for name in sorted(fonts.default_font_names):
        fonts.load_default_font(name)
        for letter in letters:
            lines = [
                np.array(line, np.float64) for line in fonts.lines_for_text(letter)
            ]
            if lines:
                found.append(lines)
    return found


def letter(_: Digits, rng: Generator, letters: str = LETTERS) -> Map:
    """Draw a letter or sign of a stroke font."""
    all_glyphs = glyphs(letters)
    return written(all_glyphs[rng.integers(len(all_glyphs))], rng)


def look_alike(_: Digits, rng: Generator, kinds: str = "$$#yYvzzZ/") -> Map:
    """Draw a sign or letter that resembles a digit: $ an 8 or a 5, y a 4 or a 9, z a 2,
    and a slash a 1.
    """
    return written(
        [
            smooth(stroke, rng)
            for stroke in LOOK_ALIKES[kinds[rng.integers(len(kinds))]]
        ],
        rng,
    )


def smooth(corners: ArrayLike, rng: Generator) -> NDArray[np.float64]:
    """Return points (P, 2) on a curve near the given ones, which is round or has
    corners.
    """
    near = np.asarray(corners) + rng.normal(0, 0.06, np.shape(corners))
    spline = make_interp_spline(
        np.arange(len(near)), near, int(rng.integers(1, min(4, len(near))))
    )
    curve: NDArray[np.float64] = spline(
        np.linspace(0, len(near) - 1, 8 * (len(near) - 1) + 1)
    )
    return curve


def invented_character(_: Digits, rng: Generator) -> Map:
    """Draw two to five lines and arcs, like a character of an unknown script."""
    strokes: Strokes = []
    for _stroke in range(rng.integers(2, 6)):
        middle, reach = rng.uniform(0.2, 0.8, 2), rng.uniform(0.15, 0.5)
        if rng.random() < 0.5:
            angle = rng.choice([0, 0.25, 0.5, 0.75]) * math.pi + rng.normal(0, 0.15)
            points = np.linspace(-1, 1, 20)[:, None] * (
                math.cos(angle),
                math.sin(angle),
            )
        else:
            start = rng.uniform(0, 2 * math.pi)
            angles = np.linspace(start, start + rng.uniform(2, 2 * math.pi), 20)
            points = rng.uniform(0.4, 0.8, 2) * np.stack(
                [np.cos(angles), np.sin(angles)], axis=1
            )
        strokes.append(middle + reach * points)
    return written(strokes, rng)


def scribble(_: Digits, rng: Generator) -> Map:
    """Draw one long, wandering stroke."""
    return written([smooth(rng.uniform(0, 1, (rng.integers(5, 12), 2)), rng)], rng)


def lines(_: Digits, rng: Generator) -> Map:
    """Draw one or two printed lines in each direction, which may cross, meet in a
    corner or form a box.
    """
    shares = (0.46, 0.08, 0.46)
    across, down = (
        rng.choice([0, rng.random(), 1], 1 + (rng.random() < 0.8), False, shares)
        for _way in range(2)
    )
    strokes = [np.array([(x, 0), (x, 1)]) for x in across] + [
        np.array([(0, y), (1, y)]) for y in down
    ]
    shape = rng.uniform(0.4, 1, 2)  # wide or tall
    return written([stroke * shape for stroke in strokes], rng)


def written(strokes: Strokes, rng: Generator) -> Map:
    """Draw strokes as if by hand: slanted, stretched and uneven, with a pen of random
    width.
    """
    bent = np.eye(2) + rng.normal(0, 0.15, (2, 2))
    strokes = [stroke @ bent for stroke in strokes]
    corners = np.concatenate(strokes)
    low, size = corners.min(axis=0), max(float(np.ptp(corners, axis=0).max()), 1e-6)
    scale = (CANVAS - 2 * MARGIN) / size
    shaky = [
        MARGIN + (stroke - low) * scale + rng.normal(0, 1.5, stroke.shape)
        for stroke in strokes
    ]
    return levels(drawn((CANVAS, CANVAS), shaky, int(rng.integers(4, 19))))
