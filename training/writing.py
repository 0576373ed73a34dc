"""Write digits as a line of ink in one hand: with its pen, slant and spacing, and with
marks between them.
"""

import numpy as np
from numpy.random import Generator
from PIL import Image

from app.picture.maps import Map
from training.drawing import drawn, extent, levels

Span = tuple[float, float]
TIGHT = (0.02, 0.12)  # gaps, in digit heights
INKED = 0.1  # pixels above this count as ink
Shapes = dict[str, list[tuple[Span, ...]]]  # the strokes of each mark
# For each stroke, the range of x and y of its first point, then of the steps to the
# next ones, in digit heights.
DOT = (-0.04, 0.06), (-0.03, 0.05)
MARKS: Shapes = {
    ".": [((0, 0), (0.86, 1.0), *DOT)],
    ":": [((0, 0), (0.22, 0.42), *DOT), ((0, 0), (0.72, 0.95), *DOT)],
    ",": [
        (
            (0.1, 0.1),
            (0.84, 0.98),
            (0, 0.05),
            (0.06, 0.17),
            (-0.14, -0.03),
            (0.06, 0.17),
        )
    ],
    "-": [
        ((0, 0), (0.36, 0.66), (0.1, 0.32), (-0.03, 0.03), (0.1, 0.32), (-0.06, 0.06))
    ],
    "1": [((0, 0), (-0.15, 0.1), (-0.08, 0.08), (0.95, 1.15))],
    # Steeper ones look like a 1.
    "/": [((0.6, 0.6), (-0.2, 0.05), (-0.75, -0.25), (1.0, 1.2))],
}


def written(strokes: Map, height: float, slant: float, stretch: float = 1.0) -> Map:
    """Draw a mask of one digit, (h, w), cropped to its ink: `height` pixels high,
    slanted to the right, stretched.
    """
    rows, columns = extent(strokes, 0)
    top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
    scale = (bottom - top) / height
    across, x = scale / stretch, scale * slant  # higher rows lie further to the right
    reach = abs(slant) * height / 2 * stretch
    size = (
        int(np.ceil((right - left) / across + 2 * reach)) + 4,
        int(np.ceil(height)) + 4,
    )
    middle = (left + right) / 2, (top + bottom) / 2
    onto = (
        across,
        x,
        middle[0] - across * size[0] / 2 - x * size[1] / 2,
        0,
        scale,
        middle[1] - scale * size[1] / 2,
    )
    field = Image.fromarray(strokes).transform(
        size, Image.Transform.AFFINE, onto, Image.Resampling.BICUBIC, fillcolor=-99
    )
    mask = (0.5 + np.asarray(field) / np.float32(scale)).clip(0, 1)
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
    # Pixels per pixel of the mask; room above the digits' top, in digit heights.
    fine, above = 4, 0.3
    unit, width = height * fine, round(height * fine * max(0.06, width))
    strokes = [
        rng.uniform(*np.array(stroke).T).reshape(-1, 2).cumsum(axis=0)
        for stroke in shapes[kind]
    ]
    strokes = [
        unit * (stroke @ [[1, 0], [-slant, 1]] + [0.8 + 0.5 * slant, above])
        for stroke in strokes
    ]
    mask = levels(
        drawn((int(2.4 * unit), int(1.8 * unit)), strokes, width).reduce(fine)
    )
    rows, columns = extent(mask, 0.2)
    return mask[rows, columns], above - float(rows.start) / height


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
        place = rows, slice(start, start + mask.shape[1])
        more = (0, 0), (0, max(0, place[1].stop - self.strip.shape[1]))
        self.strip, self.source = np.pad(self.strip, more), np.pad(self.source, more)
        self.count += 1
        self.source[place] = np.where(
            mask > self.strip[place], self.count, self.source[place]
        )
        self.strip[place] = np.maximum(self.strip[place], mask)

    @property
    def rows(self) -> slice:
        """The rows that have ink."""
        return extent(self.strip, INKED)[0]

    def cropped(self) -> Map:
        """Crop the strip to its rows with ink."""
        return self.strip[self.rows]


def nearest(before: Map, after: Map) -> float:
    """Find where `after` just touches `before`: its offset in columns from the end of
    `before`, 0 or negative.
    """
    reach = max(1, len(before) // 8)  # rows this close count as the same row
    ends = before.shape[1] - 1 - (before[:, ::-1] > 0.3).argmax(axis=1)
    ends = np.where((before > 0.3).any(axis=1), ends, -(10**6))
    ends = np.max([np.roll(ends, k) for k in range(-reach, reach + 1)], axis=0)
    begins = np.where((after > 0.3).any(axis=1), (after > 0.3).argmax(axis=1), 10**6)
    distance = (begins - ends).min()
    return (
        float(max(1 - distance - before.shape[1], -after.shape[1] * 0.7))
        if distance < 10**5
        else 0.0
    )
