"""A second opinion on a digit that the dense network is not sure of: what the line network sees there.

The dense network sees ink that was cut out, the line network grey pixels with nothing cut out. So they err on different
pictures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classifier, ModelError, log_odds_of
from app.inference.ctc import BLANK, best_path, symbols_of
from app.inference.form import Form
from app.inference.lines import LineNetwork
from app.preprocess.decode import Picture
from app.preprocess.maps import Box
from app.preprocess.strips import strips_of_digit

FLOOR = 0.01  # added to probabilities, so that a network that sees no digit has no say about which one it is
WEIGHTS, FITTED_WITH = "second_opinion", "second_opinion_lines_sha256"  # in the metadata of the dense network's file


class Weights(NamedTuple):
    """How two opinions become one; fitted by `training.opinion`.

    Attributes
    ----------
    digit : float
        Exponent of the line network's probability of each digit; that of the dense network's is 1.
    scale, offset : float
        Slope and offset of the log-odds of the dense network's legibility.
    seen : float
        Slope of the logarithm of the line network's probability that there is one digit.
    """

    digit: float
    scale: float
    offset: float
    seen: float


class SecondOpinion:
    """Asks the line network about a digit, and combines both opinions."""

    def __init__(self, network: LineNetwork, weights: Weights) -> None:
        self.network = network
        self.weights = weights

    @classmethod
    def of(cls, classifier: Classifier, network: LineNetwork) -> "SecondOpinion | None":
        """Return one with the weights in the dense network's file; None if they were not fitted with this line network.

        May raise ModelError.
        """
        if classifier.metadata.get(FITTED_WITH) != network.sha256:
            return None
        try:
            return cls(network, Weights(*map(float, classifier.metadata.get(WEIGHTS, "").split())))
        except (TypeError, ValueError) as error:
            count = len(Weights._fields)
            raise ModelError(
                f"Model {classifier.version}: {WEIGHTS} in its metadata is not {count} numbers."
            ) from error

    def __call__(
        self, picture: Picture, box: Box, probabilities: NDArray[np.float32], legibility: float
    ) -> tuple[NDArray[np.float32], float, bool]:
        """Combine the dense network's opinion on the digit in a box with the line network's.

        Parameters
        ----------
        picture : Picture
            The picture.
        box : Box
            The digit's bounding box, in pixels of the upright picture.
        probabilities : NDArray
            (10,) float32: the dense network's.
        legibility : float
            The dense network's.

        Returns
        -------
        (NDArray, float, bool)
            The same, combined; and whether the line network reads several digits.
        """
        form = self.network.form
        outputs = outputs_of(self.network, picture, box)
        has_several = any(has_several_digits(output, form) for output in outputs)
        return *combined(probabilities, legibility, seen_in(outputs, form), self.weights), has_several


def outputs_of(network: LineNetwork, picture: Picture, box: Box) -> list[NDArray[np.float32]]:
    """Show the line network the whole picture, where its shape allows it, and a digit with its box."""
    form = network.form
    return [form.only(network(strip.pixels), None) for strip in strips_of_digit(picture, box, form.height)]


def has_several_digits(output: NDArray[np.float32], form: Form) -> bool:
    """Return whether several digits are read in a strip."""
    return sum(symbol in form.digits for symbol in symbols_of(best_path(output))) > 1


def seen_in(outputs: Sequence[NDArray[np.float32]], form: Form) -> NDArray[np.float64]:
    """Return the probabilities (n, 10) that each of n strips shows a digit and no other."""
    return np.stack([digit_probabilities(output, form) for output in outputs])


def combined(
    probabilities: NDArray[np.float32], legibility: float, seen: NDArray[np.float64], weights: Weights
) -> tuple[NDArray[np.float32], float]:
    """Combine the dense network's opinion with the line network's probabilities (n, 10) for n strips."""
    likely = probabilities * np.exp(weights.digit * np.log(seen + FLOOR).mean(axis=0))
    is_one = float(np.log(seen.sum(axis=1) + FLOOR).mean())
    odds = weights.scale * log_odds_of(legibility) + weights.offset + weights.seen * is_one
    return (likely / likely.sum()).astype(np.float32), float(1 / (1 + np.exp(-odds)))


def digit_probabilities(output: NDArray[np.float32], form: Form) -> NDArray[np.float64]:
    """Return the probability (10,) that a strip shows this digit and no other, given the line network's output.

    Something else and spaces count as blank. The sum over all paths, blanks, then a digit, then blanks, is computed
    column by column.
    """
    blank = output[:, [BLANK, form.other, form.gap]].sum(axis=1, dtype=np.float64)
    before, during, after = 1.0, np.zeros(len(form.digits)), np.zeros(len(form.digits))
    for nothing, digits in zip(blank, output[:, form.digits].astype(np.float64), strict=True):
        after = (after + during) * nothing
        during = (during + before) * digits
        before *= nothing
    return during + after
