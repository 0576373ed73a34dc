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
MAX_COMPONENTS, MAX_LINES = 2048, 32
SMALL = 0.4  # components shorter than this fraction of the median height start no line
SPECK = 0.1  # components smaller than this fraction of it are ignored
MIN_OVERLAP = 0.4  # vertical overlap of a component and the last two of its line, over the smaller height
MAX_SURROUNDING = 512  # components; if there are more, none is tested for surrounding others: it would take long
MAX_DISTANCE = 0.5  # distance of a small component above or below its line, in median heights
MAX_SIZE_RATIO = 1.5  # ratio of a stray component's longer side and the median height, either way


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
    cut_off : Map, optional
        (h, w) float32 in [0, 1]: the part of `ink` in components that an edge cuts, if there are any, multiplied by the
        fraction of all ink that no edge cuts: if every component is cut off, that says nothing about one of them.
    scale : float
        Height of its digits on the ink map, relative to that of the line with the most ink.
    """

    ink: Map
    box: Box
    height: float
    printed: Map | None = None
    cut_off: Map | None = None
    scale: float = 1.0


def lines_of(
    ink: Map, found: Components, printed: Map | None = None, left_out: NDArray[np.bool_] | None = None
) -> list[Line]:
    """Group components into lines of writing, from top to bottom.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    found : Components
        Its connected components.
    printed : Map, optional
        (H, W) float32 in [0, 1]: the part of `ink` that lies on printed lines, if there are any.
    left_out : NDArray, optional
        (n + 1,) bool: components to leave out unless they are as tall as digits; see `stray`.

    Raises
    ------
    TooMuchWriting
        There are more than MAX_COMPONENTS components or MAX_LINES lines, which is probably noise.
    """
    tall = found.height
    kept, usual = kept_components(found, left_out)
    if not kept.any():
        return []
    large = np.flatnonzero(kept & (tall >= SMALL * usual))
    if len(large) > MAX_COMPONENTS:
        raise TooMuchWriting
    rows = grouped(found, large)
    if len(rows) > MAX_LINES:
        raise TooMuchWriting
    small = np.flatnonzero(kept & (tall < SMALL * usual))[:MAX_COMPONENTS].tolist()
    nearest = [nearest_line(found, component, rows, MAX_DISTANCE * usual) for component in small]
    for component, index in zip(small, nearest, strict=True):
        if index is not None:
            rows[index].append(component)
    cut_off = cut_off_ink(ink, found, kept)
    members = [np.array(row) for row in rows]
    heights = [weighted_median(tall[row], found.mass[row]) for row in members]
    main = int(np.argmax([found.mass[row].sum() for row in members]))
    lines = [
        downscaled(line_of(ink, found, printed, cut_off, row, height))._replace(scale=height / heights[main])
        for row, height in zip(members, heights, strict=True)
    ]
    return sorted(lines, key=lambda line: line.box.top + line.box.bottom)


def kept_components(found: Components, left_out: NDArray[np.bool_] | None) -> tuple[NDArray[np.bool_], float]:
    """Return which components (n + 1,) may belong to the writing, and their median height."""
    tall = found.height
    kept = np.ones(len(tall), bool) if left_out is None else ~left_out
    kept[0] = False
    if not kept.any():
        return kept, 0.0
    usual = weighted_median(tall[kept], found.mass[kept])
    if left_out is not None:
        size = tall[1:] / usual
        kept[1:] |= np.maximum(size, 1 / size) <= MAX_SIZE_RATIO
    return kept & (found.size >= SPECK * usual), usual


def stray(found: Components) -> NDArray[np.bool_]:
    """Return which components (n + 1,) may not belong to the writing: an edge cuts them, or they surround others.

    Those enclose another component that is not small, as a circle does, or span the columns of two, as an underline.
    """
    is_stray = ~found.is_whole
    is_stray[0] = False
    tall = found.height
    usual = weighted_median(tall[1:], found.mass[1:]) if len(tall) > 1 else 0.0
    large = 1 + np.flatnonzero(found.size[1:] >= SMALL * usual)
    if len(large) > MAX_SURROUNDING:
        return is_stray
    top, bottom, left, right = found.box[large].T
    spanned = (left[:, None] <= left) & (right[:, None] >= right) & (tall[large] >= SMALL * usual)
    np.fill_diagonal(spanned, False)
    enclosed = spanned & (top[:, None] <= top) & (bottom[:, None] >= bottom)
    is_stray[large] |= enclosed.any(axis=1) | (spanned.sum(axis=1) >= 2)
    return is_stray


def weighted_median(values: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Return the weighted median of values."""
    order = np.argsort(values)
    sums = weights[order].cumsum()
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def grouped(found: Components, large: NDArray[np.int64]) -> list[list[int]]:
    """Group components into lines, left to right: each joins, or joins together, the lines whose ends it overlaps."""
    rows: list[list[int]] = []
    ends = np.zeros((0, 2), np.int64)  # top and bottom of the last two components of each line
    for component in large[np.argsort(found.box[large, 2])].tolist():
        top, bottom = found.box[component, :2]
        shared = np.minimum(ends[:, 1], bottom) - np.maximum(ends[:, 0], top)
        is_own = shared >= MIN_OVERLAP * np.minimum(ends[:, 1] - ends[:, 0], bottom - top)
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
        away.append(max(first - bottom + 1, top - last + 1, 0))
    nearest = int(np.argmin(away))
    return nearest if away[nearest] < reach else None


def cut_off_ink(ink: Map, found: Components, kept: NDArray[np.bool_]) -> Map | None:
    """Return the part of an ink map that `Line.cut_off` describes, None if no kept component is cut off."""
    is_cut = kept & ~found.is_whole
    if not is_cut.any():
        return None
    whole = np.float32(1 - found.mass[is_cut].sum() / found.mass[kept].sum())
    return np.where(is_cut[found.labels], whole * ink, np.float32(0))


def line_of(
    ink: Map, found: Components, printed: Map | None, cut_off: Map | None, row: NDArray[np.int64], height: float
) -> Line:
    """Join components into a line whose digits have this height, in full size."""
    belongs = np.zeros(len(found.mass), bool)
    belongs[row] = True
    own, box, _ = piece(ink, found, belongs)
    printed, cut_off = (None if mark is None else np.minimum(own, mark[box.slices]) for mark in (printed, cut_off))
    return Line(own, box, height, printed, cut_off)


def downscaled(line: Line) -> Line:
    """Downscale a line to digits of at most DIGIT_HEIGHT."""
    if line.height <= DIGIT_HEIGHT:
        return line
    rows, columns = (max(1, round(side * DIGIT_HEIGHT / line.height)) for side in line.ink.shape)
    printed, cut_off = (None if mark is None else scaled(mark, rows, columns) for mark in (line.printed, line.cut_off))
    return line._replace(
        ink=scaled(line.ink, rows, columns),
        height=line.height * rows / len(line.ink),
        printed=printed,
        cut_off=cut_off,
    )
