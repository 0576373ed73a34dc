"""A line of writing → its parts: cut along seams wherever a digit may end.

Seams are the cheapest ways from a line's top to its bottom, around the ink or through little of it, as in seam carving
(Avidan and Shamir 2007). To enter a stroke costs more than to go on in it, so that they also part digits whose strokes
run into one for a while. Ignores: which parts are digits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import scaled
from app.preprocess.lines import Line
from app.preprocess.maps import Map, sliding

SEAM_HEIGHT = 40  # of a digit, in pixels, where seams are looked for; a larger line is averaged down
# What a seam costs, in strokes crossed at right angles: to enter a stroke, and to go on in it, for each of its widths.
ENTRY, PASSAGE = 0.65, 0.35
SIDEWAYS = 0.05  # what a step to the side costs, in pixels of ink gone through
FREE = 0.5  # a seam through no more ink than this cuts nothing
DEEPEST = 3.0  # most ink that a seam cuts, in widths of a stroke
APART = 0.12  # least distance of cuts through ink, in heights of a digit
LEAST = 2.0  # ink of a part: less is none
MOST_SEAMS = 200
STARTS = np.array([1, 0, 2])  # straight above, above to the left, to the right: places on a row that is padded by 1


class Cuts(NamedTuple):
    """Where a line is cut.

    Attributes
    ----------
    part : NDArray
        (h, w) int64: each pixel's part, from 0 at the left.
    depth : NDArray
        (N + 1,) float64: the ink, in widths of a stroke, that is cut before each part, and after the last one.
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
    # What the cheapest seam through each pixel of the middle row costs, in pixels of ink gone through.
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
    """For each place on an axis, the place on another one of the same length but fewer steps: (outputs,)."""
    return np.arange(outputs) * inputs // outputs


class Half(NamedTuple):
    """The seams from one edge of a line to its middle, both rows included.

    Attributes
    ----------
    costs : NDArray
        (h, w) of the cheapest seam from the first row to each pixel.
    steps : NDArray
        (3, h - 1, w) of the last step to each pixel, without the pixel: from straight above it, its left, its right.
    """

    costs: Map
    steps: Map

    @classmethod
    def of(cls, ink: Map, stroke: float) -> "Half":
        """Of ink (h, w) with strokes of a width in pixels."""
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
        """The cheapest seams that end in the last row at some columns, from there up to the first row: (h, K)."""
        seams = np.empty((len(self.costs), len(columns)), np.int64)
        seams[0] = columns
        padded = np.pad(self.costs, ((0, 0), (1, 1)), constant_values=np.inf)
        for row in range(1, len(self.costs)):
            x = seams[row - 1]
            ways = padded[-1 - row][x + STARTS[:, None]] + self.steps[:, -row, x]
            seams[row] = x + STARTS[np.argmin(ways, axis=0)] - 1
        return seams


def cheapest(through: Map, most: float, apart: int) -> NDArray[np.int64]:
    """The columns of seams to cut along, by what each column's costs (w,).

    They are both ends of each gap, since a comma or a dot may stand in it, and where a seam through ink, up to `most`,
    is cheaper than those beside it.
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
    """From a place on, the first one after which costs do not fall: beside ink, not on its faint edge."""
    while costs[place + step] < costs[place]:
        place += step
    return place


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The first and last places of each run of True, but for those at both ends of the mask."""
    change = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    pairs = zip(change[::2].tolist(), (change[1::2] - 1).tolist(), strict=True)
    return [(begin, end) for begin, end in pairs if begin > 0 and end < len(mask) - 1]


def has_ink_between(ink: Map, seams: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which seams (h, K) have ink between them and the one before."""
    before = np.pad(ink.cumsum(axis=1), ((0, 0), (1, 0)))
    left = before[np.arange(len(ink))[:, None], seams].sum(axis=0)
    between: NDArray[np.bool_] = np.diff(left, prepend=0) >= LEAST
    return between
