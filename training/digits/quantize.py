"""Quantise float layers to 8 bits: a quarter of the size, several times as fast.

Weights are symmetric about 0 with one scale per unit. Activations have one scale per
layer, measured on images (Jacob et al. 2018, "Quantization and training of neural
networks for efficient integer-arithmetic-only inference"). All scales are fixed, so an
answer does not depend on the rest of its batch.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.digits.model import Layer

# Not 127: processors without 8-bit dot products add pairs of products in 16 bits, and
# 2 · 255 · 63 < 2¹⁵.
MAX_WEIGHT = 63
MAX_ACTIVATION = 255
# Share of the mean square of all inputs that is added to that of each, so that inputs
# that are always 0 do no harm.
DAMPING = 0.01


class Int8Layer(NamedTuple):
    """A layer with integer weights and inputs.

    Attributes
    ----------
    weight : Tensor
        (n_in, n_out) int8 in [-63, 63].
    bias : Tensor
        (n_out,) float32.
    scale : Tensor
        (n_out,) float32: the value of 1 in each unit's integer sum.
    input_scale : Tensor
        () float32: the value of one step of the uint8 input.
    input_zero : Tensor
        () uint8 that represents 0.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    input_scale: Tensor
    input_zero: Tensor

    def as_floats(self) -> Layer:
        """Return the layer with the values that its integers stand for."""
        return Layer((self.weight * (self.scale / self.input_scale)).T, self.bias)


@torch.inference_mode()
def quantized(
    layers: Sequence[Layer], activation: Callable[[], nn.Module], images: Tensor
) -> list[Int8Layer]:
    """Quantise layers to 8 bits.

    Parameters
    ----------
    layers : sequence of Layer
        The first layer first.
    activation : callable
        Makes the activation that follows each layer.
    images : Tensor
        (N, 784) float in [0, 1], to measure the activation ranges on.
    """
    found = []
    for layer in layers:
        found.append(quantized_layer(layer, images))
        images = activation()(images @ layer.weight.T + layer.bias)
    return found


def quantized_layer(layer: Layer, inputs: Tensor) -> Int8Layer:
    """Quantise a layer for the range of these inputs; 0 is exact."""
    low = inputs.min().clamp(max=0)
    high = inputs.max().clamp(min=1e-6)
    input_scale = (high - low) / MAX_ACTIVATION
    step = layer.weight.abs().amax(dim=1).clamp(min=1e-12) / MAX_WEIGHT  # (n_out,)
    integers = rounded(layer.weight.T / step, inputs).to(torch.int8)
    zero = (-low / input_scale).round().to(torch.uint8)
    return Int8Layer(integers, layer.bias, step * input_scale, input_scale, zero)


def rounded(weight: Tensor, inputs: Tensor) -> Tensor:
    """Round weights (n_in, n_out) to integers that keep the layer's sums over these
    inputs (N, n_in).

    The weights of one input are rounded at a time, and those of the remaining inputs
    compensate for the error as far as the inputs are correlated (Frantar et al. 2023,
    "GPTQ"). Rounding each weight on its own would lose those below half a step, of
    which a network converted from a convolutional one has many.
    """
    weight = weight.clone()
    covariance = (inputs.T @ inputs / len(inputs)).double()
    covariance.diagonal().add_(DAMPING * covariance.diagonal().mean() + 1e-12)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    influence = torch.linalg.cholesky(inverse, upper=True).float()
    for i, row in enumerate(weight):
        integers = row.round().clamp(-MAX_WEIGHT, MAX_WEIGHT)
        error = (row - integers) / influence[i, i]
        weight[i + 1 :] -= influence[i, i + 1 :, None] * error
        weight[i] = integers
    return weight
