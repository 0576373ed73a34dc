"""Numbers as people write them: pen strokes along the centre lines of MNIST's digits,
and three other forms.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from skimage.morphology import skeletonize

from support import load_sheet
from training.strokes import CELLS, enlarged

Stroke = Sequence[tuple[float, float]]
Cell = tuple[int, int]


def stroke(points: str) -> Stroke:
    """Read the points of a stroke, such as "0.1,0.5 0.5,0.46"."""
    return [tuple(map(float, point.split(","))) for point in points.split()]


# In heights of a digit; one point is a dot.
MARKS = {".": [stroke("0,0.97")], "-": [stroke("0,0.54 0.42,0.52")]}
EUROPEAN_1 = stroke("0,0.38 0.28,0.02 0.3,0 0.3,0.04 0.28,1")
EUROPEAN_7 = stroke("0,0.1 0.02,0.02 0.5,0 0.53,0.01 0.38,0.4 0.22,1")
CROSSBAR = stroke("0.1,0.5 0.5,0.46")
PLAIN_1 = stroke("0.04,0 0,0.5 0,1")
OTHER_FORMS = {"1": [[EUROPEAN_1], [PLAIN_1]], "7": [[EUROPEAN_7, CROSSBAR]]}
# In place of a 6 of the sheet whose loop is full of ink: its centre line is a c.
CLEAR = {320: 301}
SHEET = np.array([1.5, 1])  # in heights of the sheet
MARGIN = 0.05


def traced(digit: np.ndarray) -> list[Stroke]:
    """Trace the digit's centre lines as pen strokes: lists of points (x, y), in MNIST
    pixels.

    A stroke starts at the topmost free end that is left, or else at a crossing, and
    goes as straight as it can.
    """
    left = {(int(x), int(y)) for y, x in np.argwhere(skeletonize(enlarged(digit) > 0))}
    done = set()
    strokes = []
    while left:
        ends = [cell for cell in left if len(beside(cell, left | done)) == 1]
        joints = [cell for cell in done if beside(cell, left)]
        walk = [min(ends or joints or left, key=lambda cell: cell[1])]
        while further := beside(walk[-1], left - {walk[0]}):
            walk.append(straightest(walk, further))
            left.remove(walk[-1])
        done.update(walk)
        left.discard(walk[0])
        if len(walk) < CELLS and strokes:  # the rest of a corner that was cut
            continue
        walk += beside(walk[-1], done - set(walk[-3:]))[:1]  # closes a loop
        cells = np.array(walk[:: CELLS // 2] + walk[-1:])
        strokes.append((cells + 0.5) / CELLS)
    return strokes


def straightest(walk: list[Cell], further: list[Cell]) -> Cell:
    """Return the cell that continues a walk most nearly straight on."""
    before = np.array(walk[-5:][0])
    ahead = 2 * np.array(walk[-1]) - before
    return min(further, key=lambda cell: np.abs(cell - ahead).sum())


def beside(cell: Cell, cells: set[Cell]) -> list[Cell]:
    """Return a cell's neighbours among `cells`."""
    x, y = cell
    around = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    return [other for other in around if other in cells]


@cache
def centre_lines(index: int) -> list[Stroke]:
    """Trace a digit of the sheet."""
    strokes = traced(load_sheet()[0][index])
    return [np.vstack([line[::6], line[-1:]]) / 20 - 0.2 for line in strokes]


def strokes_of(sign: str, rng: np.random.Generator) -> Sequence[Stroke]:
    """Write a mark or a digit, about 1 high, as one of several people did."""
    if sign in MARKS:
        return MARKS[sign]
    forms = OTHER_FORMS.get(sign, [])
    if forms and rng.random() < 0.3 * len(forms):
        return forms[rng.integers(len(forms))]
    index = 50 * int(sign) + 10 * int(rng.integers(5))
    return centre_lines(CLEAR.get(index, index))


def handwritten(text: str, height: float = 0.4, seed: int = 0) -> list[Stroke]:
    """Write a text somewhere on the sheet, its digits as high as given or less; the
    unit is the sheet's height.
    """
    rng = np.random.default_rng(seed)
    strokes = []
    right = 0.0
    for sign in text:
        parts = [np.array(part) for part in strokes_of(sign, rng)]
        across = np.concatenate(parts)[:, 0]
        left = right + rng.uniform(0.2, 0.4)  # wider than the pen
        strokes += [part + np.array([left - across.min(), 0]) for part in parts]
        right = left + np.ptp(across)
    corners = np.concatenate(strokes)
    inside = SHEET - 2 * MARGIN
    extent = np.ptp(corners, axis=0)
    height = min(height, *inside / extent)
    corner = MARGIN + rng.uniform(0.1, 0.9, 2) * (inside - height * extent)
    return [height * (part - corners.min(0)) + corner for part in strokes]
