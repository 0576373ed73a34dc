"""Calibrate the outputs, so that confidence matches accuracy.

Temperature scaling calibrates the logits of the digits (Guo et al. 2017, "On calibration of modern neural networks").
Platt scaling, a scale and an offset, calibrates the legibility (Platt 1999). Neither changes the predicted digit. The
frames to fit on must be held out from training.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from app.inference.classifier import CLASSES
from training.data import Digits
from training.model import Ensemble
from training.objective import NONE

LOWEST, HIGHEST, STEPS = 0.5, 2.0, 151
DIGITS = 0.9  # assumed share of requests that show a digit; the legibility is calibrated for it


class Calibration(NamedTuple):
    """The temperature of the digits' logits, and the scale and offset of the legibility's."""

    temperature: float
    scale: float
    offset: float

    def __str__(self) -> str:
        return f"temperature {self.temperature:.2f}; legibility × {self.scale:.2f}, {self.offset:+.2f}"


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature, to 0.01, that minimises the cross-entropy of logits (N, 10) and labels (N,)."""
    temperatures = torch.linspace(LOWEST, HIGHEST, STEPS)
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in temperatures])
    return round(temperatures[losses.argmin()].item(), 2)


def best_line(logits: Tensor, truths: Tensor) -> tuple[float, float]:
    """Find the scale and offset that minimise the cross-entropy of logits (N,) and truths (N,) bool.

    The loss is weighted as if the share DIGITS of the truths were true.
    """
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
def calibrated(model: Ensemble, digits: Digits, frames: Digits) -> tuple[Ensemble, Calibration]:
    """Return a copy of the networks with calibrated output layers, and the calibration of their mean.

    Parameters
    ----------
    model : Ensemble
        The trained networks.
    digits : Digits
        Held-out digits, to calibrate the ten probabilities.
    frames : Digits
        Held-out digits and non-digits, to calibrate the legibility.
    """
    model = copy.deepcopy(model).eval()
    temperature = best_temperature(model(digits.images.float() / 255)[:, :CLASSES], digits.labels)
    legibility = torch.cat([model(part.float() / 255)[:, CLASSES] for part in torch.split(frames.images, 5_000)])
    is_digit = frames.labels.cpu() != NONE
    with torch.enable_grad():  # on the CPU, since Apple's MPS has no float64
        scale, offset = (1.0, 0.0) if is_digit.all() else best_line(legibility.cpu().clone(), is_digit)
    for network in model.networks:
        weight, bias = network.output.weight, network.output.bias
        weight[:CLASSES] /= temperature
        bias[:CLASSES] /= temperature
        weight[CLASSES] *= scale
        bias[CLASSES] = bias[CLASSES] * scale + offset
    return model, Calibration(temperature, scale, offset)
