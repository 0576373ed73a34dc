"""A line of writing → segments that may be digits: its ink cut wherever a digit may end, and put together again.

Cuts are the cheapest ways from the line's top to its bottom, around the ink or through little of it: seams, as in seam
carving (Avidan and Shamir 2007). Which segments are digits is not decided here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.lines import Line
from app.preprocess.maps import Box, Map, sliding
from app.preprocess.pieces import Components

SEAM_HEIGHT = 40  # of a digit, where seams are looked for; a larger line is averaged down
SIDEWAYS = 0.05  # what a step to the side costs a seam, for 1 through full ink
FREE = 0.5  # a seam that costs no more ink than this cuts nothing
DEEPEST = 3.0  # most ink that a seam cuts, in widths of a stroke
APART = 0.12  # least distance of two cuts, in heights of a digit
MOST_CUTS = 200
MERGED = 4  # most parts of a segment
WIDEST, LOWEST = 1.7, 0.25  # width and height of a segment, in heights of a digit
SHAPE = ("height", "offset", "gap", "depth", "is_cut_off", "width")


class Segments(NamedTuple):
    """What may be digits in a line of N parts, from left to right, and what the parts are.

    Attributes
    ----------
    frames : Map
        (S, 28, 28) float32 in [0, 1], ink = 1.
    spans : NDArray
        (S, 2) int64: a segment's first part, and the one after its last.
    boxes : NDArray
        (S, 4) int64: top, bottom, left, right on the ink map, ends excluded.
    shapes : NDArray
        (S, 6) float32, see SHAPE: its height and width, in heights of a digit; by how much its middle is lower than the
        line's; the room between its parts; the ink cut at its ends, in widths of a stroke; whether an edge of the
        picture cuts it.
    parts : NDArray
        (N, 3) float32: each part's height, its ink as a share of a usual digit's, whether an edge cuts it.
    """

    frames: Map
    spans: NDArray[np.int64]
    boxes: NDArray[np.int64]
    shapes: Map
    parts: Map


class Cuts(NamedTuple):
    """Where a line is cut: each pixel's part (h, w), and the ink that each cut goes through, in widths of a stroke."""

    part: NDArray[np.int64]
    depth: NDArray[np.float64]


def segments_of(line: Line, page: tuple[int, int], level: float) -> Segments:
    """Cut a line, and frame what may be digits.

    Parameters
    ----------
    line : Line
        A line of writing.
    page : tuple of int
        Height and width of the map that it was found on, whose edges may cut digits off.
    level : float
        From here on it is ink.
    """
    part, depth = cut(line)
    parts = Components(part + 1, *measured(line.ink, part, level))
    n = len(depth) + 1
    box, mass = parts.box[1:], parts.mass[1:]
    usual = line.height * line.height
    tall = (box[:, 1] - box[:, 0] + 1).clip(min=0)
    baseline = level_of(box, mass, line.height)
    cut_off = is_cut_off(box, line.box, page)
    frames, spans, boxes, shapes = [], [], [], []
    for begin in range(n):
        for end in range(begin + 1, min(begin + MERGED, n) + 1):
            some = box[begin:end]
            top, bottom, left, right = some[:, 0].min(), some[:, 1].max(), some[:, 2].min(), some[:, 3].max()
            height, width = bottom - top + 1, right - left + 1
            if end > begin + 1 and width > WIDEST * line.height:
                break
            if height < LOWEST * line.height or width <= 0:
                continue
            own = part[top : bottom + 1, left : right + 1]
            inside = line.ink[top : bottom + 1, left : right + 1]
            frames.append(frame_from_ink(np.where((own >= begin) & (own < end), inside, np.float32(0))))
            spans.append((begin, end))
            boxes.append((top, bottom + 1, left, right + 1))
            gaps = (some[1:, 2] - np.maximum.accumulate(some[:-1, 3]) - 1).clip(min=0).sum()
            ends = (depth[begin - 1] if begin else 0.0) + (depth[end - 1] if end < n else 0.0)
            middle = (top + bottom + 1) / 2 - baseline((left + right) / 2)
            shapes.append(
                (
                    height / line.height,
                    middle / line.height,
                    gaps / line.height,
                    ends,
                    cut_off[begin:end].any(),
                    width / line.height,
                )
            )
    return Segments(
        np.array(frames, np.float32).reshape(-1, FRAME_SIDE, FRAME_SIDE),
        np.array(spans, np.int64).reshape(-1, 2),
        np.array(boxes, np.int64).reshape(-1, 4) + [line.box.top, line.box.top, line.box.left, line.box.left],
        np.array(shapes, np.float32).reshape(-1, len(SHAPE)),
        np.stack([tall / line.height, mass / usual, cut_off], axis=1).astype(np.float32),
    )


def measured(ink: Map, part: NDArray[np.int64], level: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mass and the box of each part, as those of components."""
    count = int(part.max()) + 1
    pixels = np.flatnonzero(ink >= level)
    label, (row, column) = part.ravel()[pixels] + 1, np.divmod(pixels, ink.shape[1])
    mass: NDArray[np.float64] = np.bincount(label, ink.ravel()[pixels], count + 1).astype(np.float64)
    box = np.tile([len(ink), -1, ink.shape[1], -1], (count + 1, 1))
    np.minimum.at(box[:, 0], label, row)
    np.maximum.at(box[:, 1], label, row)
    np.minimum.at(box[:, 2], label, column)
    np.maximum.at(box[:, 3], label, column)
    return mass, box


def level_of(box: NDArray[np.int64], mass: NDArray[np.float64], height: float):
    """The middle of the line at a column: a straight line through the middles of its tall parts."""
    tall = (box[:, 1] - box[:, 0] + 1) >= 0.6 * height
    if not tall.any():
        tall = mass > 0
    x, y = (box[tall, 2] + box[tall, 3]) / 2, (box[tall, 0] + box[tall, 1] + 1) / 2
    if len(x) < 3 or np.ptp(x) < 2 * height:
        middle = float(np.median(y)) if len(y) else 0.0
        return lambda _: middle
    slope, start = np.polyfit(x, y, 1)
    return lambda column: slope * column + start


def is_cut_off(box: NDArray[np.int64], place: Box, page: tuple[int, int]) -> NDArray[np.bool_]:
    """Which parts touch the edges of the page."""
    top, bottom, left, right = box.T
    edge: NDArray[np.bool_] = (
        (top + place.top <= 0)
        | (bottom + place.top >= page[0] - 1)
        | (left + place.left <= 0)
        | (right + place.left >= page[1] - 1)
    )
    return edge


def cut(line: Line) -> Cuts:
    """Cut a line wherever a digit may end."""
    scale = min(1.0, SEAM_HEIGHT / line.height)
    ink = reduced(line.ink, scale)
    stroke = 2 * ink.sum() / max(np.hypot(*np.gradient(np.pad(ink, 1))).sum(), 1e-6)
    middle = len(ink) // 2
    down, up = costs(ink[: middle + 1]), costs(ink[middle:][::-1])
    through = down[-1] + up[-1] - ink[middle]
    columns = cheapest(through, DEEPEST * stroke, max(1, round(APART * line.height * scale)))
    seams = np.concatenate([traced(down, columns)[::-1], traced(up, columns)[1:]])  # (h, K)
    seams = np.maximum.accumulate(seams, axis=1)
    kept = with_ink_between(ink, seams)
    seams, columns = seams[:, kept], columns[kept]
    count = np.zeros((len(ink), ink.shape[1] + 1), np.int64)
    np.add.at(count, (np.arange(len(ink))[:, None], seams), 1)
    part = count[:, :-1].cumsum(axis=1)
    rows, columns_of = (
        np.minimum((np.arange(large) * (small / large)).astype(int), small - 1)
        for large, small in zip(line.ink.shape, ink.shape, strict=True)
    )
    return Cuts(part[rows][:, columns_of], through[columns] / stroke)


def reduced(ink: Map, scale: float) -> Map:
    """Ink averaged down."""
    from app.preprocess.frame import area_average

    if scale == 1:
        return ink
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    result: Map = area_average(height, ink.shape[0]) @ ink @ area_average(width, ink.shape[1]).T
    return result


def costs(ink: Map) -> Map:
    """What the cheapest seam from the first row to each pixel costs, (h, w)."""
    total = np.empty_like(ink)
    total[0] = ink[0]
    padded = np.full(ink.shape[1] + 2, np.inf, np.float32)
    for row in range(1, len(ink)):
        padded[1:-1] = total[row - 1]
        aside = np.minimum(padded[:-2], padded[2:]) + np.float32(SIDEWAYS)
        total[row] = ink[row] + np.minimum(padded[1:-1], aside)
    return total


def cheapest(through: Map, most: float, apart: int) -> NDArray[np.int64]:
    """The columns in which seams are cheaper than in those beside them: one in each gap, and through little ink."""
    local = (through <= sliding(np.minimum, through[None].copy(), 2 * apart + 1)[0]) & (through <= most)
    free = through <= FREE
    found = [column for begin, end in runs(free) for column in {begin, end}]
    for begin, end in runs(local & ~free):
        middle = (begin + end) // 2
        if all(abs(middle - other) >= apart for other in found):
            found.append(middle)
    columns = np.array(sorted(found), np.int64)
    return columns[np.argsort(through[columns])[:MOST_CUTS]] if len(columns) > MOST_CUTS else columns


def with_ink_between(ink: Map, seams: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which seams have ink between them and the one before (K,); one at least is left of each pair that has none."""
    before = np.pad(ink.cumsum(axis=1), ((0, 0), (1, 0)))
    left = before[np.arange(len(ink))[:, None], seams].sum(axis=0)  # of each seam, all ink
    return np.diff(left, prepend=0) > FREE * 4


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The first and last places of each run of True, but for those at both ends of the mask."""
    change = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    pairs = list(zip(change[::2].tolist(), (change[1::2] - 1).tolist(), strict=True))
    return [(begin, end) for begin, end in pairs if begin > 0 and end < len(mask) - 1]


def traced(total: Map, columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The seams that end in the last row at some columns, from there to the first row: (h, K)."""
    seams = np.empty((len(total), len(columns)), np.int64)
    seams[0] = columns
    padded = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
    for step, row in enumerate(range(len(total) - 2, -1, -1), 1):
        x = seams[step - 1] + 1
        around = np.stack([padded[row, x], padded[row, x - 1] + SIDEWAYS, padded[row, x + 1] + SIDEWAYS])
        seams[step] = x - 1 + np.array([0, -1, 1])[around.argmin(axis=0)]
    return seams
