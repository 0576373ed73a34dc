"""Line of writing → segments: runs of adjacent parts that may be digits.

The line is over-segmented: cut wherever a digit may end. The network decides which segments are digits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.lines import Line
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import Components
from app.preprocess.seams import Cuts

MAX_PARTS = 6  # per segment
MAX_WIDTH, MIN_HEIGHT = 1.7, 0.25  # width of a segment of several parts, and height of any, in digit heights
MIN_INK = 1e-6  # avoids a division by zero for a part without ink
TALL = 0.6  # minimum height of the parts that determine the middle of a line, in digit heights
Boxes = NDArray[np.int64]
Floats = NDArray[np.float64]
Span = tuple[int, int]


class Segments(NamedTuple):
    """Candidates for the digits in a line of N parts, from left to right, and the parts.

    Attributes
    ----------
    frames : Map
        (S, 28, 28) float32 in [0, 1], ink = 1.
    spans : NDArray
        (S, 2) int64: the first part of a segment, and the one after its last.
    boxes : NDArray
        (S, 4) int64: bounding boxes in pixels; see `maps.Box`.
    shapes : Shapes
        Geometry of the segments.
    parts : Parts
        Height and ink of the parts.
    """

    frames: Map
    spans: Boxes
    boxes: Boxes
    shapes: "Shapes"
    parts: "Parts"


class Shapes(NamedTuple):
    """The geometry of S segments, (S,) float64 each.

    Attributes
    ----------
    height : NDArray
        Height of the bounding box, in digit heights of the picture's main line, the one with the most ink.
    offset : NDArray
        Distance of its centre below the middle of the line, in digit heights.
    depth : NDArray
        Ink cut at both ends, in stroke widths.
    printed : NDArray
        Fraction of the ink that lies on printed lines.
    cut_off : NDArray
        Fraction of the ink that an edge of the picture cuts off; see `Line.cut_off`.
    strength : NDArray
        Mean of the ink, weighted by itself, so that it hardly depends on soft edges.
    """

    height: Floats
    offset: Floats
    depth: Floats
    printed: Floats
    cut_off: Floats
    strength: Floats


class Parts(NamedTuple):
    """N parts: their heights and ink areas, in digit heights and squared digit heights; (N,) float64 each.

    `cut_off` is the fraction of the ink that an edge of the picture cuts off; see `Line.cut_off`.
    """

    height: Floats
    ink: Floats
    cut_off: Floats


def segments_of(line: Line, cuts: Cuts, level: float) -> Segments:
    """Find the segments of a line that has been cut, and make a frame of each.

    Parameters
    ----------
    line : Line
        A line of writing.
    cuts : Cuts
        Its cuts, from `cuts_of`.
    level : float
        Ink threshold.
    """
    _, mass, box = Components.labelled(line.ink, level, cuts.part)
    spans = spans_of(box, line.height)
    boxes = np.array([Box.around(box[begin:end]) for begin, end in spans], np.int64).reshape(-1, 4)
    part = np.arange(len(box))
    frames = [framed(line.ink, cuts.part, span, Box(*edges)) for span, edges in zip(spans, boxes.tolist(), strict=True)]
    return Segments(
        np.array(frames, np.float32).reshape(-1, FRAME_SIDE, FRAME_SIDE),
        np.array(spans, np.int64).reshape(-1, 2),
        boxes_in_full_size(boxes, line),
        shapes_of(line, cuts, spans, boxes, box),
        Parts(heights(box) / line.height, mass / line.height**2, share(line.cut_off, line, cuts, part, part + 1)),
    )


def boxes_in_full_size(boxes: Boxes, line: Line) -> Boxes:
    """Convert boxes (S, 4) in pixels of a line's ink to pixels of the map that the line was found on."""
    top, bottom, left, right = line.box
    height, width = line.ink.shape
    down, across = (bottom - top) / height, (right - left) / width
    scaled = np.round(boxes * np.array([down, down, across, across])).astype(np.int64)
    placed: Boxes = scaled + np.array([top, top, left, left])
    return placed


def spans_of(box: Boxes, height: float) -> list[Span]:
    """Return the runs of adjacent parts that may form a digit, by the boxes (N, 4) of the parts."""
    spans = []
    for begin in range(len(box)):
        for end in range(begin + 1, min(begin + MAX_PARTS, len(box)) + 1):
            top, bottom, left, right = Box.around(box[begin:end])
            if end > begin + 1 and right - left > MAX_WIDTH * height:
                break
            if bottom - top >= MIN_HEIGHT * height:
                spans.append((begin, end))
    return spans


def heights(box: Boxes) -> NDArray[np.int64]:
    """Return the heights of boxes (N, 4); 0 for empty ones."""
    return (box[:, 1] - box[:, 0]).clip(min=0)


def framed(ink: Map, part: NDArray[np.integer], span: Span, box: Box) -> Map:
    """Return the frame of the parts in a span, without any other ink in their box."""
    own = part[box.slices]
    return frame_from_ink(np.where((own >= span[0]) & (own < span[1]), ink[box.slices], np.float32(0)))


def shapes_of(line: Line, cuts: Cuts, spans: list[Span], boxes: Boxes, box: Boxes) -> Shapes:
    """Compute the geometry of segments from their spans and boxes (S, 4), and the parts' boxes (N, 4)."""
    top, bottom, _, _ = boxes.T
    begin, end = np.array(spans, np.int64).reshape(-1, 2).T
    return Shapes(
        line.scale * (bottom - top) / line.height,
        ((top + bottom) / 2 - middle_of(box, line.height)) / line.height,
        cuts.depth[begin] + cuts.depth[end],
        share(line.printed, line, cuts, begin, end),
        share(line.cut_off, line, cuts, begin, end),
        share(line.ink**2, line, cuts, begin, end),
    )


def share(marked: Map | None, line: Line, cuts: Cuts, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
    """Return a map's sum over the parts from `begin` to before `end`, as a fraction of their ink; 0 without a map."""
    if marked is None:
        return np.zeros(len(begin))
    ink = summed(line.ink, cuts.part, begin, end)
    return summed(marked, cuts.part, begin, end) / np.maximum(ink, MIN_INK)


def summed(values: Map, part: NDArray[np.int64], begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
    """Return the sum of values (h, w) over each segment, from part `begin` to before `end`."""
    sums = np.concatenate([[0.0], np.bincount(part.ravel(), values.ravel()).cumsum()])
    total: Floats = sums[end] - sums[begin]
    return total


def middle_of(box: Boxes, height: float) -> float:
    """Return the row of the middle of a line: the median over the centres of its tall parts."""
    tall = heights(box) >= min(TALL * height, heights(box).max())
    return float(np.median(box[tall, 0] + box[tall, 1]) / 2)
