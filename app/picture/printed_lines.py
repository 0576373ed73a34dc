"""Ink map → ink map without printed lines: those of ruled paper, tables, and the boxes
of forms.

Lines that are curved, dotted, or no longer than a stroke are not removed.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Box, Map, grown, padded, windows
from app.picture.pieces import Components

# Length of a straight run of ink that may be part of a line, in stroke widths, unless
# it spans the map.
MIN_RUN = 5
LONG = 20  # length from which a line need not end at other lines, in stroke widths
# Length of a line, as a fraction of the longest one in its direction.
MIN_RELATIVE_LENGTH = 0.85
MAX_GAP = 2  # distance of a line that ends at an edge of the picture, in pixels


def without_rules(ink: Map, level: float) -> Map | None:
    """Remove long straight horizontal and vertical lines; strokes that cross them stay
    whole.

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
    width = line_width(ink, level)
    across, down = (straight(upright >= level, width) for upright in (ink, ink.T))
    rows, columns = (
        rules(across, down.mask.T, width, ink > 0),
        rules(down, across.mask.T, width, ink.T > 0),
    )
    if not (rows.any() or columns.any()):
        return None
    erased = np.where(rows | columns.T, np.float32(0), ink)
    for before, after, lines, reach in (
        (ink, erased, rows, across.reach),
        (ink.T, erased.T, columns, down.reach),
    ):
        if lines.any():
            np.copyto(after, before, where=lines & crossed(after >= level, reach))
    return erased


def line_width(ink: Map, level: float) -> float:
    """Return the mean width of lines and strokes in pixels, at least 1: twice the ink's
    area over its perimeter.
    """
    inked = ink >= level
    outline = np.count_nonzero(inked[1:] != inked[:-1]) + np.count_nonzero(
        inked[:, 1:] != inked[:, :-1]
    )
    return max(1.0, 2 * np.count_nonzero(inked) / max(1.0, outline * np.pi / 4))


class Straight(NamedTuple):
    """Straight horizontal runs of ink, and which of them may be lines.

    Attributes
    ----------
    labels : NDArray
        (H, W): all runs, labelled from 1.
    boxes : list of Box or None
        Bounding box of each label; None if it cannot be a line.
    mask : NDArray
        (H, W) bool: the runs that may be lines.
    reach : int
        Maximum distance between a line and ink that touches it, in pixels.
    """

    labels: NDArray[np.integer]
    boxes: list[Box | None]
    mask: NDArray[np.bool_]
    reach: int


def straight(inked: NDArray[np.bool_], width: float) -> Straight:
    """Find straight horizontal runs that may be lines."""
    shortest = max(3, min(round(MIN_RUN * width), inked.shape[1]))
    found = Components.of(opened_along_rows(inked, shortest).astype(np.float32), 1)
    length = found.box[:, 3] - found.box[:, 2]
    length[0] = 0
    may_be = (length >= MIN_RELATIVE_LENGTH * length.max()) & (length > 0)
    boxes = [
        Box(*box) if is_one else None
        for is_one, box in zip(may_be, found.box.tolist(), strict=True)
    ]
    thickness = (
        float(np.median(found.mass[may_be] / length[may_be])) if may_be.any() else 1.0
    )
    return Straight(found.labels, boxes, may_be[found.labels], math.ceil(thickness) + 2)


def rules(
    lines: Straight, others: NDArray[np.bool_], width: float, inked: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the mask (H, W) of the horizontal lines: runs that are long, or end at
    others on both sides.
    """
    is_rule = np.array(
        [
            box is not None
            and (
                box.right - box.left >= LONG * width or meets(box, others, lines.reach)
            )
            for box in lines.boxes
        ]
    )
    mask: NDArray[np.bool_] = is_rule[lines.labels]
    return grown(mask) & inked if mask.any() else mask


def meets(box: Box, others: NDArray[np.bool_], reach: int) -> bool:
    """Return whether both ends of a horizontal line are near another line, or at an
    edge of the picture.
    """
    near = others[max(0, box.top - reach) : box.bottom + reach]
    left, right = (
        near[:, max(0, end - reach) : end + reach] for end in (box.left, box.right)
    )
    return (box.left <= MAX_GAP or bool(left.any())) and (
        box.right >= near.shape[1] - MAX_GAP or bool(right.any())
    )


def opened_along_rows(inked: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Return the ink in horizontal runs of at least `length` pixels: a morphological
    opening.
    """
    if length > inked.shape[1]:
        return np.zeros_like(inked)
    starts = windows(np.logical_and, inked.T, length)  # (W - length + 1, H)
    return windows(np.logical_or, padded(starts, length - 1, 0), length).T


def crossed(inked: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return where there is ink within `reach` pixels both above and below."""
    above, below = np.zeros_like(inked), np.zeros_like(inked)
    for step in range(1, reach + 1):
        above[step:] |= inked[:-step]
        below[:-step] |= inked[step:]
    return above & below
