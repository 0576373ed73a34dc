"""Networks for tests of training. They are not in support.py, so that pytest's main process need not import torch."""

import torch

from training.model import DigitNet


def trained(hidden=(32, 16), activation="relu") -> DigitNet:
    """Make a small network whose batch normalisation is not the identity."""
    torch.manual_seed(0)
    model = DigitNet(hidden, activation, dropout=0.2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    for _ in range(3):
        model(torch.rand(64, 28, 28) ** 3)
    return model.eval()
