"""Draw what is no digit: letters, signs, invented characters, scribbles, printed lines,
shapes and textures.
"""

from functools import cache
from math import cos, pi, sin

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import make_interp_spline

from app.picture.maps import Map
from training.data import Digits
from training.writing.drawing import extent, levels, resized
from training.writing.strokes import drawn, polylines

CANVAS = 140  # side in pixels of the canvas
MARGIN = 15
INK_LEVEL = 0.12  # pixels above this count as ink
# Drawn with all alphabets of the Hershey fonts. Letters that look like a digit in some
# handwriting are left out.
LETTERS = "ACEFGHKLMNPRTVWXYadefhjkmnprtvwxy?!&%@#$*+=<>[]{}"
S = "0.9,0.15 0.5,0 0.1,0.2 0.5,0.5 0.9,0.75 0.5,1 0.1,0.85"
# Strokes of signs and letters, see `polylines`; v is a y with a cup.
LOOK_ALIKES = {
    "$": f"{S} | 0.5,-0.2 0.5,1.2",
    "#": "0.35,0 0.35,1 | 0.65,0 0.65,1 | 0,0.35 1,0.35 | 0,0.65 1,0.65",
    "y": "0,0 0.4,0.5 | 0.8,0 0.1,1",
    "Y": "0,0 0.1,0.4 0.5,0.4 0.6,0 | 0.6,0 0.6,0.9 0.4,1.1 0.1,1",
    "v": "0,0 0.1,0.4 0.5,0.4 0.6,0 | 0.6,0 0.55,1 0.2,1 0.9,0.6",
    "z": "0,0 0.7,0 | 0.7,0 0,1 | 0,1 0.7,1",
    "Z": "0,0 0.7,0 | 0.7,0 0,1 | 0,1 0.7,1 | 0.1,0.5 0.6,0.5",
    "/": "0.8,0 0,1",
    "=": "0,0 0.7,0 | 0,0.3 0.7,0.3",
}

Points = NDArray[np.float64]  # (P, 2) vertices as (x, y), or (P,) angles
Strokes = list[Points]


@cache
def glyphs(letters: str) -> list[Strokes]:
    """Load letters of all alphabets of the Hershey fonts, as strokes."""
    fonts = HersheyFonts()
    found = []
    for name in sorted(fonts.default_font_names):
        fonts.load_default_font(name)
        for letter in letters:
            strokes = [
                np.array(stroke, float) for stroke in fonts.lines_for_text(letter)
            ]
            if strokes:
                found.append(strokes)
    return found


def letter(_: Digits, rng: Generator, letters: str = LETTERS) -> Map:
    """Draw a letter or sign of a stroke font."""
    all_glyphs = glyphs(letters)
    return by_hand(all_glyphs[rng.integers(len(all_glyphs))], rng)


def look_alike(_: Digits, rng: Generator, kinds: str = "$$#yYvzzZ/") -> Map:
    """Draw a sign or letter that looks like a digit.

    $ is like an 8 or a 5, y like a 4 or a 9, z like a 2, and a slash like a 1.
    """
    strokes = polylines(LOOK_ALIKES[kinds[rng.integers(len(kinds))]])
    return by_hand([smooth(corners, rng) for corners in strokes], rng)


def smooth(corners: Points, rng: Generator) -> Points:
    """Return points (P, 2) on a curve near the given ones, round or with corners."""
    near = corners + rng.normal(0, 0.06, corners.shape)
    last = len(near) - 1
    degree = rng.integers(1, min(4, len(near)))
    spline = make_interp_spline(np.arange(len(near)), near, degree)
    curve: Points = spline(np.linspace(0, last, 8 * last + 1))
    return curve


def invented_character(_: Digits, rng: Generator) -> Map:
    """Draw two to five lines and arcs, like a character of an unknown script."""
    strokes = []
    for _stroke in range(rng.integers(2, 6)):
        middle = rng.uniform(0.2, 0.8, 2)
        reach = rng.uniform(0.15, 0.5)
        points = straight(rng) if rng.random() < 0.5 else arc(rng)
        strokes.append(middle + reach * points)
    return by_hand(strokes, rng)


def straight(rng: Generator) -> Points:
    """Return points (20, 2) on a line that is nearly upright, level or diagonal."""
    angle = rng.choice([0, 0.25, 0.5, 0.75]) * pi + rng.normal(0, 0.15)
    direction = np.array([cos(angle), sin(angle)])
    points: Points = np.linspace(-1, 1, 20)[:, None] * direction
    return points


def on_circle(angles: Points) -> Points:
    """Return points (P, 2) on the unit circle, at angles (P,)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def arc(rng: Generator) -> Points:
    """Return points (20, 2) on a part of an ellipse."""
    start = rng.uniform(0, 2 * pi)
    angles = np.linspace(start, start + rng.uniform(2, 2 * pi), 20)
    return rng.uniform(0.4, 0.8, 2) * on_circle(angles)


def scribble(_: Digits, rng: Generator) -> Map:
    """Draw one long, wandering stroke."""
    corners = rng.uniform(0, 1, (rng.integers(5, 12), 2))
    return by_hand([smooth(corners, rng)], rng)


def printed_lines(_: Digits, rng: Generator) -> Map:
    """Draw one or two printed lines in each direction; they may cross or form a box."""
    strokes = []
    for is_upright in (True, False):
        within = rng.random()
        count = 1 + (rng.random() < 0.8)
        places = rng.choice([0, within, 1], count, False, (0.46, 0.08, 0.46))
        for place in places:
            stroke = np.array([(place, 0), (place, 1)])
            strokes.append(stroke if is_upright else stroke[:, ::-1])
    shape = rng.uniform(0.4, 1, 2)  # wide or tall
    return by_hand([stroke * shape for stroke in strokes], rng)


def by_hand(strokes: Strokes, rng: Generator) -> Map:
    """Draw strokes as if by hand: slanted, stretched and uneven."""
    bent = np.eye(2) + rng.normal(0, 0.15, (2, 2))
    strokes = [stroke @ bent for stroke in strokes]
    corners = np.concatenate(strokes)
    low = corners.min(axis=0)
    size = max(np.ptp(corners, axis=0).max(), 1e-6)
    scale = (CANVAS - 2 * MARGIN) / size
    shaky = []
    for stroke in strokes:
        noise = rng.normal(0, 1.5, stroke.shape)
        shaky.append(MARGIN + (stroke - low) * scale + noise)
    return levels(drawn((CANVAS, CANVAS), shaky, int(rng.integers(4, 19))))


def shape(_: Digits, rng: Generator) -> Map:
    """Draw a filled shape, like an object in a photo; half of them have a texture."""
    angles = np.sort(rng.uniform(0, 2 * pi, rng.integers(3, 20)))
    shares = rng.uniform(rng.uniform(0.3, 1), 1, (len(angles), 1))
    radii = shares * rng.uniform(15, 65, 2)
    corners = CANVAS / 2 + radii * on_circle(angles)
    image = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(image).polygon(corners.ravel().tolist(), fill=255)
    ink = levels(image)
    if rng.random() < 0.5:
        ink = ink * (0.2 + 0.8 * blots(rng))
    return ink


def texture(_: Digits, rng: Generator) -> Map:
    """Draw blots and gradients of all sizes."""
    ground = blots(rng)
    is_ink = ground > rng.uniform(0.3, 0.6)
    if rng.random() < 0.5:
        return ground * is_ink
    return is_ink.astype(np.float32)


def blots(rng: Generator) -> Map:
    """Make smooth noise in [0, 1] over the canvas."""
    coarse = rng.uniform(0, 256, rng.integers(2, 12, 2)).astype(np.uint8)
    return levels(resized(coarse, (CANVAS, CANVAS)))


def crop(ink: Map) -> Map | None:
    """Crop ink to its bounding box; return None if there is too little of it."""
    if np.count_nonzero(ink > INK_LEVEL) < 12:
        return None
    cropped = ink[extent(ink, INK_LEVEL)]
    return cropped / cropped.max() if max(cropped.shape) >= 6 else None
