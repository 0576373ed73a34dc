"""Ink map → ink map without the printed lines of ruled paper, tables and forms.

Lines that are curved, dotted, or no longer than a stroke are not removed.
"""

import math
from typing import NamedTuple

import numpy as np

from app.picture.maps import Map, Mask, PixelBox, grown, windows
from app.picture.pieces import Components

# Length of a straight run of ink that may be part of a line, in stroke widths, unless
# it spans the map.
MIN_RUN = 5
LONG = 20  # length from which a line need not end at other lines, in stroke widths
# Length of a line, as a fraction of the longest one in its direction.
MIN_RELATIVE_LENGTH = 0.85
MAX_GAP = 2  # distance of a line that ends at an edge of the picture, in pixels


def ink_without_printed_lines(ink: Map, level: float) -> Map | None:
    """Remove long straight horizontal and vertical lines.

    Strokes that cross them stay whole.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    level : float
        Ink threshold.

    Returns
    -------
    Map or None
        (H, W) float32; None if there are no such lines.
    """
    inked = ink >= level
    width = stroke_width(inked)
    across = Runs.of(inked, width)
    down = Runs.of(inked.T, width)
    horizontal = printed(across, down.mask.T, width) & (ink > 0)
    vertical = printed(down, across.mask.T, width) & (ink.T > 0)
    if not (horizontal.any() or vertical.any()):
        return None
    erased = np.where(horizontal | vertical.T, np.float32(0), ink)
    kept = erased >= level
    np.copyto(erased, ink, where=horizontal & crossed(kept, across.reach))
    kept = erased >= level
    np.copyto(erased.T, ink.T, where=vertical & crossed(kept.T, down.reach))
    return erased


def stroke_width(inked: Mask) -> float:
    """Return the mean width of strokes and lines in pixels, at least 1.

    It is twice the ink's area over its perimeter.
    """
    area = np.count_nonzero(inked)
    outline_y = np.count_nonzero(inked[1:] != inked[:-1])
    outline_x = np.count_nonzero(inked[:, 1:] != inked[:, :-1])
    perimeter = (outline_y + outline_x) * np.pi / 4
    return max(1.0, 2 * area / max(1.0, perimeter))


class Runs(NamedTuple):
    """Straight horizontal runs of ink, and which of them may be lines.

    Attributes
    ----------
    found : Components
        The n runs, by label.
    may_be_lines : NDArray
        (n + 1,) bool.
    reach : int
        Maximum distance between a line and ink that touches it, in pixels.
    """

    found: Components
    may_be_lines: Mask
    reach: int

    @classmethod
    def of(cls, inked: Mask, width: float) -> "Runs":
        """Find the runs in a mask (H, W) of ink with this stroke width."""
        shortest = max(3, min(round(MIN_RUN * width), inked.shape[1]))
        runs = opened_along_rows(inked, shortest)
        found = Components.of(runs.astype(np.float32), 1)
        length = found.box[:, 3] - found.box[:, 2]  # (n + 1,)
        length[0] = 0
        may_be = (length >= MIN_RELATIVE_LENGTH * length.max()) & (length > 0)
        thickness = 1.0
        if may_be.any():
            thickness = float(np.median(found.mass[may_be] / length[may_be]))
        return cls(found, may_be, math.ceil(thickness) + 2)

    @property
    def mask(self) -> Mask:
        """(H, W) bool: the runs that may be lines."""
        return self.may_be_lines[self.found.labels]


def printed(runs: Runs, others: Mask, width: float) -> Mask:
    """Return the mask (H, W) of the printed lines, one pixel wider to all sides.

    They are runs that are long, or end at others on both sides.
    """
    is_line = runs.may_be_lines.copy()
    for label in np.flatnonzero(is_line):
        box = PixelBox(*runs.found.box[label].tolist())
        is_long = box.right - box.left >= LONG * width
        is_line[label] = is_long or meets(box, others, runs.reach)
    return grown(is_line[runs.found.labels])


def meets(box: PixelBox, others: Mask, reach: int) -> bool:
    """Return whether a horizontal line ends at other lines, or at the map's edges."""
    near = others[max(0, box.top - reach) : box.bottom + reach]
    left = near[:, max(0, box.left - reach) : box.left + reach]
    right = near[:, max(0, box.right - reach) : box.right + reach]
    is_at_left = box.left <= MAX_GAP or bool(left.any())
    is_at_right = box.right >= near.shape[1] - MAX_GAP or bool(right.any())
    return is_at_left and is_at_right


def opened_along_rows(inked: Mask, length: int) -> Mask:
    """Return the ink in horizontal runs of at least `length` pixels.

    This is a morphological opening.
    """
    if length > inked.shape[1]:
        return np.zeros_like(inked)
    starts = windows(np.logical_and, inked.T, length)  # (W - length + 1, H)
    wider = np.pad(starts, ((length - 1, length - 1), (0, 0)))
    return windows(np.logical_or, wider, length).T


def crossed(inked: Mask, reach: int) -> Mask:
    """Return where there is ink within `reach` pixels both above and below."""
    wider = np.pad(inked, ((reach, reach), (0, 0)))
    near = windows(np.logical_or, wider, reach)  # (H + reach + 1, W)
    return near[: len(inked)] & near[reach + 1 :]
