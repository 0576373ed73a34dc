"""Map of where something is written → lines of writing, with their tilt and order."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

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
Counts = NDArray[np.intp]
Coordinate = TypeVar("Coordinate", float, Floats)


class LineBox(NamedTuple):
    """A line of writing.

    Attributes
    ----------
    top, bottom, left, right : float
        Its edges in pixels, on axes that are rotated by `tilt` about the origin.
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
        """Return the centre (along, down) on axes that are rotated by another tilt."""
        along = (self.left + self.right) / 2
        down = (self.top + self.bottom) / 2
        return rotated(along, down, self.tilt - tilt)


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


def lines_in(writing: Map, size: tuple[int, int], finding: Finding) -> list[LineBox]:
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
    list of LineBox
        In pixels of the image.
    """
    labels = connected(writing >= finding.threshold).ravel()
    inked = np.flatnonzero(labels)
    order = np.argsort(labels[inked], kind="stable")
    pixels = inked[order]  # those of a line follow each other
    starts = np.flatnonzero(np.diff(labels[pixels], prepend=0))
    if not len(starts):
        return []
    counts = np.diff(starts, append=len(pixels))
    probability = np.add.reduceat(writing.ravel()[pixels], starts) / counts
    rows, columns = np.divmod(pixels, writing.shape[1])
    step = np.array(size) / writing.shape[::-1]  # pixels of the image per pixel
    points = step * np.stack([columns + 0.5, rows + 0.5], axis=1)  # (pixels, 2)
    tilt = tilts(points, starts, counts)
    edges = edges_along(points, tilt.repeat(counts), starts, step)  # (4, lines)
    sides = edges[1::2] - edges[::2]  # (2, lines)
    areas = sides.prod(axis=0)
    perimeters = 2 * sides.sum(axis=0)
    growth = finding.growth * areas / perimeters
    outwards = np.array([[-1], [1], [-1], [1]])
    boxes = edges + growth * outwards
    is_probable = probability >= finding.least_probability
    is_large = sides.min(axis=0) >= MIN_SIDE * step.max()
    is_line = is_probable & is_large
    lines = np.column_stack([*boxes, tilt])[is_line]
    return without_overlaps([LineBox(*line) for line in lines.tolist()])


def tilts(points: Floats, starts: Counts, counts: Counts) -> Floats:
    """Return the angle of the longer axis of each group of points (x, y).

    It is the usual one, if a group is not long. Groups follow each other: they begin at
    `starts`, and have `counts` points.
    """
    centre = np.add.reduceat(points, starts) / counts[:, None]
    x, y = (points - centre.repeat(counts, axis=0)).T
    products = np.stack([x * x, y * y, x * y], axis=1)
    xx, yy, xy = np.add.reduceat(products, starts).T / counts
    tilt = np.arctan2(2 * xy, xx - yy) / 2  # of the longer axis
    difference = np.hypot(xx - yy, 2 * xy)  # of the variances along both axes
    along = xx + yy + difference
    across = xx + yy - difference
    is_long = along > ELONGATED**2 * across
    is_long &= np.abs(tilt) <= MAX_TILT
    usual = weighted_median(tilt[is_long], np.sqrt(xx[is_long]))
    tilt = np.where(is_long, tilt, usual)
    return np.where(np.abs(tilt) < MIN_TILT, 0.0, tilt)


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the median of values, each of which counts by its weight; 0 of none."""
    if not len(values):
        return 0.0
    order = np.argsort(values)
    sums = weights[order].cumsum()
    middle = np.searchsorted(sums, sums[-1] / 2)
    return float(values[order][middle])


def edges_along(points: Floats, tilt: Floats, starts: Counts, step: Floats) -> Floats:
    """Return top, bottom, left and right (4, n) of each group of pixels.

    They are on axes rotated by the tilt of each pixel's group; pixels have size `step`.
    """
    x, y = points.T
    along, down = rotated(x, y, -tilt)
    half_width, half_height = step / 2
    return np.stack(
        [
            np.minimum.reduceat(down, starts) - half_height,
            np.maximum.reduceat(down, starts) + half_height,
            np.minimum.reduceat(along, starts) - half_width,
            np.maximum.reduceat(along, starts) + half_width,
        ]
    )


def rotated(
    along: Coordinate, down: Coordinate, angle: Coordinate
) -> tuple[Coordinate, Coordinate]:
    """Rotate points by angles."""
    cos = np.cos(angle)
    sin = np.sin(angle)
    return along * cos - down * sin, along * sin + down * cos


def without_overlaps(lines: list[LineBox]) -> list[LineBox]:
    """Join lines that share most of the smaller one, so that nothing is read twice."""
    while lines and len(groups := overlapping(lines)) < len(lines):
        lines = [joined(group) for group in groups]
    return lines


def overlapping(lines: Sequence[LineBox]) -> list[list[LineBox]]:
    """Put each line with the larger one that shares most of its area, if one does."""
    tilt = tilt_of(lines)
    ordered = sorted(lines, key=lambda line: line.length * line.height, reverse=True)
    sizes = np.array([(line.length, line.height) for line in ordered])  # (n, 2)
    centres = np.array([line.level_centre(tilt) for line in ordered])
    low = centres - sizes / 2
    high = centres + sizes / 2
    groups = dict[int, list[LineBox]]()
    for place, line in enumerate(ordered):
        ends = np.minimum(high[:place], high[place])
        begins = np.maximum(low[:place], low[place])
        shared = (ends - begins).clip(0).prod(axis=1)
        if shared.max(initial=0) > OVERLAP * sizes[place].prod():
            groups[int(shared.argmax())].append(line)
            high[place] = low[place]  # nothing is put with it
        else:
            groups[place] = [line]
    return [*groups.values()]


def in_rows(lines: Sequence[LineBox]) -> list[list[LineBox]]:
    """Put lines in order: rows from top to bottom, and each from left to right.

    From left to right, a line joins the row to whose last one it is nearest in height,
    if both overlap.
    """
    tilt = tilt_of(lines)
    centres = {line: line.level_centre(tilt) for line in lines}

    def height_of(row: list[LineBox]) -> float:
        return float(np.mean([centres[line][1] for line in row]))

    rows = list[list[LineBox]]()
    for line in sorted(lines, key=lambda line: centres[line][0]):
        _, down = centres[line]
        apart = [abs(centres[row[-1]][1] - down) for row in rows]
        near = rows[int(np.argmin(apart))] if rows else [line]
        lower = min(line.height, near[-1].height)
        if rows and min(apart) < APART * lower:
            near.append(line)
        else:
            rows.append([line])
    return sorted(rows, key=height_of)


def joined(lines: Sequence[LineBox]) -> LineBox:
    """Return the line around lines that stand beside each other."""
    tilt = tilt_of(lines)
    top, bottom, left, right, own_tilt = np.array(lines).T
    along, down = rotated(
        np.stack([left, right, left, right]),  # (4, n): the corners
        np.stack([top, top, bottom, bottom]),
        own_tilt - tilt,
    )
    return LineBox(
        float(down.min()),
        float(down.max()),
        float(along.min()),
        float(along.max()),
        tilt,
    )


def tilt_of(lines: Sequence[LineBox]) -> float:
    """Return the tilt of a page: the median of its lines', by length."""
    tilts = np.array([line.tilt for line in lines])
    lengths = np.array([line.length for line in lines])
    return weighted_median(tilts, lengths)
