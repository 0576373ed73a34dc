"""A convolutional network with pooling, for the served one to learn from: it is used in training only.

What a strong network answers says more of an image than its label does: which other digits it resembles (Hinton
et al. 2015, "Distilling the knowledge in a neural network"), most of all on images that are deformed anew each
time (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent").
"""

import torch
from torch import Tensor, nn

from app.classifier import CLASSES
from training.convolution import ConvolutionalLayer
from training.model import HiddenLayer, normalised

CHANNELS = (32, 48, 96)  # at 28×28, 14×14 and 7×7
HIDDEN = 256


class Teacher(nn.Module):
    """Five convolutions with pooling at three places, one hidden layer, 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.convolutions = nn.Sequential(
            ConvolutionalLayer(1, first, 5, 1, 2),
            nn.MaxPool2d(2),
            ConvolutionalLayer(first, second, 3, 1, 1),
            ConvolutionalLayer(second, second, 3, 1, 1),
            nn.MaxPool2d(2),
            ConvolutionalLayer(second, third, 3, 1, 1),
            ConvolutionalLayer(third, third, 3, 1, 1),
            nn.MaxPool2d(2, padding=1),
        )
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # not in the stubs
        self.hidden = HiddenLayer(third * 4 * 4, HIDDEN, "relu", dropout=0.0)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) of frames (N, 28, 28), float in [0, 1], ink = 1."""
        pixels = normalised(images)[:, None].contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.output(self.hidden(self.convolutions(pixels).flatten(1)))
        return logits
