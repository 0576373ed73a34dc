"""Numbers as people write them: pen strokes along the centre lines of MNIST's digits,
and three other forms.
"""

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
from skimage.morphology import skeletonize

from pictures import load_sheet
from training.writing.strokes import CELLS, enlarged

Stroke = Sequence[tuple[float, float]]
Cell = tuple[int, int]


def stroke(points: str) -> Stroke:
    """Read the points of a stroke, such as "0.1,0.5 0.5,0.46"."""
    path = []
    for point in points.split():
        x, y = point.split(",")
        path.append((float(x), float(y)))
    return path


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
    thin = skeletonize(enlarged(digit) > 0)
    left = set(map(tuple, np.argwhere(thin.T).tolist()))
    done = set()
    strokes = []
    while left:
        ends = [cell for cell in left if len(beside(cell, left | done)) == 1]
        joints = [cell for cell in done if beside(cell, left)]
        start = min(ends or joints or left, key=lambda cell: cell[1])
        walk = [start]
        while further := beside(walk[-1], left - {start}):
            walk.append(straightest(walk, further))
            left.remove(walk[-1])
        done.update(walk)
        left.discard(start)
        if len(walk) < CELLS and strokes:  # the rest of a corner that was cut
            continue
        before = done - set(walk[-3:])
        walk += beside(walk[-1], before)[:1]  # closes a loop
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
    around = product((x - 1, x, x + 1), (y - 1, y, y + 1))
    return [other for other in around if other in cells and other != cell]


@cache
def centre_lines(index: int) -> list[Stroke]:
    """Trace a digit of the sheet."""
    digits, _ = load_sheet()
    strokes = []
    for line in traced(digits[index]):
        some = np.vstack([line[::6], line[-1:]])
        strokes.append(some / 20 - 0.2)
    return strokes


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
    """Write a text on the sheet; lengths are in heights of the sheet."""
    rng = np.random.default_rng(seed)
    strokes = []
    right = 0.0
    for sign in text:
        parts = list(map(np.array, strokes_of(sign, rng)))
        across = np.concatenate(parts)[:, 0]
        left = right + rng.uniform(0.2, 0.4)  # wider than the pen
        shift = np.array([left - across.min(), 0])
        strokes += [part + shift for part in parts]
        right = left + np.ptp(across)
    corners = np.concatenate(strokes)
    inside = SHEET - 2 * MARGIN
    extent = np.ptp(corners, axis=0)
    height = min(height, *inside / extent)
    room = inside - height * extent
    corner = MARGIN + rng.uniform(0.1, 0.9, 2) * room
    return [height * (part - corners.min(0)) + corner for part in strokes]
