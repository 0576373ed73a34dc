"""Float layers → 8-bit ones, a quarter of the size and several times as fast.

Weights are symmetric about 0 with a scale for each unit, activations have one scale for each layer, measured
on images (Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference"). The scales are fixed: an answer does not depend on the rest of its batch.
Ignores: training; the weights are rounded afterwards.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

# Not 127: processors without 8-bit dot products add pairs of products in 16 bits, 2 · 255 · 63 < 2¹⁵.
MAX_WEIGHT = 63
MAX_ACTIVATION = 255
DAMPING = 0.01  # of the inputs' mean square, added to each, so that inputs that are always 0 do no harm
BLOCK = 128  # inputs rounded before the others hear of it: the same result, with fewer passes over the weights


class Int8Layer(NamedTuple):
    """A layer that multiplies integers.

    Attributes
    ----------
    weight : Tensor
        (n_in, n_out) int8 in [-63, 63].
    bias : Tensor
        (n_out,) float32.
    scale : Tensor
        (n_out,) float32: what an integer product stands for, for each unit.
    input_scale : float
        What one step of the input's uint8 stands for.
    input_zero : int
        The uint8 that stands for 0.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    input_scale: float
    input_zero: int


def quantized(
    layers: list[tuple[Tensor, Tensor]], activation: Callable[[], nn.Module], images: Tensor
) -> list[Int8Layer]:
    """Round layers to 8 bits.

    Parameters
    ----------
    layers : list of (Tensor, Tensor)
        Weights (n_out, n_in) and biases (n_out,), the first layer first.
    activation : callable
        Makes what follows each layer.
    images : Tensor
        (N, 784) float in [0, 1], whose activations say which ranges to cover.
    """
    return [
        quantized_layer(weight, bias, inputs)
        for (weight, bias), inputs in zip(layers, inputs_of(layers, activation(), images), strict=True)
    ]


@torch.inference_mode()
def inputs_of(layers: list[tuple[Tensor, Tensor]], activation: nn.Module, images: Tensor) -> Iterator[Tensor]:
    """What each layer is given, (N, n_in)."""
    for weight, bias in layers:
        yield images
        images = activation(images @ weight.T + bias)


@torch.inference_mode()
def quantized_layer(weight: Tensor, bias: Tensor, inputs: Tensor) -> Int8Layer:
    """A layer in 8 bits that covers the range of these inputs; 0 is exact."""
    low, high = inputs.min().clamp(max=0), inputs.max().clamp(min=1e-6)
    input_scale = (high - low) / MAX_ACTIVATION
    step = weight.abs().amax(dim=1).clamp(min=1e-12) / MAX_WEIGHT  # (n_out,)
    integers = rounded(weight.T / step, inputs).to(torch.int8)
    return Int8Layer(integers, bias, step * input_scale, input_scale.item(), round((-low / input_scale).item()))


def rounded(weight: Tensor, inputs: Tensor) -> Tensor:
    """Weights (n_in, n_out) as integers whose sums over these inputs (N, n_in) are close to the weights' own.

    One input after the other is rounded, and the ones that are left make up for its error as far as they vary
    together with it (Frantar et al. 2023, "GPTQ"). Rounded on their own, weights too small for half a step,
    of which a network that was written out has many, would all be lost.
    """
    weight = weight.clone()
    covariance = (inputs.T @ inputs / len(inputs)).double()
    covariance.diagonal().add_(DAMPING * covariance.diagonal().mean() + 1e-12)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    influence = torch.linalg.cholesky(inverse, upper=True).float()
    for start in range(0, len(weight), BLOCK):
        end = min(start + BLOCK, len(weight))
        errors = torch.empty_like(weight[start:end])
        for i in range(start, end):
            whole = weight[i].round().clamp(-MAX_WEIGHT, MAX_WEIGHT)
            errors[i - start] = (weight[i] - whole) / influence[i, i]
            weight[i:end] -= influence[i, i:end, None] * errors[i - start]
            weight[i] = whole
        weight[end:] -= influence[start:end, end:].T @ errors
    return weight
