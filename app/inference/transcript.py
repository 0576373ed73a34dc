"""Strip and the line network's output for it → what is written, how certain that is, and where each symbol lies."""

import math
import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.ctc import BLANK, Symbols, aligned
from app.inference.lines import CHARACTERS, OTHER, STRIDE
from app.preprocess.maps import Box, Map
from app.preprocess.strips import Strip

DIGITS, MARKS, SPACE = range(1, 11), range(11, 16), 16  # classes
REACH = 24  # maximum distance of a symbol's ink from its columns, in pixels of the strip
GROUND, INKED = 0.2, 0.5  # darkness up to which a pixel is background, and from which it is ink


class Transcript(NamedTuple):
    """What is written in a strip.

    Attributes
    ----------
    strip : Strip
        The strip.
    output : NDArray
        (T, 18) float32: the network's probabilities.
    symbols : tuple of int
        The classes that were read, from left to right, without blanks.
    spans : list of tuple of int
        The first and last column of each.
    """

    strip: Strip
    output: NDArray[np.float32]
    symbols: Symbols
    spans: list[tuple[int, int]]

    @property
    def text(self) -> str:
        """The digits, marks and single spaces. Something else is left out; between two digits it becomes a space."""
        written = "".join((CHARACTERS + "x")[symbol - 1] for symbol in self.symbols)
        return " ".join(re.sub(r"(?<=\d) *x[ x]*(?=\d)", " ", written).replace("x", "").split())

    @property
    def score(self) -> float:
        """How much speaks for this reading: the sum over its digits and marks of 2 p - 1.

        p is the probability of one in its best column. What is more likely wrong than right counts against it.
        """
        written = [index for index, symbol in enumerate(self.symbols) if symbol < SPACE]
        return sum(2 * float(self.columns(index)[:, self.symbols[index]].max()) - 1 for index in written)

    @property
    def confidence(self) -> float:
        """The probability of the text, times the share of the columns with writing that are not something else.

        In the probability, something else counts as blank. Without digits and marks, spaces do too.
        """
        ignored = [OTHER] if self.text else [OTHER, SPACE]
        columns = self.output.copy()
        columns[:, BLANK] += columns[:, ignored].sum(axis=1)
        log_probability, _ = aligned(columns, tuple(symbol for symbol in self.symbols if symbol not in ignored))
        best = self.output.argmax(axis=1)
        written = best[best != BLANK]
        share = float((written != OTHER).mean()) if self.text and len(written) else 1.0
        return share * min(1.0, math.exp(log_probability))

    def columns(self, index: int) -> NDArray[np.float32]:
        """Return the network's output in the columns of a symbol."""
        first, last = self.spans[index]
        return self.output[first : last + 1]

    def shares(self, index: int) -> NDArray[np.float32]:
        """Return the probabilities (10,) of the digits in the columns of one; that of the one read is the highest."""
        shares = self.columns(index)[:, DIGITS].sum(axis=0)
        swapped = [shares.argmax(), self.symbols[index] - DIGITS.start]
        shares[swapped] = shares[swapped[::-1]]
        whole: NDArray[np.float32] = shares / shares.sum()
        return whole

    def places(self) -> list[tuple[Box, Map]]:
        """Return the box in the strip of each symbol, and the ink in it, in [0, 1]: what differs from the median grey.

        Symbols are separated where there is least ink. Full ink is what is seen near them, since most of a strip may be
        empty.
        """
        pixels = self.strip.pixels.astype(np.float32)
        away, width = np.abs(pixels - np.median(pixels)), pixels.shape[1]
        reached = [(max(0, STRIDE * a - REACH), min(width, STRIDE * (b + 1) + REACH)) for a, b in self.spans]
        near = np.concatenate([np.arange(left, right) for left, right in reached])
        ink = away / max(1.0, float(np.percentile(away[:, near], 95)))
        inked = ink >= INKED
        between = [(STRIDE * a + 1, STRIDE * b + 1) for (_, a), (b, _) in pairwise(self.spans)]
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
