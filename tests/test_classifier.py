"""The committed model, and the error message for each kind of broken model file."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.inference.classifier import Classifier, ModelError
from support import MODEL, assert_refused


def test_real_digits_are_classified_correctly(classifier, digits, labels):
    probabilities, legibility = classifier(digits / np.float32(255))
    assert (probabilities.shape, legibility.shape) == ((500, 10), (500,))
    assert probabilities.dtype == legibility.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) != labels).mean() < 0.01
    assert 0 <= legibility.min() <= legibility.max() <= 1
    assert (legibility > 0.5).mean() > 0.98


def test_a_batch_gives_the_same_results_as_single_pictures(classifier, digits):
    frames = digits[::50] / np.float32(255)
    alone = [classifier(frame[None]) for frame in frames]
    probabilities, legibility = classifier(frames)
    np.testing.assert_allclose(probabilities, np.concatenate([one.probabilities for one in alone]), atol=1e-5)
    np.testing.assert_allclose(legibility, np.concatenate([one.legibility for one in alone]), atol=1e-5)


def test_onnx_runtime_telemetry_is_off(tmp_path):
    """Telemetry would store a machine id and unsent events in the user's cache."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    code = (
        f"from pathlib import Path; from app.inference.classifier import Classifier; Classifier(Path({str(MODEL)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**environment, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_hash_of_the_file(classifier):
    assert classifier.version == hashlib.sha256(MODEL.read_bytes()).hexdigest()[:12]


def test_metadata_cannot_replace_the_version(classifier, tmp_path):
    network = onnx.load(MODEL)
    helper.set_model_props(network, {"version": "v3", "seed": "7"})
    onnx.save(network, tmp_path / "renamed.onnx")
    renamed = Classifier(tmp_path / "renamed.onnx")
    assert list(renamed.about.items()) == [("version", renamed.version), ("seed", "7")]
    assert renamed.version != classifier.version


def test_the_metadata_describes_the_training(classifier):
    assert set(classifier.metadata) == {
        "architecture",
        "activation",
        "layers",
        "training_data",
        "second_opinion",
        "recipe",
        "seed",
        "course",
        "epochs",
        "validation_loss",
        "test_error_percent",
        "calibration",
        "seeds",
        "created",
        "weights",
    }
    assert float(classifier.metadata["validation_loss"]) <= 0.13


def model_file(pixels=784, classes=10, name="pixels", type=TensorProto.FLOAT) -> bytes:
    """Write a model that multiplies by zero, with the given interface."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [name], ["x"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "zeros"], ["probabilities"]),
        ],
        "zeros",
        [helper.make_tensor_value_info(name, type, ["N", pixels])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])],
        [helper.make_tensor("zeros", TensorProto.FLOAT, [pixels, classes], np.zeros(pixels * classes))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()


EXPECTED = r"expected float32 pixels \(N, 784\), probabilities \(N, 10\) and legibility \(N,\)"
BROKEN = {
    "truncated": (lambda: MODEL.read_bytes()[:10_000], "truncated, or not an ONNX model"),
    "empty": (lambda: b"", "truncated, or not an ONNX model"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "truncated, or not an ONNX model"),
    "a pickle": (lambda: b"\x80\x04\x95\x10\x00\x00\x00.", "truncated, or not an ONNX model"),
    "an empty graph": (lambda: onnx.ModelProto().SerializeToString(), "truncated, or not an ONNX model"),
    "other pixels": (lambda: model_file(pixels=1024), EXPECTED),
    "other classes": (lambda: model_file(classes=26), EXPECTED),
    "other names": (lambda: model_file(name="input"), EXPECTED),
    "other type": (lambda: model_file(type=TensorProto.DOUBLE), EXPECTED),
}


def test_a_model_without_legibility_counts_every_frame_as_legible(tmp_path):
    (tmp_path / "model.onnx").write_bytes(model_file())
    probabilities, legibility = Classifier(tmp_path / "model.onnx")(np.zeros((3, 28, 28), np.float32))
    assert probabilities.shape == (3, 10)
    assert legibility.tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_in_one_sentence(name, tmp_path, capfd):
    make, message = BROKEN[name]
    assert_refused(Classifier, tmp_path / "model.onnx", make(), message, capfd)


def test_a_missing_file_is_reported_with_how_to_make_it(tmp_path):
    with pytest.raises(ModelError, match=r"none.onnx: no such file\. Check the path, or .*python -m training.train"):
        Classifier(tmp_path / "none.onnx")


def test_a_folder_is_not_a_model(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        Classifier(tmp_path)
