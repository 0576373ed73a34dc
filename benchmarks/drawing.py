"""Draw an MNIST digit with pens, at any size and place, and trace it as pen strokes."""

import cc3d
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from app.preprocess.maps import Map
from training.paper import Size
from training.strokes import CELLS, Digit, Strokes, distance, enlarged, felt, pen, smooth, tallness, thinned

Point = tuple[float, float]


def handwriting(digit: Digit, rng: Generator) -> Strokes:
    """Draw the digit with a felt pen or a ball pen, at random."""
    return felt(digit) if rng.random() < 0.4 else pen(digit, 1 / rng.uniform(10, 18))


def marker(digit: Digit, width: float) -> Strokes:
    """Widen the strokes to about `width` times the digit's height, as far as holes and gaps stay open."""
    ink = enlarged(digit) > 0
    away, height = smooth(distance(ink) - distance(~ink)), tallness(ink)
    wider = max(0, (width * height - ink.sum() / thinned(ink).sum()) / 2)
    for radius in wider * np.linspace(1, 0, 12):
        if grounds(away > radius + 0.03 * height) == grounds(~ink):
            break
    return Strokes(radius - away)


def grounds(ground: NDArray[np.bool_]) -> int:
    """Count the regions into which ink divides the ground."""
    return int(cc3d.connected_components(ground, connectivity=4, return_N=True)[1])


def stamp(
    size: Size, strokes: Strokes, height: float, centre: Point, camera: ArrayLike = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
) -> Map:
    """Draw strokes of this height and centre on the sheet as a mask; the camera (3, 3) maps pixels to the sheet."""
    left, top, right, bottom = strokes.box
    scale = (bottom - top) / height
    shift = (left + right) / 2 - scale * centre[0], (top + bottom) / 2 - scale * centre[1]
    onto = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]]) @ np.asarray(camera)
    field = Image.fromarray(strokes.field).transform(
        size, Image.Transform.PERSPECTIVE, (onto / onto[2, 2]).ravel()[:8], Image.Resampling.BICUBIC, fillcolor=-99
    )
    return (0.5 + np.asarray(field) / np.float32(scale)).clip(0, 1)


def spot(rng: Generator, size: Size, extent: NDArray[np.float64], margin: float = 0) -> Point:
    """Pick a random centre at which this extent, with a margin, lies within a picture of this size."""
    least = extent / 2 + margin
    return pair(rng.uniform(least, np.maximum(np.asarray(size) - least, least + 1e-6)))


def pair(values: NDArray[np.float64]) -> Point:
    """Convert an array of two numbers to floats."""
    return float(values[0]), float(values[1])


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
