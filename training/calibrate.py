"""Calibrate the outputs, so that confidence matches accuracy.

Temperature scaling calibrates the logits of the digits (Guo et al. 2017, "On
calibration of modern neural networks"). Platt scaling, a scale and an offset,
calibrates the legibility, and the confidence of texts (Platt 1999). Neither changes
what is read. What they are fitted on must be held out from training.
"""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

from app.digit.classifier import CLASSES
from app.network import log_odds_of
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from app.text.reading import read_text
from training.data import NONE, Digits
from training.digits.model import Ensemble, logits_of
from training.run import progress
from training.writing.scenes import NUMBERS, number

SEED = 10**6  # of the pictures of numbers
SHRINKAGE = 1e-3  # keeps their scale and offset finite, whatever is read
# Assumed share of requests that show a digit; the legibility is calibrated for it.
DIGIT_SHARE = 0.9


class Calibration(NamedTuple):
    """The temperature of the digits' logits; scale and offset of the legibility's."""

    temperature: float
    scale: float
    offset: float

    def __str__(self) -> str:
        return (
            f"temperature {self.temperature:.2f}; legibility × {self.scale:.2f}, "
            f"{self.offset:+.2f}"
        )


def best_temperature(loss: Callable[[float], float]) -> float:
    """Find the temperature, to 0.01, with the lowest loss."""
    return round(float(minimize_scalar(loss, bounds=(0.5, 2)).x), 2)


def best_weights(loss: Callable[[Tensor], Tensor], *start: float) -> list[float]:
    """Find the weights (n,) float64 with the lowest loss, from a start."""
    found = minimize(lambda weights: loss(torch.from_numpy(weights)).item(), start)
    weights: list[float] = found.x.tolist()
    return weights


def legibility_loss(logits: Tensor, truths: Tensor, shares: Tensor) -> Tensor:
    """Compute the cross-entropy of logits (N,), weighted by shares of requests (N,)."""
    return F.binary_cross_entropy_with_logits(
        logits, truths.double(), shares, reduction="sum"
    )


def shares_of(truths: Tensor) -> Tensor:
    """Return the share of requests (N,) that each frame stands for.

    Together, those with a digit are DIGIT_SHARE.
    """
    of_digit = DIGIT_SHARE / truths.sum()
    of_other = (1 - DIGIT_SHARE) / (~truths).sum()
    return torch.where(truths, of_digit, of_other).double()


def best_line(logits: Tensor, truths: Tensor) -> list[float]:
    """Find the scale and offset of logits (N,) that fit truths (N,) bool best."""
    shares = shares_of(truths)
    logits = logits.double()
    return best_weights(
        lambda line: legibility_loss(line[0] * logits + line[1], truths, shares), 1, 0
    )


def confidence_line(
    network: LineNetwork, pages: PageNetwork, digits: Digits, count: int
) -> tuple[float, float]:
    """Find the scale and offset of the log-odds of texts that calibrate them, unless
    they are empty.

    Calibrated, they say how likely it is that all of a text is right.

    Parameters
    ----------
    network : LineNetwork
        The network, uncalibrated.
    pages : PageNetwork
        The network that finds lines, with which it is served.
    digits : Digits
        Held-out digits.
    count : int
        How many pictures of each scene of numbers are made of them, and read as the
        service does.
    """
    logits = []
    truths = []
    for scene in progress(NUMBERS, "calibration"):
        for index in range(count):
            picture, written = number(scene, digits, SEED, index)
            text = read_text(picture, network, pages)
            if text.text:
                logits.append(log_odds_of(text.confidence))
                truths.append(text.text == written)
    odds = torch.tensor(logits).double()
    right = torch.tensor(truths).double()

    # Of the logarithm of the scale, which is above 0, and the offset.
    def loss(line: Tensor) -> Tensor:
        fit = F.binary_cross_entropy_with_logits(line[0].exp() * odds + line[1], right)
        return fit + SHRINKAGE * (line**2).sum()

    logarithm, offset = best_weights(loss, 0, 0)
    return math.exp(logarithm), offset


@torch.no_grad()
def calibrated(
    model: Ensemble, digits: Digits, frames: Digits
) -> tuple[Ensemble, Calibration]:
    """Return a copy of the networks with calibrated outputs, and the calibration.

    Parameters
    ----------
    model : Ensemble
        The trained networks.
    digits : Digits
        Held-out digits, to calibrate the ten probabilities.
    frames : Digits
        Held-out digits and non-digits, to calibrate the legibility.
    """
    model = copy.deepcopy(model)
    logits = logits_of(model, digits.images)[:, :CLASSES]
    temperature = best_temperature(
        lambda temperature: F.cross_entropy(logits / temperature, digits.labels).item()
    )
    scale = 1.0
    offset = 0.0
    is_digit = frames.labels.cpu() != NONE
    if not is_digit.all():
        # On the CPU, since Apple's MPS has no float64.
        legibility = logits_of(model, frames.images)[:, CLASSES].cpu()
        scale, offset = best_line(legibility, is_digit)
    for network in model.networks:
        for parameter in network.output.parameters():
            parameter[:CLASSES] /= temperature
            parameter[CLASSES] *= scale
        network.output.bias[CLASSES] += offset
    return model, Calibration(temperature, scale, offset)
