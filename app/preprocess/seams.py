"""A line of writing → its parts: cut along seams wherever a digit may end.

Seams are the cheapest ways from a line's top to its bottom, around the ink or through little of it, as in seam carving
(Avidan and Shamir 2007). Ignores: which parts are digits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import scaled
from app.preprocess.lines import Line
from app.preprocess.maps import Map, sliding

SEAM_HEIGHT = 40  # of a digit, in pixels, where seams are looked for; a larger line is averaged down
SIDEWAYS = np.float32(0.05)  # what a step to the side costs, for 1 through full ink
FREE = 0.5  # a seam through no more ink than this cuts nothing
DEEPEST = 3.0  # most ink that a seam cuts, in widths of a stroke
APART = 0.12  # least distance of cuts through ink, in heights of a digit
LEAST = 2.0  # ink of a part: less is none
MOST_SEAMS = 200
STEPS = np.array([0, -1, 1])


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
    down, up = costs(ink[: middle + 1]), costs(ink[middle:][::-1])
    through = down[-1] + up[-1] - ink[middle]  # of the cheapest seam through each pixel of the middle row
    apart = round(APART * line.height * len(ink) / len(line.ink))
    columns = cheapest(through, DEEPEST * stroke, max(1, apart))
    seams = np.concatenate([traced(down, columns)[::-1], traced(up, columns)[1:]])  # (h, K)
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


def costs(ink: Map) -> Map:
    """What the cheapest seam from the first row to each pixel costs (h, w)."""
    total = np.empty_like(ink)
    total[0] = ink[0]
    before = np.full(ink.shape[1] + 2, np.inf, np.float32)
    for row in range(1, len(ink)):
        before[1:-1] = total[row - 1]
        total[row] = ink[row] + np.minimum(before[1:-1], np.minimum(before[:-2], before[2:]) + SIDEWAYS)
    return total


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


def traced(total: Map, columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cheapest seams that end in the last row at some columns, from there up to the first row: (h, K)."""
    seams = np.empty((len(total), len(columns)), np.int64)
    seams[0] = columns
    padded = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
    for step in range(1, len(total)):
        before = padded[-1 - step]
        x = seams[step - 1] + 1
        seams[step] = x - 1 + STEPS[np.argmin([before[x], before[x - 1] + SIDEWAYS, before[x + 1] + SIDEWAYS], axis=0)]
    return seams


def has_ink_between(ink: Map, seams: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which seams (h, K) have ink between them and the one before."""
    before = np.pad(ink.cumsum(axis=1), ((0, 0), (1, 0)))
    left = before[np.arange(len(ink))[:, None], seams].sum(axis=0)
    between: NDArray[np.bool_] = np.diff(left, prepend=0) >= LEAST
    return between
