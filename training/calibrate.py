"""Calibration: logits scaled so that a probability is the share of answers that are right.

The ten digits' by one temperature (Guo et al. 2017, "On calibration of modern neural networks"), the legibility by a
scale and an offset (Platt 1999). No digit that is answered changes. Ignores: which frames they are fitted to; they must
not be trained on.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from app.inference.classifier import CLASSES
from training.data import Digits
from training.model import DigitNet
from training.objective import NONE

LOWEST, HIGHEST, STEPS = 0.5, 2.0, 151
DIGITS = 0.9  # which share of what is sent shows a digit, for the legibility


class Calibration(NamedTuple):
    """By what the digits' logits are divided, and how the legibility's are scaled and shifted."""

    temperature: float
    scale: float
    offset: float

    def __str__(self) -> str:
        return f"temperature {self.temperature:.2f}; legibility × {self.scale:.2f}, {self.offset:+.2f}"


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature, to 0.01, at which these logits (N, 10) give the labels (N,) the lowest cross-entropy."""
    temperatures = torch.linspace(LOWEST, HIGHEST, STEPS)
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in temperatures])
    return round(temperatures[losses.argmin()].item(), 2)


def best_line(logits: Tensor, truths: Tensor) -> tuple[float, float]:
    """The scale and the offset at which logits (N,) give the truths (N,) bool, DIGITS of them, least cross-entropy."""
    weights = torch.where(truths, DIGITS / truths.sum(), (1 - DIGITS) / (~truths).sum()).double()
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        on_line = line[0] * logits.double() + line[1]
        loss = F.binary_cross_entropy_with_logits(on_line, truths.double(), weights, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(loss)  # type: ignore[no-untyped-call]
    scale, offset = line.tolist()
    return scale, offset


@torch.no_grad()
def calibrated(model: DigitNet, digits: Digits, frames: Digits) -> tuple[DigitNet, Calibration]:
    """The network with its output layer scaled, and by what.

    Parameters
    ----------
    model : DigitNet
        The trained network.
    digits : Digits
        What the ten probabilities are fitted to.
    frames : Digits
        Digits and frames that show none, to whose shares the legibility is fitted.
    """
    model = copy.deepcopy(model).eval()
    temperature = best_temperature(model(digits.images.float() / 255)[:, :CLASSES], digits.labels)
    legibility = torch.cat([model(part.float() / 255)[:, CLASSES] for part in torch.split(frames.images, 5_000)])
    with torch.enable_grad():
        scale, offset = best_line(legibility.clone(), frames.labels != NONE)
    weight, bias = model.output.weight, model.output.bias
    weight[:CLASSES] /= temperature
    bias[:CLASSES] /= temperature
    weight[CLASSES] *= scale
    bias[CLASSES] = bias[CLASSES] * scale + offset
    return model, Calibration(temperature, scale, offset)
