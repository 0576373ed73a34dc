"""Ink map → lines of writing, each with the height of its digits. Only roughly horizontal lines are found."""

from itertools import chain, compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.errors import TooMuchWriting
from app.preprocess.frame import scaled
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components, piece

DIGIT_HEIGHT = 40  # lines with higher digits are downscaled to this height, in pixels
MOST_PIECES, MOST_LINES = 2048, 32
SMALL = 0.4  # components shorter than this fraction of the median height start no line
SPECK = 0.1  # components smaller than this fraction of it are ignored
OVERLAP = 0.4  # minimum vertical overlap of a component and the last two of its line, over the smaller height
NEAR = 0.5  # maximum distance of a small component above or below its line, in median heights


class Line(NamedTuple):
    """A line of writing.

    Attributes
    ----------
    ink : Map
        (h, w) float32 in [0, 1]: its ink, cropped to its bounding box, without any other ink, and downscaled to digits
        of at most DIGIT_HEIGHT.
    box : Box
        Its bounding box on the ink map, not downscaled.
    height : float
        Height of its digits, in pixels of `ink`.
    printed : Map, optional
        (h, w) float32 in [0, 1]: the part of `ink` that lies on printed lines, if there are any.
    scale : float
        Height of its digits on the ink map, relative to that of the line with the most ink.
    """

    ink: Map
    box: Box
    height: float
    printed: Map | None = None
    scale: float = 1.0


def lines_of(ink: Map, found: Components, printed: Map | None = None, with_cut_off: bool = True) -> list[Line]:
    """Group components into lines of writing, from top to bottom.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    found : Components
        Its connected components.
    printed : Map, optional
        (H, W) float32 in [0, 1]: the part of `ink` that lies on printed lines, if there are any.
    with_cut_off : bool
        Whether to include components that an edge of the map cuts.

    Raises
    ------
    TooMuchWriting
        There are more than MOST_PIECES components or MOST_LINES lines, which is probably noise.
    """
    tall = found.box[:, 1] - found.box[:, 0] + 1
    kept = np.arange(len(tall)) > 0 if with_cut_off else found.is_whole
    if not kept.any():
        return []
    usual = weighted_median(tall[kept], found.mass[kept])
    kept &= found.size >= SPECK * usual
    large = np.flatnonzero(kept & (tall >= SMALL * usual))
    if len(large) > MOST_PIECES:
        raise TooMuchWriting
    rows = grouped(found, large)
    if len(rows) > MOST_LINES:
        raise TooMuchWriting
    small = np.flatnonzero(kept & (tall < SMALL * usual))[:MOST_PIECES].tolist()
    nearest = [nearest_line(found, component, rows, NEAR * usual) for component in small]
    for component, index in zip(small, nearest, strict=True):
        if index is not None:
            rows[index].append(component)
    members = [np.array(row) for row in rows]
    heights = [weighted_median(tall[row], found.mass[row]) for row in members]
    main = int(np.argmax([found.mass[row].sum() for row in members]))
    lines = [
        line_of(ink, found, printed, row, height)._replace(scale=height / heights[main])
        for row, height in zip(members, heights, strict=True)
    ]
    return sorted(lines, key=lambda line: line.box.top + line.box.bottom)


def weighted_median(values: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Return the weighted median of values."""
    order = np.argsort(values)
    sums = weights[order].cumsum()
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def grouped(found: Components, large: NDArray[np.int64]) -> list[list[int]]:
    """Group components into lines, left to right: each joins, or joins together, the lines whose ends it overlaps."""
    rows: list[list[int]] = []
    ends = np.zeros((0, 2), np.int64)  # first and last row of pixels of the last two components of each line
    for component in large[np.argsort(found.box[large, 2])].tolist():
        top, bottom = found.box[component, :2]
        shared = np.minimum(ends[:, 1], bottom) - np.maximum(ends[:, 0], top) + 1
        is_own = shared >= OVERLAP * (np.minimum(ends[:, 1] - ends[:, 0], bottom - top) + 1)
        row = [*chain(*compress(rows, is_own)), component]
        rows = [*compress(rows, ~is_own), row]
        end = found.box[row[-2:]]
        ends = np.vstack([ends[~is_own], (end[:, 0].min(), end[:, 1].max())])
    return rows


def nearest_line(found: Components, component: int, rows: list[list[int]], reach: float) -> int | None:
    """Return the index of the line nearest to a small component; None if there is none within reach."""
    top, bottom, left, right = found.box[component].tolist()
    away = []
    for row in rows:
        boxes = found.box[row]
        first, last = boxes[np.abs(boxes[:, 2] + boxes[:, 3] - left - right).argmin(), :2].tolist()
        away.append(max(first - bottom, top - last, 0))
    nearest = int(np.argmin(away)) if away else None
    return nearest if nearest is not None and away[nearest] < reach else None


def line_of(ink: Map, found: Components, printed: Map | None, row: NDArray[np.int64], height: float) -> Line:
    """Join components into a line whose digits have this height."""
    belongs = np.zeros(len(found.mass), bool)
    belongs[row] = True
    joined = piece(ink, found, belongs)
    own = None if printed is None else np.minimum(joined.ink, printed[joined.box.slices])
    return downscaled(joined.ink, joined.box, height, own)


def downscaled(ink: Map, box: Box, height: float, printed: Map | None = None) -> Line:
    """Create a line from its ink in full size, and the height of its digits there."""
    if height <= DIGIT_HEIGHT:
        return Line(ink, box, height, printed)
    rows, columns = (max(1, round(side * DIGIT_HEIGHT / height)) for side in ink.shape)
    smaller = None if printed is None else scaled(printed, rows, columns)
    return Line(scaled(ink, rows, columns), box, height * rows / len(ink), smaller)
