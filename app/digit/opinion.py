"""A second opinion, the line network's, where the dense network is not sure of a digit.

The dense network sees ink that was cut out, the line network grey pixels with what is
around it. So they err on different pictures.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.digit.classifier import Classifier
from app.digit.search import Choice
from app.network import ModelError, Values, log_odds_of
from app.picture.decode import Picture
from app.picture.maps import PixelBox
from app.text.ctc import BLANK, TINY
from app.text.formats import DIGITS
from app.text.layout import Floats
from app.text.line_network import LineNetwork
from app.text.strips import strip_around

# Added to probabilities, so that a network that sees no digit has no say about which
# one it is.
FLOOR = 0.01
# The strip is padded to a multiple of so many pixels; the usual padding would take
# twice the time.
PADDING = 32
# In the metadata of the dense network's file.
WEIGHTS = "second_opinion"
FITTED_WITH = "second_opinion_lines_sha256"


class Weights(NamedTuple):
    """How and when two opinions become one; `training.opinion` fits them.

    Attributes
    ----------
    lines : float
        How much what the line network sees counts, where what the dense network does
        counts 1: its exponent.
    exponent : float
        Of the probabilities of both together, which calibrates them.
    scale, offset : float
        Slope and offset of the log-odds of the legibility of both together, which
        calibrate it.
    confidence, legibility : float
        The dense network is sure from these on: the line network is not asked.
    """

    lines: float
    exponent: float
    scale: float
    offset: float
    confidence: float
    legibility: float


class Seen(NamedTuple):
    """What the line network sees.

    Attributes
    ----------
    single : NDArray
        (10,) float64: the probability that there is this digit, and nothing else.
    several : float
        The probability that there are several digits.
    """

    single: Floats
    several: float


@dataclass(eq=False)
class SecondOpinion:
    """Asks the line network about a digit, and combines both opinions."""

    network: LineNetwork
    weights: Weights

    @classmethod
    def of(cls, classifier: Classifier, network: LineNetwork) -> "SecondOpinion | None":
        """Return one with the weights in the dense network's file.

        Return None if they were not fitted with this line network. May raise
        ModelError.
        """
        if classifier.metadata.get(FITTED_WITH) != network.sha256:
            return None
        numbers = classifier.metadata.get(WEIGHTS, "").split()
        try:
            return cls(network, Weights(*map(float, numbers)))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"Model {classifier.version}: {WEIGHTS} in its metadata is not "
                f"{len(Weights._fields)} numbers. python -m training.opinion writes "
                "them."
            ) from error

    def is_wanted(self, choice: Choice) -> bool:
        """Return whether the dense network is not sure, or other ink is around."""
        return bool(
            choice.probabilities.max() < self.weights.confidence
            or choice.legibility < self.weights.legibility
            or not all(map(choice.best.box.contains, choice.others))
        )

    def __call__(self, choice: Choice) -> tuple[Values, float, bool]:
        """Combine what both networks see of the dense network's choice.

        Returns
        -------
        (NDArray, float, bool)
            The probabilities (10,) and the legibility, combined; and whether the line
            network probably sees several digits.
        """
        seen = seen_in(choice.best.picture, choice.best.box, self.network)
        both = combined(choice.probabilities, choice.legibility, seen, self.weights)
        return *both, seen.several > 0.5


def seen_in(picture: Picture, box: PixelBox, network: LineNetwork) -> Seen:
    """Show the line network a digit in a picture, and what is around it."""
    spec = network.spec
    strip = strip_around(picture, box, spec.height)
    (output,) = network([strip.pixels], PADDING)
    columns = spec.only(output, DIGITS + spec.marks).astype(np.float64)  # (T, C)
    digits = columns[:, spec.digits]
    others = 1 - digits.sum(axis=1)
    one = digit_probabilities(digits, others).sum()
    several = 1 - others.prod() - one
    blank = columns[:, [BLANK, spec.gap]].sum(axis=1)
    return Seen(digit_probabilities(digits, blank), max(0.0, float(several)))


def combined(
    probabilities: Values, legibility: float, seen: Seen, weights: Weights
) -> tuple[Values, float]:
    """Combine what both networks see, and calibrate it."""
    logits, odds = uncalibrated(probabilities, legibility, seen, weights.lines)
    likely = np.exp(weights.exponent * (logits - logits.max()))
    shares = likely / likely.sum()
    odds = weights.scale * odds + weights.offset
    legible = (1 - seen.several) / (1 + np.exp(-odds))
    return shares.astype(np.float32), float(legible)


def uncalibrated(
    probabilities: Values, legibility: float, seen: Seen, lines: float
) -> tuple[Floats, float]:
    """Return the logits (10,) of digits, and the log-odds of one digit alone.

    What the line network sees counts `lines`.
    """
    dense = np.log(np.maximum(probabilities, TINY, dtype=np.float64))
    logits = dense + lines * np.log(seen.single + FLOOR)
    odds = log_odds_of(legibility) + lines * log_odds_of(seen.single.sum())
    return logits, odds


def digit_probabilities(digits: Floats, blank: Floats) -> Floats:
    """Return the probability (10,) of each digit alone.

    It is the sum over all paths, blanks, then a digit, then blanks, given the
    probabilities of digits (T, 10) and of blanks (T,) in columns.
    """
    before = 1.0
    during = after = np.zeros(digits.shape[1])
    for nothing, each in zip(blank, digits, strict=True):
        after = (after + during) * nothing
        during = (during + before) * each
        before *= nothing
    return during + after
