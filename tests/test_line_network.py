"""The line network: what it needs in its file, and that a strip's answer depends on nothing but its pixels."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.inference.classifier import ModelError
from app.inference.ctc import best_path, spans_of
from app.inference.decoder import Limits, limited
from app.inference.lines import CHARACTERS, CLASSES, LineNetwork
from app.preprocess.strips import STRIP_HEIGHT, proposals
from support import LINES_MODEL, assert_refused, encode, number, picture_from_bytes


@pytest.fixture(scope="module")
def strip(digits) -> np.ndarray:
    return proposals(picture_from_bytes(encode(number(digits[[350, 120, 60]])), 640))[1][0].pixels


@pytest.mark.parametrize("width", [16, 17, 63, 400])
def test_there_is_a_column_for_every_second_pixel(line_network, width):
    pixels = np.random.default_rng(0).integers(0, 256, (STRIP_HEIGHT, width), dtype=np.uint8)
    columns = line_network(pixels)
    assert columns.shape == ((width + 1) // 2, CLASSES)
    assert columns.dtype == np.float32
    np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-5)


def test_an_answer_does_not_depend_on_other_strips(line_network, strip):
    alone = line_network(strip)
    for width in (32, 500):
        line_network(np.full((STRIP_HEIGHT, width), 7, np.uint8))
        np.testing.assert_array_equal(line_network(strip), alone)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the limits that Linux has")
def test_a_strip_for_which_memory_is_short_raises_memory_error(line_network):
    """ONNX Runtime raises exceptions of its own."""
    with limited(Limits(60_000_000, 100, 100, is_alone=True)), pytest.raises(MemoryError) as raised:
        line_network(np.zeros((STRIP_HEIGHT, 60_000), np.uint8))
    assert "onnxruntime" in type(raised.value.__cause__).__module__


def test_an_answer_does_not_depend_on_brightness_and_contrast(line_network, strip):
    alone = line_network(strip)
    paler = (120 + strip.astype(np.float32) / 2).astype(np.uint8)
    np.testing.assert_allclose(line_network(paler), alone, atol=0.05)


@pytest.mark.parametrize("more", [2, 40, 200])
def test_blank_paper_to_the_right_does_not_change_what_is_read(line_network, strip, more):
    longer = np.pad(strip, ((0, 0), (0, more)), constant_values=255)
    shown, expected = (spans_of(best_path(line_network(pixels))) for pixels in (longer, strip))
    assert [symbol for symbol, _, _ in shown] == [symbol for symbol, _, _ in expected]
    np.testing.assert_allclose(shown, expected, atol=1)  # columns: the margin changes the strip's mean and spread


def test_a_blank_strip_has_finite_probabilities(line_network):
    assert np.isfinite(line_network(np.full((STRIP_HEIGHT, 64), 90, np.uint8))).all()


def test_the_file_names_its_characters(line_network):
    assert line_network.characters == line_network.metadata["characters"] == CHARACTERS
    assert len(line_network.version) == 12
    assert line_network.about == {"version": line_network.version} | line_network.metadata


def model_file(
    height=STRIP_HEIGHT, classes=CLASSES, name="strips", characters: str | None = CHARACTERS, **metadata: str
) -> bytes:
    """Write a model that gives every class of every column the value 0."""
    graph = helper.make_graph(
        [
            helper.make_node("MaxPool", [name], ["row"], kernel_shape=[1], strides=[2]),
            helper.make_node("Transpose", ["row"], ["columns"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["columns", "zeros"], ["probabilities"]),
        ],
        "zeros",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", height, "W"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", "T", classes])],
        [helper.make_tensor("zeros", TensorProto.FLOAT, [height, classes], np.zeros(height * classes))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    if characters is not None:
        helper.set_model_props(model, {"characters": characters, **metadata})
    return model.SerializeToString()


EXPECTED = r"expected float32 strips \(N, 32, W\) and probabilities \(N, W / 2, 18\)"
BROKEN = {
    "truncated": (lambda: LINES_MODEL.read_bytes()[:10_000], "truncated, or not an ONNX model"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "truncated, or not an ONNX model"),
    "an empty graph": (lambda: onnx.ModelProto().SerializeToString(), "truncated, or not an ONNX model"),
    "another height": (lambda: model_file(height=28), EXPECTED),
    "other classes": (lambda: model_file(classes=11), EXPECTED),
    "other names": (lambda: model_file(name="input"), EXPECTED),
    "no characters": (lambda: model_file(characters=None), "name no characters, or others than"),
    "other characters": (lambda: model_file(characters="abcdefghijklmnop"), "name no characters, or others than"),
    "no threshold": (lambda: model_file(threshold="high"), "the threshold in its metadata is not a number"),
}


def test_a_file_with_the_expected_interface_is_served(tmp_path):
    (tmp_path / "lines.onnx").write_bytes(model_file())
    network = LineNetwork(tmp_path / "lines.onnx")
    assert network(np.zeros((32, 40), np.uint8)).shape == (20, 18)
    assert network.threshold == 0.5
    (tmp_path / "lines.onnx").write_bytes(model_file(threshold="0.4"))
    assert LineNetwork(tmp_path / "lines.onnx").threshold == 0.4


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_in_one_sentence(name, tmp_path, capfd):
    make, message = BROKEN[name]
    assert_refused(LineNetwork, tmp_path / "lines.onnx", make(), message, capfd)


def test_a_missing_file_is_reported_with_how_to_make_it(tmp_path):
    with pytest.raises(ModelError, match=r"none.onnx: no such file\. Check the path, or .*python -m training.lines"):
        LineNetwork(tmp_path / "none.onnx")
