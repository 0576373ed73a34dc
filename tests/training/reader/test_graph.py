"""An ONNX graph as a torch module: answers, gradients, and weights written back."""

import numpy as np
import onnx
import pytest
import torch

from app.text.line_network import normalised
from paths import LINES_MODEL
from pictures import encode, number, picture_from_bytes
from tensors import answers, generator, pretrained
from training.pretrained import widened
from training.reader.graph import Graph
from training.reader.recogniser import (
    FIRST,
    HEAD,
    LEAST_CONTRAST,
    LOGITS,
    PADDING,
    STRIP_HEIGHT,
    cut,
)
from training.writing.alphabet import OTHER


@pytest.fixture(scope="module")
def shipped() -> onnx.ModelProto:
    return widened(onnx.load(LINES_MODEL))


@pytest.fixture
def tiny() -> onnx.ModelProto:
    return cut(pretrained(), range(60, 80))


@pytest.fixture(scope="module")
def strips(digits) -> np.ndarray:
    """A strip of noise, and one with a number: (2, 48, 160) float32."""
    picture = picture_from_bytes(encode(number(digits[[350, 120, 60]])), 200)
    grey = picture.image.convert("L").resize((PADDING, STRIP_HEIGHT))
    written = normalised(np.asarray(grey), LEAST_CONTRAST)
    noise = np.random.default_rng(0).normal(0, 0.5, written.shape)
    return np.stack([noise.astype(np.float32), written])


@pytest.mark.slow
def test_the_module_gives_the_answers_of_onnx_runtime(shipped, strips):
    with torch.inference_mode():
        logits = Graph(shipped, LOGITS)(torch.from_numpy(strips))
    np.testing.assert_allclose(logits, answers(shipped, strips, LOGITS), atol=1e-3)
    shares = logits.softmax(dim=2).numpy()
    expected = answers(shipped, strips)
    np.testing.assert_allclose(shares[:, :, :OTHER], expected[:, :, :OTHER], atol=1e-4)
    assert (shares.argmax(axis=2)[1] > 0).any()


def test_changed_weights_are_written_back(tiny, strips):
    network = Graph(tiny, LOGITS)
    assert {FIRST, HEAD} < {*network.names}
    before = answers(tiny, strips, LOGITS)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.rand(weight.shape, generator=generator())
        expected = network(torch.from_numpy(strips)).numpy()
    # The module has copies.
    np.testing.assert_array_equal(answers(tiny, strips, LOGITS), before)
    network.write_to(tiny)
    np.testing.assert_allclose(answers(tiny, strips, LOGITS), expected, atol=1e-4)
    assert abs(expected - before).max() > 0.1
    assert Graph(tiny, LOGITS)[HEAD].equal(network[HEAD])
