"""Connected components of ink → lines of writing: where they are, and how they are tilted."""

import math
from itertools import chain, compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_COMPONENTS, MAX_LINES, MAX_LENGTH = 600, 32, 80
FLAT = 20  # width of a printed line's components over their height, and its length in heights for each of them
SPECK, SMALL = 0.1, 0.4  # size of ignored components, and height of lines, as fractions of the median height
MIN_OVERLAP = 0.4  # vertical overlap of a component and the last two of its line, over the smaller height
MIN_TILTED, MIN_LENGTH = 3, 3  # components, and length in digit heights, from which the tilt is measured
MIN_TILT, MAX_TILT = math.radians(1), math.radians(20)
Floats = NDArray[np.float64]


class Line(NamedTuple):
    """A line of writing.

    Attributes
    ----------
    top, bottom, left, right : float
        Its edges in pixels, on axes that are turned by `tilt` about the origin.
    height : float
        Height of its digits, in pixels.
    tilt : float
        Angle in radians; positive if the line descends to the right.
    """

    top: float
    bottom: float
    left: float
    right: float
    height: float
    tilt: float = 0.0

    @property
    def length(self) -> float:
        """Length in digit heights."""
        return (self.right - self.left) / self.height


def lines_of(box: Floats, mass: Floats) -> list[Line] | None:
    """Group components into lines of writing, from top to bottom.

    Parameters
    ----------
    box : NDArray
        (n, 4) float64: bounding boxes of components; see `maps.Box`.
    mass : NDArray
        (n,) float64: their ink.

    Returns
    -------
    list of Line or None
        Without printed lines. None if there are more than MAX_COMPONENTS components or MAX_LINES lines, or a line is
        longer than MAX_LENGTH heights.
    """
    kept = (box[:, [1, 3]] - box[:, [0, 2]]).max(axis=1) >= SPECK * typical_height(box, mass)
    if np.count_nonzero(kept) > MAX_COMPONENTS:
        return None
    kept[kept] = ~surrounding(box[kept])
    box, mass = box[kept], mass[kept]
    lowest = SMALL * typical_height(box, mass)
    rows = sorted(grouped(box), key=lambda row: box[row, :2].mean())
    found = [(line_of(box[row], mass[row]), box[row]) for row in rows]
    lines = [line for line, own in found if line.bottom - line.top >= lowest and not is_printed(line, own)]
    are_short = all(line.length <= MAX_LENGTH for line in lines)
    return lines if are_short and len(lines) <= MAX_LINES else None


def is_printed(line: Line, box: Floats) -> bool:
    """Return whether a line is a printed one, given its components: they are flat, or few for its length."""
    top, bottom, left, right = box.sum(axis=0)
    return bool(right - left > FLAT * (bottom - top) or line.length > max(MAX_LENGTH, FLAT * len(box)))


def surrounding(box: Floats) -> NDArray[np.bool_]:
    """Return which components (n,) surround two others or more, as a circle, a printed box or a desk does."""
    top, bottom, left, right = box.T[:, :, None]
    within = (top <= box[:, 0]) & (bottom >= box[:, 1]) & (left <= box[:, 2]) & (right >= box[:, 3])
    is_around: NDArray[np.bool_] = within.sum(axis=1) > 2  # it is within itself
    return is_around


def typical_height(box: Floats, mass: Floats) -> float:
    """Return the median height of components, weighted by ink; 0 if there are none."""
    height = box[:, 1] - box[:, 0]
    order = np.argsort(height)
    sums = mass[order].cumsum()
    return float(height[order][np.searchsorted(sums, sums[-1] / 2)]) if len(box) else 0.0


def grouped(box: Floats) -> list[list[int]]:
    """Group components into lines, left to right: each joins, or joins together, the lines whose ends it overlaps."""
    rows: list[list[int]] = []
    ends = np.zeros((0, 2))  # top and bottom of the last two components of each line
    for component in np.argsort(box[:, 2]).tolist():
        top, bottom = box[component, :2]
        shared = np.minimum(ends[:, 1], bottom) - np.maximum(ends[:, 0], top)
        is_own = shared >= MIN_OVERLAP * np.minimum(ends[:, 1] - ends[:, 0], bottom - top)
        row = [*chain(*compress(rows, is_own)), component]
        rows = [*compress(rows, ~is_own), row]
        end = box[row[-2:]]
        ends = np.vstack([ends[~is_own], (end[:, 0].min(), end[:, 1].max())])
    return rows


def line_of(box: Floats, mass: Floats) -> Line:
    """Join components into a line."""
    y, x, height = box[:, :2].mean(axis=1), box[:, 2:].mean(axis=1), typical_height(box, mass)
    tilt = tilt_of(x, y, mass) if len(box) >= MIN_TILTED and np.ptp(x) >= MIN_LENGTH * height else 0.0
    along, down = x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)
    top, bottom, left, right = box.T + np.stack([down - y, down - y, along - x, along - x])
    return Line(float(top.min()), float(bottom.max()), float(left.min()), float(right.max()), height, tilt)


def tilt_of(x: Floats, y: Floats, mass: Floats) -> float:
    """Return the angle of a line, by a linear regression over the centres of its components, weighted by ink."""
    weighted = mass * (x - np.average(x, weights=mass))
    tilt = math.atan2(weighted @ y, weighted @ x)
    return 0.0 if abs(tilt) < MIN_TILT else min(max(tilt, -MAX_TILT), MAX_TILT)
