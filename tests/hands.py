"""Hands that MNIST lacks.

Each has its own shapes of the digits, slant, proportions, pen and paper.
"""

from functools import partial

import numpy as np
from numpy.random import Generator
from scipy.interpolate import make_interp_spline

from training.writing.drawing import levels
from training.writing.sheets import crumpled, on_canvas, scanned
from training.writing.strokes import drawn, polylines

HEIGHT = 200  # of a digit in pixels, on average
# Three ways to write each digit, 0 first: strokes in its box, see `polylines`.
WAYS = """
0.5,0 0.1,0.2 0,0.5 0.1,0.8 0.5,1 0.9,0.8 1,0.5 0.9,0.2 0.5,0 | 1.1,-0.1 -0.1,1.1
0.5,0 0.1,0.2 0,0.5 0.1,0.8 0.5,1 0.9,0.8 1,0.5 0.9,0.2 0.5,0 0.3,0.2 0.4,0.35
0.5,0 0.1,0.2 0,0.5 0.1,0.8 0.5,1 0.9,0.8 1,0.5 0.9,0.2 0.5,0
0,0.6 0.5,0 0.5,1 | 0.1,1 0.9,1
0,0.9 0.6,0 0.6,1
0.1,0.3 0.5,0 0.5,1 | 0,1 1,1
0,0.2 0.5,0 0.9,0.25 0.5,0.6 0,0.95 0.2,0.8 0.5,0.95 1,0.9
0,0.1 0.8,0.05 0,1 1,0.95
0.1,0.35 0,0.1 0.5,0 0.9,0.25 0,1 0.5,0.9 1,1.1
0,0 0.9,0 0.35,0.4 0.9,0.6 0.8,0.95 0,0.95
0,0.1 0.7,0 0.8,0.3 0.2,0.45 0.8,0.55 0.9,0.9 0.4,1 0,0.85
0,0 0.8,0.1 0.3,0.45 0.5,0.4 1,0.9 0.5,1.3 0,1.2
0.3,0 0,0.6 1,0.6 | 0.7,0.3 0.6,1
0,0 0.05,0.5 0.8,0.5 | 0.8,0 0.8,1
0.7,1 0.7,0 0,0.65 1,0.65
1,0 0.2,0 0.1,0.4 0.8,0.45 0.9,0.8 0.4,1 0,0.9
0.2,0 0.1,0.45 0.8,0.5 0.8,0.9 0,1 | 0.3,-0.05 1,-0.1
0.9,0.1 0.4,0 0.1,0.25 0.5,0.5 0.9,0.75 0.5,1 0,0.9
0.3,0 0,0.6 0.3,1 0.8,0.85 0.7,0.55 0.1,0.7
0.9,0.05 0.3,0.1 0,0.6 0.4,1 0.9,0.8 0.6,0.5 0.1,0.7
1,-0.2 0.2,0.5 0.1,0.9 0.5,1 0.6,0.75 0.2,0.75
0,0.15 0,0 0.9,0 0.4,1 | 0.1,0.5 1,0.5
0,0.2 0.2,0 0.5,0.15 0.9,0 0.3,1 | 0.2,0.55 0.9,0.45
0,0 0.9,0.05 0.7,0.4 0.6,1 | 0.3,0.4 1.1,0.6
0.9,0.1 0.4,0 0.1,0.25 0.9,0.75 0.5,1 0.1,0.8 0.9,0.2 1,0
0.5,0 0.2,0.2 0.5,0.4 0.8,0.2 0.5,0 | 0.5,0.4 0,0.7 0.5,1 1,0.7 0.5,0.4
0.8,0.15 0.2,0 0.2,0.3 0.8,0.7 0.4,1 0,0.75 0.4,0.5 1,0.1
0.8,0.2 0.3,0 0,0.3 0.4,0.5 0.8,0.2 0.7,0.9 0.3,1.1 0,0.9
0.8,0.1 0.2,0.05 0.1,0.4 0.8,0.3 0.8,0 0.8,1 1.1,0.8
0.6,0.45 0,0.3 0.4,0 0.8,0.3 0.5,0.8 0,1
""".split("\n")[1:-1]
FINISHES = on_canvas, scanned, partial(scanned, light=crumpled)


class Hand:
    """A writer; all that is his own depends on the seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        ways = [3 * digit + rng.integers(3) for digit in range(10)]
        self.shapes = []
        for way in ways:
            strokes = polylines(WAYS[way])
            self.shapes.append([s + rng.normal(0, 0.1, s.shape) for s in strokes])
        self.slant = rng.choice([-1, 1]) * rng.uniform(0.5, 1.3)
        self.width = rng.uniform(0.45, 0.9)
        self.pen = rng.uniform(0.05, 0.16)
        self.order = int(rng.integers(1, 4))
        self.finish = FINISHES[rng.integers(3)]

    def write(self, digit: int, rng: Generator) -> bytes:
        """Write a digit once, a little differently each time."""
        height = HEIGHT * rng.uniform(0.7, 1.3)
        slant = self.slant + rng.normal(0, 0.1)
        width = self.width * rng.uniform(0.75, 1.3)
        slanted = [[width, 0], [-slant, 1]]
        strokes = []
        for corners in self.shapes[digit]:
            near = corners + rng.normal(0, 0.07, corners.shape)
            strokes.append(height * (self.curve(near) @ slanted))
        points = np.concatenate(strokes)
        margin = rng.uniform(0.3, 1, 2) * height
        low = points.min(axis=0)
        sheet = tuple(int(side) for side in np.ptp(points, axis=0) + 2 * margin)
        pen = max(3, round(self.pen * height))
        ink = levels(drawn(sheet, [stroke - low + margin for stroke in strokes], pen))
        return self.finish(ink, height, rng)

    def curve(self, corners: np.ndarray) -> np.ndarray:
        """Return points on a round or angular curve through the corners."""
        last = len(corners) - 1
        places = np.arange(len(corners))
        spline = make_interp_spline(places, corners, min(self.order, last))
        return spline(np.linspace(0, last, 8 * last + 1))

    def pictures(self, count: int, seed: int) -> list[tuple[bytes, int]]:
        """Write as many of each digit, with labels."""
        rng = np.random.default_rng(seed)
        return [(self.write(k % 10, rng), k % 10) for k in range(count)]
