"""DigitNet: the dense network. It normalises its own input, so nobody else has to.

Ignores: softmax and sigmoid (the loss and the export add them) and the picture work in front of it.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from app.inference.classifier import CLASSES, PIXELS

# A logit for each digit, and one for whether the frame shows one whole digit at all.
OUTPUTS = CLASSES + 1
# Of the 55,000 training images, in [0, 1].
MEAN, STD = 0.1307, 0.3081

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def normalised(images: Tensor) -> Tensor:
    """Pixels in [0, 1] with MNIST's mean taken to 0 and its deviation to 1."""
    return (images - MEAN) / STD


class HiddenLayer(nn.Module):
    """Linear, batch normalisation (Ioffe & Szegedy 2015), activation, dropout (Srivastava et al. 2014).

    The linear part has no bias: batch normalisation adds one.
    """

    def __init__(self, inputs: int, outputs: int, activation: str, dropout: float) -> None:
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
        Width of each hidden layer; with none, the network is logistic regression.
    activation : {"relu", "gelu", "tanh", "sigmoid"}
        The hidden layers' activation.
    dropout : float
        Share of the hidden activations that is dropped in training.
    """

    def __init__(self, hidden: Sequence[int], activation: str = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        self.activation = activation
        self.widths = [PIXELS, *hidden, OUTPUTS]
        pairs = pairwise(self.widths[:-1])
        self.hidden = nn.Sequential(*(HiddenLayer(*pair, activation, dropout) for pair in pairs))
        self.output = nn.Linear(self.widths[-2], OUTPUTS)

    def keep_statistics(self) -> None:
        """Train on with the running statistics, which stay as they are, in place of each batch's."""
        for layer in self.hidden:
            assert isinstance(layer, HiddenLayer)
            layer.norm.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch of frames.

        Parameters
        ----------
        images : Tensor
            (N, 28, 28) or (N, 784) float in [0, 1], ink = 1.

        Returns
        -------
        Tensor
            (N, 11) logits: of the ten digits, and of legibility.
        """
        logits: Tensor = self.output(self.hidden(normalised(images).flatten(1)))
        return logits


@torch.no_grad()
def folded(model: DigitNet) -> list[tuple[Tensor, Tensor]]:
    """The network as plain weights and biases, with the activation between each two layers.

    Batch normalisation (its running statistics) goes into the layer before it, and the normalisation of
    the input into the first layer, computed in float64. Exact in real arithmetic; dropout is the identity.

    Parameters
    ----------
    model : DigitNet
        The trained network, on any device.

    Returns
    -------
    list of (Tensor, Tensor)
        Weights (n_out, n_in) and biases (n_out,), float32 on the CPU, first layer first.
    """
    model = copy.deepcopy(model).cpu().double()
    layers = []
    for layer in model.hidden:
        assert isinstance(layer, HiddenLayer)
        norm, mean, variance = layer.norm, layer.norm.get_buffer("running_mean"), layer.norm.get_buffer("running_var")
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        layers.append((layer.linear.weight * scale[:, None], norm.bias - mean * scale))
    layers.append((model.output.weight, model.output.bias))
    weight, bias = layers[0]
    layers[0] = (weight / STD, bias - weight.sum(dim=1) * MEAN / STD)
    return [(weight.float(), bias.float()) for weight, bias in layers]
