"""Temperature scaling: logits over one number, so that a confidence is the share of answers that are right.

Guo et al. 2017, "On calibration of modern neural networks". No answer changes. Ignores: which digits the
confidence is fitted to; they must not be trained on.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data import Digits
from training.model import DigitNet

LOWEST, HIGHEST, STEPS = 0.5, 2.0, 151


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature, to 0.01, at which these logits (N, 10) give the labels (N,) the lowest cross-entropy."""
    temperatures = torch.linspace(LOWEST, HIGHEST, STEPS)
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in temperatures])
    return round(temperatures[losses.argmin()].item(), 2)


@torch.no_grad()
def calibrated(model: DigitNet, digits: Digits) -> tuple[DigitNet, float]:
    """The network with its output layer divided by the best temperature on these digits, and the temperature."""
    model = copy.deepcopy(model).eval()
    temperature = best_temperature(model(digits.images.float() / 255), digits.labels)
    model.output.weight.div_(temperature)
    model.output.bias.div_(temperature)
    return model, temperature
