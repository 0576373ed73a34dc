"""Ink map → the same without printed lines: those of ruled paper, tables, and the boxes of forms.

Ignores: lines that are curved, dotted, or no longer than a stroke.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.maps import Box, Map, sliding
from app.preprocess.pieces import Components

RUN = 5  # widths of a stroke: a straight run of ink as long as this may be a part of a line
LONG = 20  # widths of a stroke, from which on a line need not end in others
ALIKE = 0.85  # how long a line is at least, as a share of the longest one in its direction
THIN = 0.125  # a line is no wider than this share of its length


def without_rules(ink: Map, level: float) -> Map | None:
    """Ink without long straight lines along rows or columns; what crosses them stays whole.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    level : float
        From here on it is ink.

    Returns
    -------
    Map or None
        (H, W) float32; None where there are no such lines.
    """
    width = line_width(ink, level)
    across, down = (straight(upright >= level, width) for upright in (ink, ink.T))
    rows, columns = rules(across, down.mask.T, width, ink > 0), rules(down, across.mask.T, width, ink.T > 0)
    if not (rows.any() or columns.any()):
        return None
    erased = np.where(rows | columns.T, np.float32(0), ink)
    for before, after, lines, reach in ((ink, erased, rows, across.reach), (ink.T, erased.T, columns, down.reach)):
        if lines.any():
            np.copyto(after, before, where=lines & crossed(after >= level, reach))
    return erased


def line_width(ink: Map, level: float) -> float:
    """Mean width of lines and strokes, in pixels, at least 1: twice the area of ink over the length of its outline."""
    inked = ink >= level
    outline = np.count_nonzero(inked[1:] != inked[:-1]) + np.count_nonzero(inked[:, 1:] != inked[:, :-1])
    return max(1.0, 2 * np.count_nonzero(inked) / max(1.0, outline * np.pi / 4))


class Straight(NamedTuple):
    """Straight runs of ink along rows that may be lines.

    Attributes
    ----------
    labels : NDArray
        (H, W): all runs, numbered from 1.
    boxes : list of Box or None
        Of each label; None where it is no line.
    mask : NDArray
        (H, W) bool: where the others are.
    reach : int
        How far from one something is at most that touches it, in pixels.
    """

    labels: NDArray[np.integer]
    boxes: list[Box | None]
    mask: NDArray[np.bool_]
    reach: int


def straight(inked: NDArray[np.bool_], width: float) -> Straight:
    """What may be lines along rows."""
    found = Components.of(opened_along_rows(inked, max(3, round(RUN * width))).astype(np.float32), 1)
    length = found.box[:, 3] - found.box[:, 2] + 1
    length[0] = 0
    may_be = (length >= ALIKE * length.max()) & (found.mass <= THIN * length**2) & (length > 0)
    boxes = [
        Box(top, bottom + 1, left, right + 1) if is_one else None
        for is_one, (top, bottom, left, right) in zip(may_be, found.box.tolist(), strict=True)
    ]
    thickness = float(np.median(found.mass[may_be] / length[may_be])) if may_be.any() else 1.0
    return Straight(found.labels, boxes, may_be[found.labels], math.ceil(thickness) + 2)


def rules(lines: Straight, others: NDArray[np.bool_], width: float, inked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the lines along rows are (H, W): those that are long, or end in others at both ends."""
    is_rule = np.array(
        [
            box is not None and (box.right - box.left >= LONG * width or meets(box, others, 2 * lines.reach))
            for box in lines.boxes
        ]
    )
    mask: NDArray[np.bool_] = is_rule[lines.labels]
    return (sliding(np.maximum, mask.astype(np.float32), 3) > 0) & inked if mask.any() else mask


def meets(box: Box, others: NDArray[np.bool_], reach: int) -> bool:
    """Whether both ends of a line along a row are near another line, or an edge of the picture."""
    rows = slice(max(0, box.top - reach), box.bottom + reach)
    ends = [slice(max(0, end - reach), end + reach) for end in (box.left, box.right)]
    return all(end.start == 0 or end.stop >= others.shape[1] or bool(others[rows, end].any()) for end in ends)


def opened_along_rows(inked: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Ink that lies in a run of at least so many pixels along its row."""
    if length > inked.shape[1]:
        return np.zeros_like(inked)
    starts = sliding_along_rows(np.logical_and, inked, length)  # (H, W - length + 1)
    return sliding_along_rows(np.logical_or, np.pad(starts, ((0, 0), (length - 1, length - 1))), length)


def sliding_along_rows(combine: np.ufunc, inked: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """All or any of each so many pixels that follow each other along a row: (H, W - length + 1)."""
    done = 1
    while done < length:  # windows of 1, 2, 4 … pixels
        shift = min(done, length - done)
        inked = combine(inked[:, :-shift], inked[:, shift:])
        done += shift
    return inked


def crossed(inked: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Where there is ink not far above and not far below."""
    above, below = np.zeros_like(inked), np.zeros_like(inked)
    for step in range(1, reach + 1):
        above[step:] |= inked[:-step]
        below[:-step] |= inked[step:]
    return above & below
