"""Helpers for tests of training. They are not in support.py, so that pytest's main process need not import torch."""

import numpy as np
import torch

from training.data import Digits
from training.model import DigitNet


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_digits(images: np.ndarray, labels: np.ndarray) -> Digits:
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


def trained(hidden=(32, 16), activation="relu") -> DigitNet:
    """Make a small network whose batch normalisation is not the identity."""
    torch.manual_seed(0)
    model = DigitNet(hidden, activation, dropout=0.2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    for _ in range(3):
        model(torch.rand(64, 28, 28) ** 3)
    return model.eval()
