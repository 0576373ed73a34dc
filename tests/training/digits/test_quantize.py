"""Quantising float layers to 8 bits, on numbers small enough to check by hand."""

import torch

from training.digits.model import Layer
from training.digits.quantize import MAX_WEIGHT, quantized_layer, rounded

WEIGHT = torch.tensor([[1 / 3, -1.0], [0.0, 0.25]])
BIAS = torch.tensor([1.0, 2.0])


def sums(layer, inputs: torch.Tensor) -> torch.Tensor:
    """Compute the sums of the exported graph."""
    zero = int(layer.input_zero)
    integers = (inputs / layer.input_scale).round().clamp(-zero, 255 - zero)
    return integers @ layer.weight.float() * layer.scale + layer.bias


def test_negative_inputs_are_in_range_and_0_is_exact():
    inputs = torch.tensor([[-1.0, 1.0], [0.0, 0.5]])
    layer = quantized_layer(Layer(WEIGHT, BIAS), inputs)
    assert layer.input_zero in (127, 128)
    torch.testing.assert_close(sums(layer, torch.zeros(1, 2)), BIAS[None])
    torch.testing.assert_close(
        sums(layer, inputs), inputs @ WEIGHT.T + BIAS, atol=0.02, rtol=0
    )
    dead = quantized_layer(Layer(torch.zeros(2, 2), BIAS), torch.zeros(3, 2))
    torch.testing.assert_close(sums(dead, torch.zeros(1, 2)), BIAS[None])


def test_weights_below_half_a_step_are_not_lost(digits):
    """On its own, each weight would be rounded to 0; together they matter."""
    inputs = torch.from_numpy(digits).flatten(1).float() / 255
    torch.manual_seed(0)
    weight = torch.rand(784, 3) * 0.4
    weight[400] = MAX_WEIGHT
    integers = rounded(weight, inputs)
    alone = (inputs @ (weight.round() - weight)).abs().mean()
    together = (inputs @ (integers - weight)).abs().mean()
    assert together < 0.1 * alone
    assert integers.equal(integers.round())
