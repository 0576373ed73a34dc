"""Strip and the line network's output for it → what is written, how certain that is, and where each symbol lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.inference.ctc import BLANK, Spans, likeliest, log_probability
from app.inference.form import Form, moved
from app.preprocess.maps import Box, Map
from app.preprocess.strips import Strip

REACH = 0.75  # maximum distance of a symbol's ink from its columns, in heights of the strip
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
        (T, C) float32: the network's probabilities; those of characters that are not wanted are 0.
    form : Form
        The form of the network.
    spans : list of tuple of int
        The class of each symbol that was read, from left to right, and its first and last column.
    """

    strip: Strip
    output: NDArray[np.float32]
    form: Form
    spans: Spans

    @property
    def signs(self) -> list[int]:
        """The classes of the digits and marks."""
        return [symbol for symbol, _, _ in self.spans if self.form.is_sign(symbol)]

    @property
    def score(self) -> float:
        """How much speaks for what is read: n (g² - threshold).

        There are n digits and marks, and g is the geometric mean of their probabilities. So one more counts for a text
        if it is likely enough, and against it otherwise.
        """
        count = len(self.signs)
        return count * (self.confidence ** (2 / count) - self.form.threshold) if count else 0.0

    def without_marks_of_words(self) -> "Transcript":
        """Count the marks of a line of words, which has no digits, as something else too, as a full stop."""
        symbols = {symbol for symbol, _, _ in self.spans}
        if self.form.other not in symbols or symbols & {*self.form.digits}:
            return self
        marks = [symbol for symbol in symbols if self.form.is_sign(symbol)]
        return replace(self, spans=[], output=moved(self.output, marks, self.form.other))

    @cached_property
    def confidence(self) -> float:
        """The probability of the digits and marks."""
        return min(1.0, math.exp(log_probability(self.columns, self.signs)))

    @cached_property
    def columns(self) -> NDArray[np.float32]:
        """The probabilities, with something else and gaps counted as blank."""
        return moved(self.output, [self.form.other, self.form.gap], BLANK)

    def alternatives(self, count: int) -> tuple[tuple[str, float], ...]:
        """Return the most probable other texts, and the probability of each; spaces do not matter."""
        own = tuple(self.signs)
        found = likeliest(self.columns, count + 1)
        others = [(symbols, probability) for symbols, probability in found if symbols not in (own, ())]
        return tuple(
            ("".join(self.form.characters[symbol - 1] for symbol in symbols), probability)
            for symbols, probability in others[:count]
        )

    def text(self, boxes: Sequence[Box]) -> str:
        """Return the digits, marks and single spaces, given the box of each symbol.

        There is a space where something else separates, and where a gap is about as wide as the digits are high.
        """
        symbols = [span[0] for span in self.spans]
        digits = [box for box, symbol in zip(boxes, symbols, strict=True) if symbol in self.form.digits]
        gap = GAP * float(np.median([box.bottom - box.top for box in digits])) if digits else math.inf
        end = math.inf
        written = ""
        for box, symbol in zip(boxes, symbols, strict=True):
            if symbol == self.form.other or box.left - end >= gap:
                written += " "
            if self.form.is_sign(symbol):
                written += self.form.characters[symbol - 1]
                end = box.right
        return " ".join(written.split())

    def places(self) -> list[tuple[Box, Map]]:
        """Return the box in the strip of each symbol, and the ink in it, in [0, 1]: what differs from the median grey.

        Symbols are separated where there is least ink. Full ink is what is seen near them, since most of a strip may be
        empty.
        """
        pixels = self.strip.pixels.astype(np.float32)
        away, (height, width) = np.abs(pixels - np.median(pixels)), pixels.shape
        edges = [(self.form.stride * np.array([first, last + 1])).clip(0, width - 1) for _, first, last in self.spans]
        reached = [(edge + REACH * height * np.array([-1, 1])).astype(int).clip(0, width).tolist() for edge in edges]
        near = np.concatenate([np.arange(left, right) for left, right in reached])
        ink = away / max(1.0, float(np.percentile(away[:, near], 95)))
        inked = ink >= INKED
        cuts = self.cuts(inked, [max(0, int(edge.mean() - self.form.delay * self.form.stride)) for edge in edges])
        limits = zip(reached, [0, *cuts], [*cuts, width], strict=True)
        boxes = [box_in(inked, max(left, after), min(right, before)) for (left, right), after, before in limits]
        return [(box, ((ink[box.slices] - GROUND) / (1 - GROUND)).clip(0, 1)) for box in boxes]

    def cuts(self, inked: NDArray[np.bool_], middles: list[int]) -> list[int]:
        """Return the columns that separate symbols, given the middle of each: where there is least ink between them.

        Some ink lies before the cut that follows a digit or a mark, even where its column is late.
        """
        profile = inked.sum(axis=0)
        cuts = [0]
        for (symbol, _, _), (left, right) in zip(self.spans, pairwise(middles), strict=False):
            before = cuts[-1]
            first = before + int((profile[before:] > 0).argmax()) if self.form.is_sign(symbol) else left
            begin = min(max(left, first), right)
            cuts.append(begin + int(profile[begin : right + 1].argmin()))
        return cuts[1:]


def box_in(inked: NDArray[np.bool_], left: int, right: int) -> Box:
    """Return the box around the ink in these columns; all of them if there is none."""
    rows, columns = np.nonzero(inked[:, left:right])
    if not len(rows):
        return Box(0, len(inked), left, right)
    return Box(int(rows.min()), int(rows.max()) + 1, left + int(columns.min()), left + int(columns.max()) + 1)
