"""DigitNet → the model file, and the file's interface."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.digit.classifier import Classifier
from tensors import trained as trained_network
from training.digits import export
from training.digits.model import ACTIVATIONS, Ensemble
from training.errors import TrainingError

METADATA = {"architecture": "784-32-16-11", "seed": "0"}


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits)


def trained(count: int = 1, **options) -> Ensemble:
    """Train networks that differ in their output layers."""
    networks = [trained_network(**options) for _ in range(count)]
    for number, network in enumerate(networks, 1):
        torch.nn.init.normal_(network.output.bias, std=0.1 * number)
    return Ensemble(networks)


def answers(path: Path, images: torch.Tensor) -> np.ndarray:
    """Compute probabilities and legibility, (N, 11)."""
    return np.column_stack(Classifier(path)(images.numpy() / np.float32(255)))


def expected(model: Ensemble, images: torch.Tensor) -> np.ndarray:
    logits = model(images.float() / 255).detach()
    digits, legibility = logits.split([10, 1], dim=1)
    return np.hstack([digits.softmax(dim=1), legibility.sigmoid()])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_files_reproduce_the_mean_of_the_networks(activation, images, tmp_path):
    path = tmp_path / "new" / "model.onnx"
    model = trained(count=2, activation=activation)
    outputs = expected(model, images)
    export.export(model, path, METADATA, images)
    np.testing.assert_allclose(answers(path, images), outputs, atol=1e-3)
    assert Classifier(path).metadata == {**METADATA, "weights": "int8"}
    assert [path.name for path in path.parent.iterdir()] == ["model.onnx"]
    onnx.save_model(export.to_onnx(model, METADATA), path)
    np.testing.assert_allclose(answers(path, images), outputs, atol=1e-5)


def test_the_file_has_the_documented_interface_and_nothing_beside_it(images, tmp_path):
    export.export(trained(), tmp_path / "model.onnx", METADATA, images)
    model = onnx.load(tmp_path / "model.onnx")
    shapes = {}
    for node in (*model.graph.input, *model.graph.output):
        _, *sides = node.type.tensor_type.shape.dim
        shapes[node.name] = [side.dim_value for side in sides]
    assert shapes == {
        "pixels": [784],
        "probabilities": [10],
        "legibility": [],
        "hidden_0_0": [32],
        "hidden_0_1": [16],
        "weight_0_0": [32],
    }
    (opset,) = model.opset_import
    assert opset.domain == ""
    assert opset.version == export.OPSET
    for weight in model.graph.initializer:
        assert weight.data_location == onnx.TensorProto.DEFAULT


@pytest.mark.parametrize("damage", ["other operator", "nan"])
def test_a_file_that_does_not_reproduce_the_network_is_not_written(
    damage, images, tmp_path, monkeypatch
):
    path = tmp_path / "model.onnx"
    model = trained()
    path.write_bytes(b"the model of yesterday")
    if damage == "nan":
        torch.nn.init.constant_(model.networks[0].output.bias, torch.nan)
    else:
        monkeypatch.setitem(export.OPERATORS, "relu", "Tanh")
    with pytest.raises(
        TrainingError, match=r"model.onnx was not written: .* more than 0.0001"
    ):
        export.export(model, path, METADATA, images)
    assert path.read_bytes() == b"the model of yesterday"
    assert len(list(tmp_path.iterdir())) == 1


def test_if_int8_would_change_the_answers_or_nothing_the_file_is_float32(
    images, tmp_path
):
    path = tmp_path / "model.onnx"
    export.export(trained(hidden=()), path, METADATA, images)
    assert Classifier(path).metadata["weights"] == "float32"
    export.export(trained(), path, METADATA, images, max_rounding=1e-9)
    assert Classifier(path).metadata["weights"] == "float32"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
