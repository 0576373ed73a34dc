"""The dense network, and folding it into plain layers."""

import pytest
import torch

from tensors import trained
from training.digits.model import ACTIVATIONS, folded


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (32,), (32, 16)])
def test_folded_layers_compute_what_the_network_computes(hidden, activation):
    model = trained(hidden, activation)
    assert model.widths == [784, *hidden, 11]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.rand(50, 28, 28)
    x = images.flatten(1)
    layers = folded(model)
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        if i < len(layers) - 1:
            x = ACTIVATIONS[activation]()(x)
    torch.testing.assert_close(x, model(images), atol=1e-4, rtol=1e-4)
    assert model(images).equal(model(images.flatten(1)))
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
