"""Draw letters, signs, invented characters, scribbles and printed lines, as if by hand: kinds of non-digits."""

import math
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
