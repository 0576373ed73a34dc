"""Map of where something is written → lines of writing: where they are, how they are
tilted, and their order.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Map, connected

MIN_SIDE = 3  # of a line on the map, in pixels
ELONGATED = 3.0  # length over height from which a line shows the tilt of its page
MIN_TILT = math.radians(1)  # a line with less is level
MAX_TILT = math.radians(30)  # a line with more is taken for one that is written level
# Of the smaller one's area, above which two lines are one; rows of dense pages share up
# to 0.67.
OVERLAP = 0.8
# Of two lines of one row: how far one is above the other at most, over the height of
# the lower one.
APART = 0.5
Floats = NDArray[np.float64]


class Line(NamedTuple):
    """A line of writing.

    Attributes
    ----------
    top, bottom, left, right : float
        Its edges in pixels, on axes that are turned by `tilt` about the origin.
    tilt : float
        Angle in radians; positive if the line descends to the right.
    """

    top: float
    bottom: float
    left: float
    right: float
    tilt: float = 0.0

    @property
    def length(self) -> float:
        """Length in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    def level_centre(self, tilt: float) -> tuple[float, float]:
        """Return the centre (along, down) on axes that are turned by another tilt."""
        turn = self.tilt - tilt
        along, down = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        return along * math.cos(turn) - down * math.sin(turn), along * math.sin(
            turn
        ) + down * math.cos(turn)


class Finding(NamedTuple):
    """How a map of writing becomes lines.

    Attributes
    ----------
    threshold : float
        Probability from which a pixel is part of a line.
    least_probability : float
        Mean probability from which connected pixels are a line.
    growth : float
        By how much a line grows to all sides: times its area over its perimeter.
    """

    threshold: float
    least_probability: float
    growth: float


def lines_in(writing: Map, size: tuple[int, int], finding: Finding) -> list[Line]:
    """Find lines of writing: connected pixels, with a box around them that is tilted as
    they are.

    A network answers with the core of each line, so that lines do not touch; the boxes
    grow (Liao et al. 2020, "Real-time scene text detection with differentiable
    binarization"). Those that then overlap are joined.

    Parameters
    ----------
    writing : Map
        (H, W) float32 in [0, 1]: the probability that something is written there.
    size : tuple of int
        Width and height of the image for which the map was computed, at another scale.
    finding : Finding
        Thresholds and growth.

    Returns
    -------
    list of Line
        In pixels of the image.
    """
    labels = connected(writing >= finding.threshold)
    rows, columns = np.nonzero(labels)
    # So that the pixels of a line follow each other.
    order = np.argsort(labels[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(labels[rows, columns], prepend=0))
    if not len(starts):
        return []
    step = np.array(
        [size[0] / writing.shape[1], size[1] / writing.shape[0]]
    )  # pixels of the image per pixel of the map
    points = step * np.stack([columns + 0.5, rows + 0.5], axis=1)
    probability = np.add.reduceat(writing[rows, columns], starts) / np.diff(
        starts, append=len(rows)
    )
    tilt = tilts(points, starts)
    edges = edges_along(points, tilt, starts, step)
    top, bottom, left, right = edges
    sides = np.stack([bottom - top, right - left])
    growth = finding.growth * sides.prod(axis=0) / (2 * sides.sum(axis=0))
    grown = edges + growth * np.array([[-1], [1], [-1], [1]])
    is_line = (probability >= finding.least_probability) & (
        sides.min(axis=0) >= MIN_SIDE * step.max()
    )
    return without_overlaps(
        [Line(*line) for line in np.column_stack([*grown, tilt])[is_line].tolist()]
    )


def tilts(points: Floats, starts: NDArray[np.intp]) -> Floats:
    """Return the angle of each group of points (x, y): that of its longer axis; the
    usual one, if it is not long.

    Groups follow each other, and begin at `starts`.
    """
    counts = np.diff(starts, append=len(points))
    centre = np.add.reduceat(points, starts) / counts[:, None]
    x, y = (points - centre.repeat(counts, axis=0)).T
    xx, yy, xy = (
        np.add.reduceat(np.stack([x * x, y * y, x * y], axis=1), starts).T / counts
    )
    tilt = np.arctan2(2 * xy, xx - yy) / 2  # of the longer axis
    difference = np.hypot(xx - yy, 2 * xy)  # of the variances along both axes
    is_long = (xx + yy + difference > ELONGATED**2 * (xx + yy - difference)) & (
        np.abs(tilt) <= MAX_TILT
    )
    tilt = np.where(is_long, tilt, weighted_median(tilt[is_long], np.sqrt(xx[is_long])))
    return np.where(np.abs(tilt) < MIN_TILT, 0.0, tilt)


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the median of values, each of which counts by its weight; 0 if there are
    none.
    """
    order = np.argsort(values)
    sums = weights[order].cumsum()
    return (
        float(values[order][np.searchsorted(sums, sums[-1] / 2)])
        if len(values)
        else 0.0
    )


def edges_along(
    points: Floats, tilt: Floats, starts: NDArray[np.intp], step: Floats
) -> Floats:
    """Return top, bottom, left and right (4, n) of each group of pixels of this size,
    on axes turned by its tilt.
    """
    turn = tilt.repeat(np.diff(starts, append=len(points)))
    (x, y), cos, sin = points.T, np.cos(turn), np.sin(turn)
    along, down = x * cos + y * sin, y * cos - x * sin
    half_width, half_height = step / 2
    return np.stack(
        [
            np.minimum.reduceat(down, starts) - half_height,
            np.maximum.reduceat(down, starts) + half_height,
            np.minimum.reduceat(along, starts) - half_width,
            np.maximum.reduceat(along, starts) + half_width,
        ]
    )


def without_overlaps(lines: list[Line]) -> list[Line]:
    """Join lines that share most of the smaller one's area, until none do, so that none
    is read twice.
    """
    while len(groups := overlapping(lines)) < len(lines):
        lines = [joined(group) for group in groups]
    return lines


def overlapping(lines: Sequence[Line]) -> list[list[Line]]:
    """Put each line with the larger one that it shares most with, if that is most of
    its area.
    """
    tilt = tilt_of(lines)
    ordered = sorted(lines, key=lambda line: line.length * line.height, reverse=True)
    sizes = np.array([(line.length, line.height) for line in ordered]).reshape(-1, 2)
    centres = np.array([line.level_centre(tilt) for line in ordered]).reshape(-1, 2)
    low, high = centres - sizes / 2, centres + sizes / 2
    groups = dict[int, list[Line]]()
    for place, line in enumerate(ordered):
        common = np.minimum(high[:place], high[place]) - np.maximum(
            low[:place], low[place]
        )
        shared = common.clip(0).prod(axis=1)
        if shared.max(initial=0) > OVERLAP * sizes[place].prod():
            groups[int(shared.argmax())].append(line)
            high[place] = low[place]  # nothing is put with it
        else:
            groups[place] = [line]
    return [*groups.values()]


def in_rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Put lines in order: rows from top to bottom, and the lines of each from left to
    right.

    From left to right, a line joins the row to whose last one it is nearest in height,
    if both overlap.
    """
    tilt = tilt_of(lines)
    rows = list[list[Line]]()
    for line in sorted(lines, key=lambda line: line.level_centre(tilt)[0]):
        _, down = line.level_centre(tilt)
        near = min(
            rows,
            key=lambda row: abs(row[-1].level_centre(tilt)[1] - down),
            default=None,
        )
        if near and abs(near[-1].level_centre(tilt)[1] - down) < APART * min(
            line.height, near[-1].height
        ):
            near.append(line)
        else:
            rows.append([line])
    return sorted(
        rows, key=lambda row: np.mean([line.level_centre(tilt)[1] for line in row])
    )


def joined(lines: Sequence[Line]) -> Line:
    """Return the line around lines that stand beside each other."""
    tilt = tilt_of(lines)
    turn = np.array([line.tilt - tilt for line in lines]).repeat(4)
    corners = [
        (along, down) for line in lines for along in line[2:4] for down in line[:2]
    ]
    along, down = np.array(corners).T
    level = (
        along * np.cos(turn) - down * np.sin(turn),
        along * np.sin(turn) + down * np.cos(turn),
    )
    (left, top), (right, bottom) = (
        np.min(level, axis=1).tolist(),
        np.max(level, axis=1).tolist(),
    )
    return Line(top, bottom, left, right, tilt)


def tilt_of(lines: Sequence[Line]) -> float:
    """Return the tilt of a page: the median of its lines', by length."""
    return weighted_median(
        np.array([line.tilt for line in lines]),
        np.array([line.length for line in lines]),
    )
