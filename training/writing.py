"""Write digits as a line of ink in one hand: with its pen, slant and spacing, and with signs between them."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from app.preprocess.maps import Map
from training.paper import levels
from training.strokes import Strokes

Span = tuple[float, float]
TIGHT, TOUCHING = (0.02, 0.12), (-0.08, -0.01)  # gaps, in digit heights
SEPARATORS, SIGNS = ".,-", "-$#="
FELT = 1 / 9  # width of a felt pen, in digit heights
INKED = 0.1  # pixels above this count as ink
# The strokes of each sign, from (x, y) to (x, y), in digit heights from the digit's top left.
SIGN_STROKES: dict[str, list[tuple[float, ...]]] = {
    ".": [(0.05, 0.95, 0.06, 0.95)],
    ",": [(0.15, 0.92, 0.06, 1.15)],
    "-": [(0.05, 0.52, 0.45, 0.5)],
    "=": [(0.05, 0.42, 0.45, 0.4), (0.05, 0.6, 0.45, 0.6)],
    "#": [(0.3, 0, 0.2, 1), (0.5, 0, 0.4, 1), (0, 0.33, 0.7, 0.33), (0, 0.66, 0.7, 0.66)],
    "$": [(0.25, 0, 0.25, 1)],
}


class Hand(NamedTuple):
    """How a person writes: the digits' strokes, their height in pixels, the slant, the pen's width in digit heights."""

    strokes: list[Strokes]
    height: float
    slant: float
    pen_width: float


def written(strokes: Strokes, height: float, slant: float) -> Map:
    """Draw a mask of one digit, (h, w), cropped to its ink, `height` pixels high and slanted to the right."""
    left, top, right, bottom = strokes.box
    scale = (bottom - top) / height
    reach = abs(slant) * height / 2
    size = int(np.ceil((right - left) / scale + 2 * reach)) + 4, int(np.ceil(height)) + 4
    middle = (left + right) / 2, (top + bottom) / 2
    x = scale * slant  # higher rows lie further to the right
    onto = (scale, x, middle[0] - scale * size[0] / 2 - x * size[1] / 2, 0, scale, middle[1] - scale * size[1] / 2)
    field = Image.fromarray(strokes.field).transform(
        size, Image.Transform.AFFINE, onto, Image.Resampling.BICUBIC, fillcolor=-99
    )
    mask = (0.5 + np.asarray(field) / np.float32(scale)).clip(0, 1)
    rows, columns = (np.flatnonzero((mask > INKED).any(axis=axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def sign(kind: str, height: float, width: float) -> Map:
    """Draw a mask of a sign, from the top of the digits beside it down to their foot or below."""
    image = Image.new("L", (int(0.8 * height) + 4, int(1.3 * height) + 4))
    draw, pen_width = ImageDraw.Draw(image), max(1, round(width * height))
    for stroke in SIGN_STROKES[kind]:
        draw.line([height * share for share in stroke], fill=255, width=pen_width)
    if kind == "$":
        upper, lower = ([share * height for share in (0.05, top, 0.45, top + 0.4)] for top in (0.1, 0.5))
        draw.arc(upper, 90, 330, fill=255, width=pen_width)
        draw.arc(lower, 270, 150, fill=255, width=pen_width)
    columns = np.flatnonzero(np.asarray(image).any(axis=0))
    return levels(image)[:, columns[0] : columns[-1] + 1]


class Row:
    """A line of writing on a strip of paper that grows to the right."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.top = round(0.5 * height)  # top row of a digit that is neither raised nor lowered
        self.strip = np.zeros((round(2.2 * height) + 8, 0), np.float32)
        self.source = np.zeros(self.strip.shape, np.int64)  # each pixel's mask, numbered from 1; 0 without ink
        self.count = 0

    def write(self, mask: Map, gap: float, raised: float = 0.0) -> None:
        """Add a mask. `gap` is its minimum distance from earlier ink along any row; if negative, they overlap.

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
        self.source[place] = np.where(mask > self.strip[place], self.count, self.source[place])
        self.strip[place] = np.maximum(self.strip[place], mask)

    @property
    def rows(self) -> slice:
        """The rows that have ink."""
        inked = np.flatnonzero((self.strip > INKED).any(axis=1))
        return slice(inked[0], inked[-1] + 1)

    def cropped(self) -> Map:
        """Crop the strip to its rows with ink."""
        return self.strip[self.rows]


def nearest(before: Map, after: Map) -> float:
    """Find where `after` just touches `before`: its offset in columns from the end of `before`, 0 or negative."""
    reach = max(1, len(before) // 8)  # rows this close count as the same row
    ends = before.shape[1] - 1 - (before[:, ::-1] > 0.3).argmax(axis=1)
    ends = np.where((before > 0.3).any(axis=1), ends, -(10**6))
    ends = np.max([np.roll(ends, k) for k in range(-reach, reach + 1)], axis=0)
    begins = np.where((after > 0.3).any(axis=1), (after > 0.3).argmax(axis=1), 10**6)
    distance = (begins - ends).min()
    return float(max(1 - distance - before.shape[1], -after.shape[1] * 0.7)) if distance < 10**5 else 0.0
