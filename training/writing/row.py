"""Write digits as a line of ink in one hand: with its pen, slant and spacing, and with
marks between them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image

from app.picture.maps import Map
from training.writing.drawing import drawn, extent, levels, polylines

Span = tuple[float, float]
TIGHT = (0.02, 0.12)  # gaps, in digit heights
INKED = 0.1  # pixels above this count as ink
FAR = 10**6  # columns: no ink in a row
Shapes = dict[str, Sequence[ArrayLike]]  # the strokes of each mark
DOT = "-0.04,0.06 -0.03,0.05"
# For each stroke, the lowest and highest x and y of its first point, then of the steps
# to the next ones, in digit heights.
MARKS: Shapes = {
    ".": polylines(f"0,0 0.86,1 {DOT}"),
    ":": polylines(f"0,0 0.22,0.42 {DOT} | 0,0 0.72,0.95 {DOT}"),
    ",": polylines("0.1,0.1 0.84,0.98 0,0.05 0.06,0.17 -0.14,-0.03 0.06,0.17"),
    "-": polylines("0,0 0.36,0.66 0.1,0.32 -0.03,0.03 0.1,0.32 -0.06,0.06"),
    "1": polylines("0,0 -0.15,0.1 -0.08,0.08 0.95,1.15"),
    # Steeper ones look like a 1.
    "/": polylines("0.6,0.6 -0.2,0.05 -0.75,-0.25 1,1.2"),
}


def written(strokes: Map, height: float, slant: float, stretch: float = 1.0) -> Map:
    """Draw a mask (h, w) of one digit, cropped to its ink, which is `height` high."""
    rows, columns = extent(strokes, 0)
    scale = (rows.stop - rows.start) / height
    across = scale / stretch
    shear = scale * slant  # higher rows lie further to the right
    reach = abs(slant) * height / 2 * stretch
    width = int(np.ceil((columns.stop - columns.start) / across + 2 * reach)) + 4
    tall = int(np.ceil(height)) + 4
    x = (columns.start + columns.stop) / 2 - across * width / 2 - shear * tall / 2
    y = (rows.start + rows.stop) / 2 - scale * tall / 2
    field = Image.fromarray(strokes).transform(
        (width, tall),
        Image.Transform.AFFINE,
        (across, shear, x, 0, scale, y),
        Image.Resampling.BICUBIC,
        fillcolor=-99,
    )
    mask: Map = (0.5 + np.asarray(field) / scale).clip(0, 1)
    return mask[extent(mask, INKED)]


def mark(
    kind: str,
    height: float,
    width: float,
    slant: float,
    rng: Generator,
    shapes: Shapes = MARKS,
) -> tuple[Map, float]:
    """Draw one of the marks . , - / and :, or a 1 as one straight stroke; or one of
    other shapes.

    `height` is that of the digits, in pixels, and `width` that of the pen, in digit
    heights. Returns the mask, cropped to its ink, and by how many digit heights its top
    is above that of the digits.
    """
    fine = 4  # pixels per pixel of the mask
    above = 0.3  # room above the digits' top, in digit heights
    unit = height * fine
    strokes = []
    for spans in shapes[kind]:
        points = rng.uniform(*np.array(spans).T).reshape(-1, 2).cumsum(axis=0)
        slanted = points @ [[1, 0], [-slant, 1]]
        strokes.append(unit * (slanted + np.array([0.8 + 0.5 * slant, above])))
    size = (int(2.4 * unit), int(1.8 * unit))
    mask = levels(drawn(size, strokes, round(unit * max(0.06, width))).reduce(fine))
    rows, columns = extent(mask, 0.2)
    return mask[rows, columns], above - rows.start / height


class Row:
    """A line of writing on a strip of paper that grows to the right."""

    def __init__(self, height: float) -> None:
        self.height = height
        # Top row of a digit that is neither raised nor lowered.
        self.top = round(0.5 * height)
        self.strip = np.zeros((round(2.2 * height) + 8, 0), np.float32)
        # Each pixel's mask, numbered from 1; 0 without ink.
        self.source = np.zeros(self.strip.shape, np.int64)
        self.count = 0

    def write(self, mask: Map, gap: float, raised: float = 0.0) -> None:
        """Add a mask. `gap` is its minimum distance from earlier ink along any row; if
        negative, they overlap.

        Both `gap` and the height by which it is `raised` are in digit heights.
        """
        top = max(0, round(self.top - raised * self.height))
        mask = mask[: len(self.strip) - top]
        rows = slice(top, top + len(mask))
        start = self.strip.shape[1]
        if start:
            shift = nearest(self.strip[rows], mask) + gap * self.height
            start = max(0, round(start + shift))
        end = start + mask.shape[1]
        more = max(0, end - self.strip.shape[1])
        wider = ((0, 0), (0, more))
        self.strip = np.pad(self.strip, wider)
        self.source = np.pad(self.source, wider)
        self.count += 1
        ink = self.strip[rows, start:end]
        self.source[rows, start:end][mask > ink] = self.count
        np.maximum(ink, mask, out=ink)

    @property
    def rows(self) -> slice:
        """The rows that have ink."""
        return extent(self.strip, INKED)[0]

    def cropped(self) -> Map:
        """Crop the strip to its rows with ink."""
        return self.strip[self.rows]


def nearest(before: Map, after: Map) -> float:
    """Find where `after` just touches `before`.

    Returns its offset in columns from the end of `before`: 0 or negative.
    """
    reach = max(1, len(before) // 8)  # rows this close count as the same row
    inked = before > 0.3
    last = before.shape[1] - 1 - inked[:, ::-1].argmax(axis=1)
    ends = np.where(inked.any(axis=1), last, -FAR)
    ends = np.max([np.roll(ends, k) for k in range(-reach, reach + 1)], axis=0)
    inked = after > 0.3
    begins = np.where(inked.any(axis=1), inked.argmax(axis=1), FAR)
    distance = (begins - ends).min()
    if distance >= FAR / 10:
        return 0.0
    return float(max(1 - distance - before.shape[1], -after.shape[1] * 0.7))
