"""Line of writing → parts, over-segmented: cut along seams wherever a digit may end.

A seam is a minimum-cost path from the top of a line to its bottom, around the ink or through little of it, as in seam
carving (Avidan and Shamir 2007). Entering a stroke costs more than continuing in it, so that seams also separate digits
whose strokes merge for a while.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.lines import Line
from app.preprocess.maps import Map, padded, sliding

ROWS = 0.25, 0.75  # the rows in which the cheapest seams are searched for, as fractions of a line's height
# Cost of a seam, in strokes crossed at right angles: to enter a stroke, and to continue in it, per stroke width.
ENTRY, PASSAGE = 0.65, 0.35
SIDEWAYS = 0.15  # cost of a step to the side, in pixels of ink
FREE = 0.5  # cost up to which a seam cuts no ink, in pixels of ink
MAX_CUT = 3.0  # ink that a seam cuts, in stroke widths
MIN_DISTANCE = 0.09  # distance in a row between cuts through ink, in digit heights
MIN_INK = 0.005  # ink between two seams, in squared digit heights
MAX_SEAMS = 200
STEPS = np.array([0, -1, 1])  # the columns of the pixels before a pixel on a path, relative to its own


class Cuts(NamedTuple):
    """The cuts of a line.

    Attributes
    ----------
    part : NDArray
        (h, w) int64: the part of each pixel, from 0 on the left.
    depth : NDArray
        (N + 1,) float64: the ink cut before each part and after the last one, in stroke widths.
    """

    part: NDArray[np.int64]
    depth: NDArray[np.float64]


def cuts_of(line: Line) -> Cuts:
    """Cut a line wherever a digit may end."""
    ink = line.ink
    stroke = float(2 * ink.sum() / max(np.hypot(*np.gradient(padded(ink, 1, 1))).sum(), 1e-6))
    seams, cost = seams_of(ink, line.height, stroke)
    starts = np.zeros((len(ink), ink.shape[1] + 1), np.int64)
    np.add.at(starts, (np.arange(len(ink))[:, None], seams), 1)
    return Cuts(starts.cumsum(axis=1)[:, :-1], np.concatenate([[0.0], cost.astype(np.float64) / stroke, [0.0]]))


def seams_of(ink: Map, height: float, stroke: float) -> tuple[NDArray[np.int64], Map]:
    """Find the seams (h, K) to cut a line along, from left to right: the column of each in each row; and their costs.

    `height` is the digit height, and `stroke` the stroke width, in pixels of the ink (h, w).
    """
    rows = [int(share * len(ink)) for share in ROWS]
    down = Paths.of(ink[: rows[-1] + 1], stroke, upwards=False)
    up = Paths.of(ink[rows[0] :], stroke, upwards=True)
    found, costs = [], []
    for row in rows:
        # Cost of the cheapest seam through each pixel of the row, in pixels of ink.
        through = down.costs[row] + up.costs[len(ink) - 1 - row] - PASSAGE * ink[row]
        columns = cheapest(through, MAX_CUT * stroke, max(1, round(MIN_DISTANCE * height)))
        above, below = down.traced(row, columns), up.traced(len(ink) - 1 - row, columns)
        found.append(np.concatenate([above[::-1], below[1:]]))
        costs.append(through[columns])
    seams, cost = np.concatenate(found, axis=1), np.concatenate(costs)
    kept = distinct(ink, seams, cost, MIN_INK * height**2)
    return np.maximum.accumulate(seams[:, kept], axis=1), cost[kept]


class Paths(NamedTuple):
    """The cheapest paths between one edge of a line and the pixels of its rows; the first row is the one at that edge.

    Attributes
    ----------
    costs : NDArray
        (h, w): cost of the cheapest path between the edge and each pixel, both included.
    steps : NDArray
        (h - 1, w) int64: from each pixel but those at the edge, the step to the side to the pixel before it on its
        path: 0, -1 or 1.
    """

    costs: Map
    steps: NDArray[np.int64]

    @classmethod
    def of(cls, ink: Map, stroke: float, upwards: bool) -> "Paths":
        """Compute the paths for ink (h, w) whose strokes are `stroke` pixels wide, from its top or its bottom edge.

        Upwards, leaving a stroke costs what entering it costs downwards, so that the two halves of a seam add up.
        """
        ink, width = ink[::-1] if upwards else ink, ink.shape[1]
        entry = np.float32(ENTRY * stroke)
        change = ink[1:] - beside(ink[:-1], 0)
        steps = entry * (-change if upwards else change).clip(min=0)
        steps[1:] += np.float32(SIDEWAYS)
        costs = np.float32(PASSAGE) * ink
        costs[0] += 0 if upwards else entry * ink[0]
        reached = np.full(width + 2, np.inf, np.float32)
        for row in range(1, len(ink)):
            reached[1:-1] = costs[row - 1]
            straight, left, right = (reached[1 + x : 1 + x + width] + steps[k, row - 1] for k, x in enumerate(STEPS))
            costs[row] += np.minimum(straight, np.minimum(left, right))
        straight, left, right = beside(costs[:-1], np.inf) + steps
        return cls(costs, np.where(straight <= np.minimum(left, right), 0, np.where(left <= right, -1, 1)))

    def traced(self, row: int, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Trace the cheapest paths between the edge and K columns of a row, from that row on: (row + 1, K)."""
        seams = np.empty((row + 1, len(columns)), np.int64)
        seams[0] = columns
        for done, steps in enumerate(self.steps[:row][::-1]):
            seams[done + 1] = seams[done] + steps[seams[done]]
        return seams


def beside(values: Map, outside: float) -> Map:
    """Return, for each of STEPS, the values (h, w) that many columns to the side of each pixel: (3, h, w)."""
    wider = padded(values, 0, 1, outside)
    return np.stack([wider[:, 1 + step : 1 + step + values.shape[1]] for step in STEPS])


def cheapest(through: Map, most: float, apart: int) -> NDArray[np.int64]:
    """Return the columns of the seams to cut along, by the cost of each column's seam (w,).

    These are both ends of each gap, since it may contain a comma or a dot, and local minima of the cost up to `most`.
    """
    free = through <= FREE
    lowest = through <= sliding(np.minimum, through[None], 2 * apart + 1)[0]
    found = [column for ends in runs(free) for column in set(ends)]
    for begin, end in runs(lowest & (through <= most) & ~free):
        middle = (begin + end) // 2
        if all(abs(middle - other) >= apart for other in found):
            found.append(middle)
    return np.array(found, np.int64)


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last index of each run of True, except runs at the ends of the mask."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    pairs = zip(change[::2].tolist(), (change[1::2] - 1).tolist(), strict=True)
    return [(begin, end) for begin, end in pairs if begin > 0 and end < len(mask) - 1]


def distinct(ink: Map, seams: NDArray[np.int64], cost: Map, least: float) -> list[int]:
    """Choose among seams (h, K): the cheapest ones with `least` ink between any two, and on both sides of each.

    Returns their indices, from left to right.
    """
    before = padded(ink.cumsum(axis=1), 0, 1)[:, :-1]
    left = before[np.arange(len(ink))[:, None], seams].T  # (K, h): ink to the left of each seam, by row
    taken = np.concatenate([before.T[[0, -1]], np.empty((MAX_SEAMS, len(ink)))])
    kept: list[int] = []
    for seam in np.argsort(cost, kind="stable").tolist():
        if len(kept) < MAX_SEAMS and np.abs(taken[: len(kept) + 2] - left[seam]).sum(axis=1).min() >= least:
            taken[len(kept) + 2] = left[seam]
            kept.append(seam)
    return sorted(kept, key=lambda seam: int(seams[:, seam].sum()))
