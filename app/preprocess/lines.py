"""Ink map → lines of writing, each with the height of its digits.

Ignores: what the ink shows, and lines that are not about level.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.errors import TooMuchWriting
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components, piece

MOST_PIECES, MOST_LINES = 2048, 32
SMALL = 0.4  # a piece of less than this share of the usual height makes no line
SPECK = 0.1  # and one of less than this is none
OVERLAP = 0.4  # share of the lower one's height in which two pieces of a line overlap, at least
NEAR = 0.5  # a small piece is at most so many heights above or below its line


class Line(NamedTuple):
    """A line of writing.

    Attributes
    ----------
    ink : Map
        (h, w) float32: the ink in its box, without any other.
    box : Box
        Where it is on the ink map.
    height : float
        Of its digits, in pixels of the map.
    """

    ink: Map
    box: Box
    height: float


def lines_of(ink: Map, found: Components, with_cut_off: bool = True) -> list[Line]:
    """The lines of writing, from top to bottom.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    found : Components
        What is connected on it.
    with_cut_off : bool
        Whether what an edge of the map cuts belongs to them.

    Raises
    ------
    TooMuchWriting
        There are more pieces or lines than anybody writes: it may be noise.
    """
    tall = found.box[:, 1] - found.box[:, 0] + 1
    if len(tall) == 1:
        return []
    usual = weighted_median(tall[1:], found.mass[1:])
    kept = found.size >= SPECK * usual
    kept[0] = False
    if not with_cut_off:
        kept &= found.is_whole
    large = np.flatnonzero(kept & (tall >= SMALL * usual))
    if len(large) > MOST_PIECES:
        raise TooMuchWriting
    rows = grouped(found, large)
    if len(rows) > MOST_LINES:
        raise TooMuchWriting
    small = np.flatnonzero(kept & (tall < SMALL * usual))[:MOST_PIECES].tolist()
    homes = [home(found, one, rows, NEAR * usual) for one in small]
    for one, index in zip(small, homes, strict=True):
        if index is not None:
            rows[index].append(one)
    lines = [line_of(ink, found, np.array(row)) for row in rows]
    return sorted(lines, key=lambda line: line.box.top + line.box.bottom)


def weighted_median(values: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """The value that half of the weight lies below."""
    order = np.argsort(values)
    sums = weights[order].cumsum()
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def grouped(found: Components, large: NDArray[np.int64]) -> list[list[int]]:
    """Pieces of ink by lines: from left to right, each joins the line whose end it overlaps most, or begins one."""
    rows: list[list[int]] = []
    spans = [found.box[one, :2].tolist() for one in range(len(found.box))]
    for one in large[np.argsort(found.box[large, 2])].tolist():
        top, bottom = spans[one]
        shares = []
        for row in rows:
            first, last = spans[row[-1]]
            overlap = min(bottom, last) - max(top, first) + 1
            shares.append(overlap / (min(bottom - top, last - first) + 1))
        if shares and max(shares) >= OVERLAP:
            rows[int(np.argmax(shares))].append(one)
        else:
            rows.append([one])
    return rows


def home(found: Components, one: int, rows: list[list[int]], reach: float) -> int | None:
    """Which line a small piece is in, or else the nearest one within reach, if any."""
    top, bottom, left, right = found.box[one].tolist()
    away = []
    for row in rows:
        boxes = found.box[row]
        first, last = boxes[np.abs(boxes[:, 2] + boxes[:, 3] - left - right).argmin(), :2].tolist()
        away.append(max(first - bottom, top - last, 0))
    nearest = int(np.argmin(away)) if away else None
    return nearest if nearest is not None and away[nearest] < reach else None


def line_of(ink: Map, found: Components, row: NDArray[np.int64]) -> Line:
    """Pieces as a line."""
    belongs = np.zeros(len(found.mass), bool)
    belongs[row] = True
    whole = piece(ink, found, belongs)
    tall = found.box[row, 1] - found.box[row, 0] + 1
    return Line(whole.ink, whole.box, weighted_median(tall, found.mass[row]))
