"""Hands that MNIST lacks: each has its own shapes of the digits, slant, proportions,
pen and paper.
"""

import numpy as np
from numpy.random import Generator
from scipy.interpolate import make_interp_spline

from training.drawing import drawn, levels
from training.sheets import crumpled, on_canvas, scanned

HEIGHT = 200  # of a digit in pixels, on average
RING = [
    (0.5, 0),
    (0.1, 0.2),
    (0, 0.5),
    (0.1, 0.8),
    (0.5, 1),
    (0.9, 0.8),
    (1, 0.5),
    (0.9, 0.2),
    (0.5, 0),
]
# Ways to write each digit: strokes through points (x, y) in its box.
SHAPES = {
    0: [[RING, [(1.1, -0.1), (-0.1, 1.1)]], [[*RING, (0.3, 0.2), (0.4, 0.35)]], [RING]],
    1: [
        [[(0, 0.6), (0.5, 0), (0.5, 1)], [(0.1, 1), (0.9, 1)]],
        [[(0, 0.9), (0.6, 0), (0.6, 1)]],
        [[(0.1, 0.3), (0.5, 0), (0.5, 1)], [(0, 1), (1, 1)]],
    ],
    2: [
        [[(0, 0.2), (0.5, 0), (0.9, 0.25), (0.5, 0.6), (0, 0.95), (0.2, 0.8), (0.5, 0.95), (1, 0.9)]],
        [[(0, 0.1), (0.8, 0.05), (0, 1), (1, 0.95)]],
        [[(0.1, 0.35), (0, 0.1), (0.5, 0), (0.9, 0.25), (0, 1), (0.5, 0.9), (1, 1.1)]],
    ],
    3: [
        [[(0, 0), (0.9, 0), (0.35, 0.4), (0.9, 0.6), (0.8, 0.95), (0, 0.95)]],
        [[(0, 0.1), (0.7, 0), (0.8, 0.3), (0.2, 0.45), (0.8, 0.55), (0.9, 0.9), (0.4, 1), (0, 0.85)]],
        [[(0, 0), (0.8, 0.1), (0.3, 0.45), (0.5, 0.4), (1, 0.9), (0.5, 1.3), (0, 1.2)]],
    ],
    4: [
        [[(0.3, 0), (0, 0.6), (1, 0.6)], [(0.7, 0.3), (0.6, 1)]],
        [[(0, 0), (0.05, 0.5), (0.8, 0.5)], [(0.8, 0), (0.8, 1)]],
        [[(0.7, 1), (0.7, 0), (0, 0.65), (1, 0.65)]],
    ],
    5: [
        [[(1, 0), (0.2, 0), (0.1, 0.4), (0.8, 0.45), (0.9, 0.8), (0.4, 1), (0, 0.9)]],
        [[(0.2, 0), (0.1, 0.45), (0.8, 0.5), (0.8, 0.9), (0, 1)], [(0.3, -0.05), (1, -0.1)]],
        [[(0.9, 0.1), (0.4, 0), (0.1, 0.25), (0.5, 0.5), (0.9, 0.75), (0.5, 1), (0, 0.9)]],
    ],
    6: [
        [[(0.3, 0), (0, 0.6), (0.3, 1), (0.8, 0.85), (0.7, 0.55), (0.1, 0.7)]],
        [[(0.9, 0.05), (0.3, 0.1), (0, 0.6), (0.4, 1), (0.9, 0.8), (0.6, 0.5), (0.1, 0.7)]],
        [[(1, -0.2), (0.2, 0.5), (0.1, 0.9), (0.5, 1), (0.6, 0.75), (0.2, 0.75)]],
    ],
    7: [
        [[(0, 0.15), (0, 0), (0.9, 0), (0.4, 1)], [(0.1, 0.5), (1, 0.5)]],
        [[(0, 0.2), (0.2, 0), (0.5, 0.15), (0.9, 0), (0.3, 1)], [(0.2, 0.55), (0.9, 0.45)]],
        [[(0, 0), (0.9, 0.05), (0.7, 0.4), (0.6, 1)], [(0.3, 0.4), (1.1, 0.6)]],
    ],
    8: [
        [[(0.9, 0.1), (0.4, 0), (0.1, 0.25), (0.9, 0.75), (0.5, 1), (0.1, 0.8), (0.9, 0.2), (1, 0.0)]],
        [
            [(0.5, 0), (0.2, 0.2), (0.5, 0.4), (0.8, 0.2), (0.5, 0)],
            [(0.5, 0.4), (0, 0.7), (0.5, 1), (1, 0.7), (0.5, 0.4)],
        ],
        [[(0.8, 0.15), (0.2, 0), (0.2, 0.3), (0.8, 0.7), (0.4, 1), (0, 0.75), (0.4, 0.5), (1, 0.1)]],
    ],
    9: [
        [[(0.8, 0.2), (0.3, 0), (0, 0.3), (0.4, 0.5), (0.8, 0.2), (0.7, 0.9), (0.3, 1.1), (0, 0.9)]],
        [[(0.8, 0.1), (0.2, 0.05), (0.1, 0.4), (0.8, 0.3), (0.8, 0), (0.8, 1), (1.1, 0.8)]],
        [[(0.6, 0.45), (0, 0.3), (0.4, 0), (0.8, 0.3), (0.5, 0.8), (0, 1)]],
    ],
}  # fmt: skip


class Hand:
    """A writer; all that is his own depends on the seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.shapes = {
            digit: ways[rng.integers(len(ways))] for digit, ways in SHAPES.items()
        }
        self.shapes = {
            digit: [
                np.array(stroke) + rng.normal(0, 0.1, (len(stroke), 2))
                for stroke in strokes
            ]
            for digit, strokes in self.shapes.items()
        }
        self.slant, self.width = (
            rng.choice([-1, 1]) * rng.uniform(0.5, 1.3),
            rng.uniform(0.45, 0.9),
        )
        self.pen, self.order = rng.uniform(0.05, 0.16), int(rng.integers(1, 4))
        self.finish = [on_canvas, scanned, lambda *of: scanned(*of, light=crumpled)][
            rng.integers(3)
        ]

    def write(self, digit: int, rng: Generator) -> bytes:
        """Write a digit once, a little differently each time."""
        height = HEIGHT * rng.uniform(0.7, 1.3)
        slant, width = (
            self.slant + rng.normal(0, 0.1),
            self.width * rng.uniform(0.75, 1.3),
        )
        strokes = [
            self.curve(stroke + rng.normal(0, 0.07, stroke.shape))
            for stroke in self.shapes[digit]
        ]
        strokes = [height * (stroke @ [[width, 0], [-slant, 1]]) for stroke in strokes]
        corners, pen = np.concatenate(strokes), max(3, round(self.pen * height))
        low, size = corners.min(axis=0), np.ptp(corners, axis=0)
        margin = rng.uniform(0.3, 1, 2) * height
        sheet = tuple(int(side) for side in size + 2 * margin)
        ink = levels(drawn(sheet, [stroke - low + margin for stroke in strokes], pen))
        return self.finish(ink, height, rng)

    def curve(self, corners: np.ndarray) -> np.ndarray:
        """Return points on a curve through the corners, which is round or has corners."""
        spline = make_interp_spline(
            np.arange(len(corners)), corners, min(self.order, len(corners) - 1)
        )
        return spline(np.linspace(0, len(corners) - 1, 8 * (len(corners) - 1) + 1))

    def pictures(self, count: int, seed: int) -> list[tuple[bytes, int]]:
        """Write as many of each digit, with labels."""
        rng = np.random.default_rng(seed)
        return [(self.write(k % 10, rng), k % 10) for k in range(count)]
