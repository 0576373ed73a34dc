"""A convolutional network to be converted to a dense one: better than random weights.

A convolution is a matrix in which most weights are 0 or shared. Converted to a dense
layer with all weights free, it keeps what the convolution learned about pictures, and
trains on from there (d'Ascoli et al. 2019, "Finding the needle in the haystack with
convolutions"). There is no max pooling, since it is not linear.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from app.picture.frame import FRAME_SIDE
from training.digits.model import OUTPUTS, DigitNet, HiddenLayer, normalised

# Kernel, stride and padding of each convolution. The first has stride 3, which leaves
# 8×8 positions, and so few dense weights. The second keeps the size, and the last
# leaves 3×3.
SHAPES = ((7, 3, 0), (3, 1, 1), (4, 2, 0))


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, padding: int
) -> nn.Sequential:
    """Make a convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class ConvolutionalNet(nn.Module):
    """Convolutions, dense hidden layers, 11 logits.

    Parameters
    ----------
    channels : sequence of int
        Output channels of each convolution; at most as many as SHAPES has.
    hidden : sequence of int
        Width of each dense hidden layer.
    dropout : float
        Dropout rate of the dense layers.
    """

    def __init__(
        self, channels: Sequence[int], hidden: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers = zip(pairwise([1, *channels]), SHAPES, strict=False)
        self.convolutions = nn.Sequential(
            *(convolution(*counts, *shape) for counts, shape in layers)
        )
        # The stubs lack the format.
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dense_widths = dense_widths(channels, hidden)
        pairs = pairwise(self.dense_widths[len(channels) - 1 :])
        self.hidden = nn.Sequential(
            *(HiddenLayer(*pair, "relu", dropout) for pair in pairs)
        )
        self.output = nn.Linear(self.dense_widths[-1], OUTPUTS)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits (N, 11) of frames (N, 28, 28), as `DigitNet` does."""
        pixels = normalised(images)[:, None]  # (N, 1, 28, 28)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        maps = self.convolutions(pixels)  # (N, channels, side, side)
        logits: Tensor = self.output(self.hidden(maps.flatten(1)))
        return logits


def dense_widths(channels: Sequence[int], hidden: Sequence[int]) -> list[int]:
    """Return the widths of the hidden layers after the convolutions become dense."""
    return [count * side**2 for count, side in maps(channels)] + [*hidden]


def maps(channels: Sequence[int]) -> list[tuple[int, int]]:
    """Return the number of maps of each convolution, and their side."""
    found = []
    side = FRAME_SIDE
    for count, (kernel, stride, padding) in zip(channels, SHAPES, strict=False):
        side = (side + 2 * padding - kernel) // stride + 1
        found.append((count, side))
    return found


@torch.no_grad()
def converted(net: ConvolutionalNet, dropout: float) -> DigitNet:
    """Convert the network to an equivalent dense one.

    Parameters
    ----------
    net : ConvolutionalNet
        The trained network.
    dropout : float
        Dropout rate of the dense network.
    """
    net = copy.deepcopy(net).eval()
    device = net.output.weight.device
    dense = DigitNet(net.dense_widths, "relu", dropout).to(device)
    shape = torch.Size([1, FRAME_SIDE, FRAME_SIDE])
    layers = iter(dense.layers)
    for convolution, layer in zip(net.convolutions, layers, strict=False):
        assert isinstance(convolution, nn.Sequential)
        kernels, norm, _ = convolution
        pixel = torch.eye(shape.numel(), device=device).view(-1, *shape)
        responses = kernels(pixel)  # (inputs, channels, side, side)
        shape = responses[0].shape
        layer.linear.weight.copy_(responses.flatten(1).T)
        # Each unit gets the batch normalisation of its channel.
        values = norm.state_dict()
        values.pop("num_batches_tracked")
        for name, value in values.items():
            values[name] = value.repeat_interleave(shape[1] * shape[2])
        layer.norm.load_state_dict(values, strict=False)
    for trained, layer in zip(net.hidden, layers, strict=True):
        layer.load_state_dict(trained.state_dict())
    dense.output.load_state_dict(net.output.state_dict())
    return dense
