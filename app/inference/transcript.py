"""Strip and the line network's output for it → what is written, how certain that is, and where each symbol lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.inference.ctc import BLANK, Spans, likeliest, log_probability
from app.inference.lines import CHARACTERS, OTHER, STRIDE
from app.preprocess.maps import Box, Map
from app.preprocess.strips import Strip

DIGITS, MARKS, SPACE = range(1, 11), range(11, 16), 16  # classes
REACH = 24  # maximum distance of a symbol's ink from its columns, in pixels of the strip
GAP = 0.9  # width of a space, in digit heights
GROUND, INKED = 0.2, 0.5  # darkness up to which a pixel is background, and from which it is ink


@dataclass(frozen=True)
class Transcript:
    """What is written in a strip.

    Attributes
    ----------
    strip : Strip
        The strip.
    output : NDArray
        (T, 18) float32: the network's probabilities.
    spans : list of tuple of int
        The class of each symbol that was read, from left to right, and its first and last column.
    """

    strip: Strip
    output: NDArray[np.float32]
    spans: Spans

    @property
    def signs(self) -> int:
        """The number of digits and marks."""
        return sum(symbol < SPACE for symbol, _, _ in self.spans)

    @cached_property
    def confidence(self) -> float:
        """The probability of the text, times the share of the columns with writing that are not something else.

        In the probability, something else counts as blank. Without digits and marks, spaces do too.
        """
        ignored = [OTHER] if self.signs else [OTHER, SPACE]
        symbols = [span[0] for span in self.spans if span[0] not in ignored]
        return self.share * min(1.0, math.exp(log_probability(self.columns(ignored), symbols)))

    @property
    def share(self) -> float:
        """The share of the columns with writing that are not something else."""
        best = self.output.argmax(axis=1)
        written = best[best != BLANK]
        return float((written != OTHER).mean()) if self.signs and len(written) else 1.0

    def columns(self, ignored: Sequence[int]) -> NDArray[np.float32]:
        """Return the probabilities, with some classes counted as blank."""
        columns = self.output.copy()
        columns[:, BLANK] += columns[:, ignored].sum(axis=1)
        columns[:, ignored] = 0
        return columns

    def alternatives(self, count: int) -> tuple[tuple[str, float], ...]:
        """Return the most probable other texts, and the probability of each; spaces do not matter."""
        own = tuple(symbol for symbol, _, _ in self.spans if symbol < SPACE)
        found = likeliest(self.columns([OTHER, SPACE]), count + 1)
        others = [(symbols, probability) for symbols, probability in found if symbols not in (own, ())]
        return tuple(
            ("".join(CHARACTERS[symbol - 1] for symbol in symbols), self.share * probability)
            for symbols, probability in others[:count]
        )

    def text(self, boxes: Sequence[Box]) -> str:
        """Return the digits, marks and single spaces, given the box of each symbol.

        There is a space where the network reads one, where something else separates, and where a gap is about as wide
        as the digits are high: far from both of its ends, the network cannot see how wide a gap is.
        """
        heights = [box.bottom - box.top for box, span in zip(boxes, self.spans, strict=True) if span[0] in DIGITS]
        gap, end, written = GAP * float(np.median(heights)) if heights else math.inf, math.inf, ""
        for box, (symbol, _, _) in zip(boxes, self.spans, strict=True):
            written += " " if symbol >= SPACE or box.left - end >= gap else ""
            if symbol < SPACE:
                written, end = written + CHARACTERS[symbol - 1], box.right
        return " ".join(written.split())

    def places(self) -> list[tuple[Box, Map]]:
        """Return the box in the strip of each symbol, and the ink in it, in [0, 1]: what differs from the median grey.

        Symbols are separated where there is least ink. Full ink is what is seen near them, since most of a strip may be
        empty.
        """
        pixels = self.strip.pixels.astype(np.float32)
        away, width = np.abs(pixels - np.median(pixels)), pixels.shape[1]
        reached = [(max(0, STRIDE * a - REACH), min(width, STRIDE * (b + 1) + REACH)) for _, a, b in self.spans]
        near = np.concatenate([np.arange(left, right) for left, right in reached])
        ink = away / max(1.0, float(np.percentile(away[:, near], 95)))
        inked = ink >= INKED
        between = [(STRIDE * a + 1, STRIDE * b + 1) for (_, _, a), (_, b, _) in pairwise(self.spans)]
        cuts = [left + int(inked[:, left : right + 1].sum(axis=0).argmin()) for left, right in between]
        limits = zip(reached, [0, *cuts], [*cuts, width], strict=True)
        boxes = [box_in(inked, max(left, after), min(right, before)) for (left, right), after, before in limits]
        return [(box, ((ink[box.slices] - GROUND) / (1 - GROUND)).clip(0, 1)) for box in boxes]


def box_in(inked: NDArray[np.bool_], left: int, right: int) -> Box:
    """Return the box around the ink in these columns; all of them if there is none."""
    rows, columns = np.nonzero(inked[:, left:right])
    if not len(rows):
        return Box(0, len(inked), left, right)
    return Box(int(rows.min()), int(rows.max()) + 1, left + int(columns.min()), left + int(columns.max()) + 1)
