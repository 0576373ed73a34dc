"""Redraw a digit's strokes with pens of other widths, at any size."""

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.preprocess.maps import Map

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
    level: Map = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5 * CELLS)), np.float32) / np.float32(255)
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


def marker(digit: Digit, width: float) -> Strokes:
    """Widen the strokes to about `width` times the digit's height, as far as holes and gaps stay open."""
    ink = enlarged(digit) > 0
    away, height = smooth(distance(ink) - distance(~ink)), tallness(ink)
    wider = max(0, (width * height - ink.sum() / thinned(ink).sum()) / 2)
    for radius in wider * np.linspace(1, 0, 12):
        if grounds(away > radius + 0.03 * height) == grounds(~ink):
            break
    return Strokes(radius - away)


def tallness(ink: NDArray[np.bool_]) -> int:
    """Count the rows that the ink spans."""
    return int(np.ptp(np.flatnonzero(ink.any(axis=1)))) + 1


def grounds(ground: NDArray[np.bool_]) -> int:
    """Count the regions into which ink divides the ground."""
    return int(cc3d.connected_components(ground, connectivity=4, return_N=True)[1])


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


def traced(digit: Digit) -> list[list[tuple[float, float]]]:
    """Trace the digit's centre lines as pen strokes: lists of points (x, y), in MNIST pixels.

    A stroke starts at the topmost free end that is left, or else at a crossing, and goes as straight as it can.
    """
    left = {(int(x), int(y)) for y, x in np.argwhere(thinned(enlarged(digit) > 0))}
    done: set[tuple[int, int]] = set()
    strokes: list[list[tuple[float, float]]] = []
    while left:
        ends = [cell for cell in left if len(beside(cell, left | done)) == 1]
        joints = [cell for cell in done if beside(cell, left)]
        walk = [min(ends or joints or left, key=lambda cell: cell[1])]
        while further := beside(walk[-1], left - {walk[0]}):
            before = walk[-5:][0]
            ahead = (2 * walk[-1][0] - before[0], 2 * walk[-1][1] - before[1])
            walk.append(min(further, key=lambda cell: abs(cell[0] - ahead[0]) + abs(cell[1] - ahead[1])))
            left.remove(walk[-1])
        done.update(walk)
        left.discard(walk[0])
        if len(walk) < CELLS and strokes:  # the rest of a corner that was cut
            continue
        walk += beside(walk[-1], done - set(walk[-3:]))[:1]  # closes a loop
        strokes.append([((x + 0.5) / CELLS, (y + 0.5) / CELLS) for x, y in walk[:: CELLS // 2] + walk[-1:]])
    return strokes


def beside(cell: tuple[int, int], cells: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return a cell's neighbours among `cells`."""
    x, y = cell
    return [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i or j) and (x + i, y + j) in cells]


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


def handwriting(digit: Digit, rng: Generator) -> Strokes:
    """Draw the digit with a felt pen or a ball pen, at random."""
    return felt(digit) if rng.random() < 0.4 else pen(digit, 1 / rng.uniform(10, 18))
