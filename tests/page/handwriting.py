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
# In heights of a digit; one point is a dot.
MARKS = {".": [[(0, 0.97)]], "-": [[(0, 0.54), (0.42, 0.52)]]}
EUROPEAN_1 = [[(0, 0.38), (0.28, 0.02), (0.3, 0), (0.3, 0.04), (0.28, 1)]]
EUROPEAN_7 = [
    [(0, 0.1), (0.02, 0.02), (0.5, 0), (0.53, 0.01), (0.38, 0.4), (0.22, 1)],
    [(0.1, 0.5), (0.5, 0.46)],
]
PLAIN_1 = [[(0.04, 0), (0, 0.5), (0, 1)]]
OTHER_FORMS = {"1": [EUROPEAN_1, PLAIN_1], "7": [EUROPEAN_7]}
# Of the sheet: in place of a 6 whose loop is full of ink, so that its centre line is a
# c.
CLEAR = {320: 301}
SHEET, MARGIN = np.array([1.5, 1]), 0.05  # in heights of the sheet


def traced(digit: np.ndarray) -> list[Stroke]:
    """Trace the digit's centre lines as pen strokes: lists of points (x, y), in MNIST
    pixels.

    A stroke starts at the topmost free end that is left, or else at a crossing, and
    goes as straight as it can.
    """
    left = {(int(x), int(y)) for y, x in np.argwhere(skeletonize(enlarged(digit) > 0))}
    done, strokes = set(), []
    while left:
        ends = [cell for cell in left if len(beside(cell, left | done)) == 1]
        joints = [cell for cell in done if beside(cell, left)]
        walk = [min(ends or joints or left, key=lambda cell: cell[1])]
        while further := beside(walk[-1], left - {walk[0]}):
            before = walk[-5:][0]
            ahead = (2 * walk[-1][0] - before[0], 2 * walk[-1][1] - before[1])
            walk.append(
                min(
                    further,
                    key=lambda cell: abs(cell[0] - ahead[0]) + abs(cell[1] - ahead[1]),
                )
            )
            left.remove(walk[-1])
        done.update(walk)
        left.discard(walk[0])
        if len(walk) < CELLS and strokes:  # the rest of a corner that was cut
            continue
        walk += beside(walk[-1], done - set(walk[-3:]))[:1]  # closes a loop
        strokes.append(
            [
                ((x + 0.5) / CELLS, (y + 0.5) / CELLS)
                for x, y in walk[:: CELLS // 2] + walk[-1:]
            ]
        )
    return strokes


def beside(cell: tuple[int, int], cells: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return a cell's neighbours among `cells`."""
    x, y = cell
    return [
        (x + i, y + j)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i or j) and (x + i, y + j) in cells
    ]


@cache
def centre_lines(index: int) -> list[Stroke]:
    """Trace a digit of the sheet."""
    strokes = traced(load_sheet()[0][index])
    return [
        [(x / 20 - 0.2, y / 20 - 0.2) for x, y in [*stroke[::6], stroke[-1]]]
        for stroke in strokes
    ]


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
    strokes, right = [], 0.0
    for sign in text:
        parts = [np.array(stroke) for stroke in strokes_of(sign, rng)]
        across = np.concatenate(parts)[:, 0]
        left = right + rng.uniform(0.2, 0.4)  # wider than the pen
        strokes += [part + np.array([left - across.min(), 0]) for part in parts]
        right = left + np.ptp(across)
    corners = np.concatenate(strokes)
    inside, extent = SHEET - 2 * MARGIN, np.ptp(corners, axis=0)
    height = min(height, *inside / extent)
    place = (
        MARGIN
        + rng.uniform(0.1, 0.9, 2) * (inside - height * extent)
        - height * corners.min(0)
    )
    return [height * part + place for part in strokes]
