"""Redraw a digit's strokes with pens of other widths, at any size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.preprocess.maps import Map
from training.paper import blurred

# Strokes are computed at this many cells per MNIST pixel, then drawn at any size.
CELLS = 6
# MNIST's ink at a stroke's outline. Below one half, because the thinnest strokes never reach full ink.
OUTLINE = 0.4

Digit = NDArray[np.uint8]


@dataclass(frozen=True)
class Strokes:
    """A digit's strokes.

    Attributes
    ----------
    field : Map
        Signed distance to the strokes' outline in cells, positive inside.
    """

    field: Map

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The ink's left, top, right and bottom, in cells."""
        rows, columns = (np.flatnonzero((self.field > 0).any(axis=axis)) for axis in (1, 0))
        return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1

    def extent(self, height: float) -> NDArray[np.float64]:
        """Return the width and height in pixels of the digit drawn `height` pixels tall."""
        left, top, right, bottom = self.box
        return np.array([right - left, bottom - top]) * (height / (bottom - top))


def enlarged(digit: Digit) -> Map:
    """Upsample MNIST's ink to cells and subtract OUTLINE; small holes are opened and pixel edges smoothed."""
    image = Image.fromarray(digit).resize((28 * CELLS, 28 * CELLS), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.UnsharpMask(1.2 * CELLS, percent=200, threshold=0))
    level = blurred(image, 0.5 * CELLS)
    return level - np.float32(min(OUTLINE, 0.6 * float(level.max())))


def felt(digit: Digit) -> Strokes:
    """Keep MNIST's own strokes, with a crisp outline."""
    level = enlarged(digit)
    slope = np.hypot(*np.gradient(level))
    return Strokes((level / slope.clip(min=0.01)).clip(-3, 3))


def pen(digit: Digit, width: float) -> Strokes:
    """Redraw the digit with a round pen, of `width` times the digit's height.

    Loops that are full of ink stay full: with its centre line alone, an 8 would become a 6.
    """
    ink = enlarged(digit) > 0
    line, depth = thinned(ink), distance(~ink)
    trace = width * tallness(ink) / 2 - smooth(distance(line))
    return Strokes(np.maximum(trace, smooth(depth) - 1.15 * np.median(depth[line])))


def tallness(ink: NDArray[np.bool_]) -> int:
    """Count the rows that the ink spans."""
    return int(np.ptp(np.flatnonzero(ink.any(axis=1)))) + 1


def thinned(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin strokes to their centre lines (Zhang and Suen 1984)."""
    ink, last = np.pad(ink, 1), None
    while last is None or (ink != last).any():
        last = ink
        for first, second in [((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))]:
            around = ring(ink)
            count = np.sum(around, axis=0)
            entries = np.sum([~a & b for a, b in zip(around, [*around[1:], around[0]], strict=True)], axis=0)
            kept = np.logical_and.reduce([around[k] for k in first]) | np.logical_and.reduce(
                [around[k] for k in second]
            )
            ink = ink & ~((count >= 2) & (count <= 6) & (entries == 1) & ~kept)
    return ink[1:-1, 1:-1]


def ring(ink: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return each cell's eight neighbours, clockwise from above."""
    steps = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    return [np.roll(ink, (-down, -right), axis=(0, 1)) for down, right in steps]


def distance(ink: NDArray[np.bool_]) -> Map:
    """Compute each cell's distance to the nearest ink."""
    rows, columns = (np.arange(side, dtype=np.float32) for side in ink.shape)
    edge = ink & ~np.logical_and.reduce(ring(ink))
    far = np.where(ink, np.float32(0), np.float32(np.inf))
    for row in np.flatnonzero(edge.any(axis=1)):
        across = np.abs(columns - np.flatnonzero(edge[row])[:, None]).min(axis=0)
        np.minimum(far, across**2 + (rows[:, None] - row) ** 2, out=far)
    return np.sqrt(far)


def smooth(field: Map) -> Map:
    """Average a field over 5 × 5 cells, to smooth the outlines."""
    for axis in (0, 1):
        field = np.mean([np.roll(field, k, axis) for k in range(-2, 3)], axis=0, dtype=np.float32)
    return field
