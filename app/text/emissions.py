"""What the line network sees in the columns of a strip."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from app.text.ctc import BLANK, Probabilities, Span, log_probability
from app.text.line_spec import LineSpec, moved
from app.text.strips import Strip

# Probability of a gap in a column between two signs from which there is a space.
GAP_PROBABILITY = 0.1


@dataclass(frozen=True, eq=False)
class Emissions:
    """What the line network sees in a strip.

    Attributes
    ----------
    strip : Strip
        The strip.
    probabilities : NDArray
        (T, C) float32: the network's output; those of characters that are not wanted
        are 0.
    spec : LineSpec
        What the network's file says of it.
    """

    strip: Strip
    probabilities: Probabilities
    spec: LineSpec

    @cached_property
    def of_signs(self) -> Probabilities:
        """The probabilities (T, C), with something else and gaps counted as blank."""
        ignored = [self.spec.other, self.spec.gap]
        return moved(self.probabilities, ignored, BLANK)

    def part(self, begin: int, end: int) -> "Emissions":
        """Return what is seen in some of the columns."""
        return replace(self, probabilities=self.probabilities[begin:end])

    def likelihood(self, signs: Sequence[int]) -> float:
        """Return the probability of the classes of digits and marks."""
        return min(1.0, math.exp(log_probability(self.of_signs, signs)))

    def has_gap(self, before: Span, after: Span) -> bool:
        """Return whether the network sees a gap between two signs."""
        columns = self.probabilities[before.last + 1 : after.first, self.spec.gap]
        return bool(columns.max(initial=0) >= GAP_PROBABILITY)

    def discounting(self, spans: Collection[Span]) -> "Emissions":
        """Count these symbols as something else, where they lie."""
        other = self.spec.other
        probabilities = self.probabilities.copy()
        for symbol, first, last in spans:
            columns = probabilities[first : last + 1]
            columns[:, other] += columns[:, symbol]
            columns[:, symbol] = 0
        return replace(self, probabilities=probabilities)
