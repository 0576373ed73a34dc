"""A line of writing → segments that may be digits: its ink cut wherever a digit may end, and put together again.

Which segments are digits is not decided here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.lines import Line
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components
from app.preprocess.seams import parts_of

MERGED = 6  # most parts of a segment
WIDEST, LOWEST = 1.7, 0.25  # a segment's most width, if it has several parts, and its least height, in heights
TALL = 0.6  # height of a part that says where the line runs, in heights of a digit
Boxes = NDArray[np.int64]
Span = tuple[int, int]


class Segments(NamedTuple):
    """What may be digits in a line of N parts, from left to right, and what the parts are.

    All lengths are shares of a digit's height, but for `depth`.

    Attributes
    ----------
    frames : Map
        (S, 28, 28) float32 in [0, 1], ink = 1.
    spans : NDArray
        (S, 2) int64: a segment's first part, and the one after its last.
    boxes : NDArray
        (S, 4) int64: where it is, see `maps.Box`.
    shapes : Shapes
        Of the segments.
    parts : Parts
        What each part is.
    """

    frames: Map
    spans: Boxes
    boxes: Boxes
    shapes: "Shapes"
    parts: "Parts"


class Shapes(NamedTuple):
    """The geometry of segments, (S,) float64 each.

    Attributes
    ----------
    height : NDArray
        Of its box.
    offset : NDArray
        By how much its middle is lower than the line's.
    depth : NDArray
        The ink cut at its ends, in widths of a stroke.
    """

    height: NDArray[np.float64]
    offset: NDArray[np.float64]
    depth: NDArray[np.float64]


class Parts(NamedTuple):
    """What parts are, (N,) float64 each: their height, and their ink as an area."""

    height: NDArray[np.float64]
    ink: NDArray[np.float64]


def segments_of(line: Line, level: float) -> Segments:
    """Cut a line, and frame what may be digits.

    Parameters
    ----------
    line : Line
        A line of writing.
    level : float
        From here on it is ink.
    """
    part, depth = parts_of(line)
    _, mass, box = Components.labelled(line.ink, level, part)
    spans = spans_of(box, line.height)
    boxes = np.array([around(box[begin:end]) for begin, end in spans], np.int64).reshape(-1, 4)
    frames = [framed(line.ink, part, span, Box(*edges)) for span, edges in zip(spans, boxes.tolist(), strict=True)]
    return Segments(
        np.array(frames, np.float32).reshape(-1, FRAME_SIDE, FRAME_SIDE),
        np.array(spans, np.int64).reshape(-1, 2),
        boxes + np.array([line.box.top, line.box.top, line.box.left, line.box.left]),
        shapes_of(spans, boxes, box, line.height, depth),
        Parts(heights(box) / line.height, mass / line.height**2),
    )


def spans_of(box: Boxes, height: float) -> list[Span]:
    """Which parts that follow each other may be a digit together, by the boxes (N, 4) of all."""
    spans = []
    for begin in range(len(box)):
        for end in range(begin + 1, min(begin + MERGED, len(box)) + 1):
            top, bottom, left, right = around(box[begin:end])
            if end > begin + 1 and right - left > WIDEST * height:
                break
            if bottom - top >= LOWEST * height:
                spans.append((begin, end))
    return spans


def around(box: Boxes) -> tuple[int, int, int, int]:
    """The box around others (n, 4), its end excluded, theirs included; an empty one does not count."""
    (top, _, left, _), (_, bottom, _, right) = box.min(axis=0).tolist(), box.max(axis=0).tolist()
    return top, bottom + 1, left, right + 1


def heights(box: Boxes) -> NDArray[np.int64]:
    """Of boxes (N, 4), their ends included; 0 of empty ones."""
    tall: NDArray[np.int64] = (box[:, 1] - box[:, 0] + 1).clip(min=0)
    return tall


def framed(ink: Map, part: NDArray[np.integer], span: Span, box: Box) -> Map:
    """The frame of the parts in a span, without any other ink in their box."""
    own = part[box.slices]
    return frame_from_ink(np.where((own >= span[0]) & (own < span[1]), ink[box.slices], np.float32(0)))


def shapes_of(spans: list[Span], boxes: Boxes, box: Boxes, height: float, depth: NDArray[np.float64]) -> Shapes:
    """The geometry of segments, by their boxes (S, 4), their parts' (N, 4), and the cuts around these (N + 1,)."""
    top, bottom, left, right = boxes.T
    slope, start = middle_of(box, height)
    middle = slope * (left + right) / 2 + start
    begin, end = np.array(spans, np.int64).reshape(-1, 2).T
    return Shapes(
        (bottom - top) / height,
        ((top + bottom) / 2 - middle) / height,
        depth[begin] + depth[end],
    )


def middle_of(box: Boxes, height: float) -> tuple[float, float]:
    """The straight line through the middles of a line's tall parts: its slope, and the row where it begins."""
    tall = heights(box) >= min(TALL * height, heights(box).max())
    x, y = (box[tall, 2] + box[tall, 3] + 1) / 2, (box[tall, 0] + box[tall, 1] + 1) / 2
    if len(x) < 3 or np.ptp(x) < 2 * height:
        return 0.0, float(np.median(y))
    slope, start = np.polyfit(x, y, 1).tolist()
    return slope, start
