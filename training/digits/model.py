"""DigitNet, the dense network, which normalises its own input; and the mean of several.

Its outputs are logits: the loss and the exported graph apply softmax and sigmoid.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_linear_bn_eval

from app.digit.classifier import CLASSES, PIXELS

# A logit for each digit, and one for the legibility: whether the frame shows a single
# whole digit.
OUTPUTS = CLASSES + 1
# Of the pixels of MNIST's 60,000 training images, in [0, 1].
MEAN = 0.1307
STD = 0.3081

Activation = Callable[[], nn.Module]
ACTIVATIONS: dict[str, Activation] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def normalised(images: Tensor) -> Tensor:
    """Scale pixels in [0, 1] to MNIST's mean 0 and standard deviation 1."""
    return (images - MEAN) / STD


class HiddenLayer(nn.Module):
    """Linear layer, batch normalisation, activation, dropout.

    The linear layer has no bias, because batch normalisation (Ioffe & Szegedy 2015)
    adds one. For dropout, see Srivastava et al. 2014.
    """

    def __init__(
        self, inputs: int, outputs: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        output: Tensor = self.dropout(self.activation(self.norm(self.linear(x))))
        return output


class DigitNet(nn.Module):
    """A fully connected network: 784 pixels, hidden layers, 11 logits.

    Parameters
    ----------
    hidden : sequence of int
        Width of each hidden layer. Without any, the network is a logistic regression.
    activation : {"relu", "gelu", "tanh", "sigmoid"}
        Activation of the hidden layers.
    dropout : float
        Dropout rate of the hidden layers.
    """

    def __init__(
        self, hidden: Sequence[int], activation: str = "relu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.activation = activation
        self.widths = [PIXELS, *hidden, OUTPUTS]
        pairs = pairwise(self.widths[:-1])
        self.hidden = nn.Sequential(
            *(HiddenLayer(*pair, activation, dropout) for pair in pairs)
        )
        self.output = nn.Linear(self.widths[-2], OUTPUTS)

    def keep_statistics(self) -> None:
        """In training too, normalise with the running statistics, and freeze them."""
        for layer in self.layers:
            layer.norm.eval()

    @property
    def layers(self) -> list[HiddenLayer]:
        """The hidden layers."""
        return [layer for layer in self.hidden if isinstance(layer, HiddenLayer)]

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits of a batch of frames.

        Parameters
        ----------
        images : Tensor
            (N, 28, 28) or (N, 784) float in [0, 1], ink = 1.

        Returns
        -------
        Tensor
            (N, 11) logits: the ten digits, then the legibility.
        """
        logits: Tensor = self.output(self.hidden(normalised(images).flatten(1)))
        return logits


class Ensemble(nn.Module):
    """The mean of the logits of several networks.

    Networks of one recipe differ by chance, and their mean is more often right than
    each of them (Lakshminarayanan et al. 2017, "deep ensembles").
    """

    def __init__(self, networks: Iterable[DigitNet]) -> None:
        super().__init__()
        self.networks: Sequence[DigitNet] = nn.ModuleList(networks)  # type: ignore[assignment]

    def forward(self, images: Tensor) -> Tensor:
        """Compute the mean logits (N, 11) of frames; see `DigitNet.forward`."""
        return torch.stack([network(images) for network in self.networks]).mean(dim=0)


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Compute the logits (N, 11) of frames (N, 28, 28) uint8, in evaluation mode."""
    model.eval()
    parts = torch.split(images, 5_000)
    return torch.cat([model(part.float() / 255) for part in parts])


class Layer(NamedTuple):
    """Weights (n_out, n_in) and biases (n_out,), float32 on the CPU."""

    weight: Tensor
    bias: Tensor


@torch.no_grad()
def folded(model: DigitNet) -> list[Layer]:
    """Fold all normalisation into plain weights and biases.

    Batch normalisation, with its running statistics, is folded into the layer before
    it, and the normalisation of the input into the first layer, in float64. Up to
    rounding, the outputs are those of evaluation mode.

    Parameters
    ----------
    model : DigitNet
        The trained network, on any device.

    Returns
    -------
    list of Layer
        The first layer first.
    """
    model = copy.deepcopy(model).eval().cpu().double()
    linears = [fuse_linear_bn_eval(each.linear, each.norm) for each in model.layers]
    layers = [Layer(linear.weight, linear.bias) for linear in (*linears, model.output)]
    weight, bias = layers[0]
    layers[0] = Layer(weight / STD, bias - weight.sum(dim=1) * MEAN / STD)
    return [Layer(weight.float(), bias.float()) for weight, bias in layers]


@torch.no_grad()
def unfolded(layers: Sequence[Layer], activation: str) -> DigitNet:
    """Make a network of plain layers, such as `folded` returns.

    Its batch normalisation only adds the biases.

    Parameters
    ----------
    layers : sequence of Layer
        The first layer first.
    activation : str
        As in `DigitNet`.
    """
    weight, bias = layers[0]
    first = Layer(weight * STD, bias + weight.sum(dim=1) * MEAN)
    *inner, last = [first, *layers[1:]]
    model = DigitNet([len(layer.bias) for layer in inner], activation)
    for hidden, layer in zip(model.layers, inner, strict=True):
        hidden.linear.weight.copy_(layer.weight)
        hidden.norm.bias.copy_(layer.bias)
        assert hidden.norm.running_var is not None
        hidden.norm.running_var.fill_(1 - hidden.norm.eps)
    model.output.weight.copy_(last.weight)
    model.output.bias.copy_(last.bias)
    return model
