"""A line of writing on a strip of paper, as masks with gaps between them."""

import numpy as np

from app.picture.maps import Map
from training.writing.drawing import extent
from training.writing.strokes import INKED

Span = tuple[float, float]
FAR = 10**6  # columns: no ink in a row


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
