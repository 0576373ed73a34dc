"""The convolutional network, and its conversion to a dense one."""

import pytest
import torch

from training.digits.convolution import ConvolutionalNet, converted


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits).float() / 255


@pytest.fixture
def net(images) -> ConvolutionalNet:
    """Make a small network whose batch normalisation is not the identity."""
    torch.manual_seed(0)
    net = ConvolutionalNet((3, 4, 5), (16,), dropout=0.2)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    for batch in images.split(100):
        net(batch)
    return net.eval()


def test_the_dense_network_gives_the_same_outputs(net, images):
    dense = converted(net, dropout=0.0)
    assert dense.widths == [784, 3 * 8 * 8, 4 * 8 * 8, 5 * 3 * 3, 16, 11]
    torch.testing.assert_close(dense.eval()(images), net(images), atol=1e-3, rtol=1e-3)
    dense.train()  # with frozen statistics, training starts from the same outputs
    before = {name: value.clone() for name, value in dense.named_buffers()}
    dense.keep_statistics()
    torch.testing.assert_close(dense(images), net(images), atol=1e-3, rtol=1e-3)
    assert all(value.equal(before[name]) for name, value in dense.named_buffers())
