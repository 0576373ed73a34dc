"""Line of writing → parts, over-segmented: cut along seams wherever a digit may end.

A seam is a minimum-cost path from the top of a line to its bottom, around the ink or through little of it, as in seam
carving (Avidan and Shamir 2007). Entering a stroke costs more than continuing in it, so that seams also separate digits
whose strokes merge for a while.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import scaled
from app.preprocess.lines import Line
from app.preprocess.maps import Map, sliding

SEAM_HEIGHT = 40  # digit height, in pixels, to which larger lines are downscaled for the search
# Cost of a seam, in strokes crossed at right angles: to enter a stroke, and to continue in it, per stroke width.
ENTRY, PASSAGE = 0.65, 0.35
SIDEWAYS = 0.05  # cost of a step to the side, in pixels of ink
FREE = 0.5  # cost up to which a seam cuts no ink, in pixels of ink
DEEPEST = 3.0  # maximum ink that a seam cuts, in stroke widths
APART = 0.12  # minimum distance between cuts through ink, in digit heights
LEAST = 2.0  # minimum ink of a part, in pixels
MOST_SEAMS = 200
STARTS = np.array([1, 0, 2])  # offsets of the pixels above, above left and above right, in a row padded by 1


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


def parts_of(line: Line) -> Cuts:
    """Cut a line wherever a digit may end."""
    ink, scale = line.ink, SEAM_HEIGHT / line.height
    if scale < 1:
        ink = scaled(ink, *(max(1, round(side * scale)) for side in ink.shape))
    stroke = 2 * ink.sum() / max(np.hypot(*np.gradient(np.pad(ink, 1))).sum(), 1e-6)
    middle = len(ink) // 2
    halves = [Half.of(half, float(stroke)) for half in (ink[: middle + 1], ink[middle:][::-1])]
    # Cost of the cheapest seam through each pixel of the middle row, in pixels of ink.
    through = sum(half.costs[-1] for half in halves) - PASSAGE * ink[middle]
    apart = round(APART * line.height * len(ink) / len(line.ink))
    columns = cheapest(through, DEEPEST * stroke, max(1, apart))
    down, up = (half.traced(columns) for half in halves)
    seams = np.concatenate([down[::-1], up[1:]])  # (h, K)
    seams = np.maximum.accumulate(seams, axis=1)
    between = has_ink_between(ink, seams)
    seams, depth = seams[:, between], through[columns[between]].astype(np.float64) / stroke
    starts = np.zeros((len(ink), ink.shape[1] + 1), np.int64)
    np.add.at(starts, (np.arange(len(ink))[:, None], seams), 1)
    rows, places = (nearest(*sides) for sides in zip(line.ink.shape, ink.shape, strict=True))
    return Cuts(starts.cumsum(axis=1)[rows][:, places], np.pad(depth, 1))


def nearest(outputs: int, inputs: int) -> NDArray[np.int64]:
    """Return the indices (outputs,) that upsample an axis from `inputs` to `outputs` by nearest neighbour."""
    return np.arange(outputs) * inputs // outputs


class Half(NamedTuple):
    """The seams from one edge of a line to its middle row, both included.

    Attributes
    ----------
    costs : NDArray
        (h, w): cost of the cheapest seam from the first row to each pixel.
    steps : NDArray
        (3, h - 1, w): cost of the last step to each pixel, from above, above left and above right, without the pixel.
    """

    costs: Map
    steps: Map

    @classmethod
    def of(cls, ink: Map, stroke: float) -> "Half":
        """Compute the costs for ink (h, w) whose strokes are `stroke` pixels wide."""
        width = ink.shape[1]
        above = np.pad(ink[:-1], ((0, 0), (1, 1)))
        entered = np.stack([ink[1:] - above[:, start : start + width] for start in STARTS]).clip(min=0)
        steps = np.float32(ENTRY * stroke) * entered
        steps[1:] += np.float32(SIDEWAYS)
        costs = np.float32(PASSAGE) * ink
        before = np.full(width + 2, np.inf, np.float32)
        for row in range(1, len(ink)):
            before[1:-1] = costs[row - 1]
            ways = [before[start : start + width] + step for start, step in zip(STARTS, steps[:, row - 1], strict=True)]
            costs[row] += np.minimum(ways[0], np.minimum(ways[1], ways[2]))
        return cls(costs, steps)

    def traced(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Trace the cheapest seams that end at K columns of the last row, from there up to the first row: (h, K)."""
        seams = np.empty((len(self.costs), len(columns)), np.int64)
        seams[0] = columns
        padded = np.pad(self.costs, ((0, 0), (1, 1)), constant_values=np.inf)
        for row in range(1, len(self.costs)):
            x = seams[row - 1]
            ways = padded[-1 - row][x + STARTS[:, None]] + self.steps[:, -row, x]
            seams[row] = x + STARTS[np.argmin(ways, axis=0)] - 1
        return seams


def cheapest(through: Map, most: float, apart: int) -> NDArray[np.int64]:
    """Return the columns of the seams to cut along, by the cost of each column's seam (w,).

    These are both ends of each gap, since it may contain a comma or a dot, and local minima of the cost up to `most`.
    """
    free = through <= FREE
    lowest = through <= sliding(np.minimum, through[None], 2 * apart + 1)[0]
    gaps = [{downhill(through, begin, 1), downhill(through, end, -1)} for begin, end in runs(free)]
    found = [column for ends in gaps for column in ends]
    for begin, end in runs(lowest & (through <= most) & ~free):
        middle = (begin + end) // 2
        if all(abs(middle - other) >= apart for other in found):
            found.append(middle)
    columns = np.array(found, np.int64)
    return np.sort(columns[np.argsort(through[columns], kind="stable")[:MOST_SEAMS]])


def downhill(costs: Map, place: int, step: int) -> int:
    """Follow falling costs from a place: a cut belongs beside the ink, not on its faint edge."""
    while costs[place + step] < costs[place]:
        place += step
    return place


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last index of each run of True, except runs at the ends of the mask."""
    change = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    pairs = zip(change[::2].tolist(), (change[1::2] - 1).tolist(), strict=True)
    return [(begin, end) for begin, end in pairs if begin > 0 and end < len(mask) - 1]


def has_ink_between(ink: Map, seams: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which seams (h, K) have ink between them and the one before."""
    before = np.pad(ink.cumsum(axis=1), ((0, 0), (1, 0)))
    left = before[np.arange(len(ink))[:, None], seams].sum(axis=0)
    between: NDArray[np.bool_] = np.diff(left, prepend=0) >= LEAST
    return between
