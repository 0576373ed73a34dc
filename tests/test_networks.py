"""Both committed models, and the error message for each kind of broken model file."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from app.inference.classifier import Classifier, ModelError
from app.inference.decoder import Limits, limited
from app.inference.lines import CHARACTERS, CLASSES, LineNetwork
from app.preprocess.strips import STRIP_HEIGHT, proposals
from support import LINES_MODEL, MODEL, encode, number, picture_from_bytes


def test_real_digits_are_classified_correctly(classifier, digits, labels):
    probabilities, legibility = classifier(digits / np.float32(255))
    assert (probabilities.shape, legibility.shape) == ((500, 10), (500,))
    assert probabilities.dtype == legibility.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) != labels).mean() < 0.01
    assert (legibility > 0.5).mean() > 0.98


@pytest.mark.parametrize("width", [16, 17, 63, 400])
def test_there_is_a_column_for_every_second_pixel(line_network, width):
    noise = np.random.default_rng(0).integers(0, 256, (STRIP_HEIGHT, width), dtype=np.uint8)
    for pixels in (noise, np.full_like(noise, 90)):  # a blank one has no spread
        columns = line_network(pixels)
        assert (columns.shape, columns.dtype) == (((width + 1) // 2, CLASSES), np.float32)
        np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-5)


def test_an_answer_does_not_depend_on_other_strips_nor_on_brightness_and_contrast(line_network, digits):
    strip = proposals(picture_from_bytes(encode(number(digits[[350, 120, 60]])), 640))[1][0].pixels
    alone = line_network(strip)
    for width in (32, 500):
        line_network(np.full((STRIP_HEIGHT, width), 7, np.uint8))
        np.testing.assert_array_equal(line_network(strip), alone)
    np.testing.assert_allclose(line_network(120 + strip // 2), alone, atol=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the limits that Linux has")
def test_a_strip_for_which_memory_is_short_raises_memory_error(line_network):
    """ONNX Runtime raises exceptions of its own."""
    with limited(Limits(60_000_000, 100, 100, is_alone=True)), pytest.raises(MemoryError) as raised:
        line_network(np.zeros((STRIP_HEIGHT, 60_000), np.uint8))
    assert "onnxruntime" in type(raised.value.__cause__).__module__


def test_onnx_runtime_telemetry_is_off(tmp_path):
    """Telemetry would store a machine id and unsent events in the user's cache."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    code = "import pathlib, sys; from app.inference.classifier import Classifier; Classifier(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, MODEL], check=True, env={**environment, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


# Models in ONNX's textual syntax: their probabilities are the first pixels, and the upper ones of every second column.
DENSE = """(float[N, 784] pixels) => (float[N, 10] probabilities)
    <int64[1] begin = {0}, int64[1] end = {10}, int64[1] axis = {1}>
    { probabilities = Slice(pixels, begin, end, axis) }"""
LINES = """(float[N, 32, W] strips) => (float[N, T, 18] probabilities)
    <int64[2] begin = {0, 0}, int64[2] end = {100000, 18}, int64[2] axes = {1, 2}, int64[2] steps = {2, 1}>
    { columns = Transpose <perm = [0, 2, 1]> (strips)
      probabilities = Slice(columns, begin, end, axes, steps) }"""


def model(graph: str, **metadata: str) -> bytes:
    parsed = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 20]> model {graph}')
    onnx.helper.set_model_props(parsed, metadata)
    return parsed.SerializeToString()


def test_a_model_without_legibility_counts_every_frame_as_legible(tmp_path):
    (tmp_path / "model.onnx").write_bytes(model(DENSE, version="v3", seed="7"))
    network = Classifier(tmp_path / "model.onnx")
    probabilities, legibility = network(np.zeros((3, 28, 28), np.float32))
    assert probabilities.shape == (3, 10)
    assert legibility.tolist() == [1, 1, 1]
    assert list(network.about.items()) == [("version", network.version), ("seed", "7")]  # no metadata replace it


def test_the_version_is_the_hash_of_the_file(classifier, line_network):
    for network, file in ((classifier, MODEL), (line_network, LINES_MODEL)):
        assert network.version == hashlib.sha256(file.read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize(("metadata", "threshold"), [({}, 0.5), ({"threshold": "0.4"}, 0.4)])
def test_a_line_network_with_the_expected_interface_is_served(tmp_path, metadata, threshold):
    (tmp_path / "lines.onnx").write_bytes(model(LINES, characters=CHARACTERS, **metadata))
    network = LineNetwork(tmp_path / "lines.onnx")
    assert network(np.zeros((32, 40), np.uint8)).shape == (20, 18)
    assert network.threshold == threshold


NO_MODEL, NAMES = "truncated, or not an ONNX model", "name no characters, or others than"
DIGITS_EXPECTED = r"expected float32 pixels \(N, 784\), probabilities \(N, 10\) and legibility \(N,\)"
LINES_EXPECTED = r"expected float32 strips \(N, 32, W\) and probabilities \(N, W / 2, 18\)"
BROKEN = {
    "truncated": (Classifier, lambda: MODEL.read_bytes()[:10_000], NO_MODEL),
    "empty": (Classifier, lambda: b"", NO_MODEL),
    "a picture": (LineNetwork, lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), NO_MODEL),
    "a pickle": (Classifier, lambda: b"\x80\x04\x95\x10\x00\x00\x00.", NO_MODEL),
    "an empty graph": (Classifier, lambda: onnx.ModelProto().SerializeToString(), NO_MODEL),
    "other pixels": (Classifier, lambda: model(DENSE.replace("784", "1024")), DIGITS_EXPECTED),
    "other classes": (Classifier, lambda: model(DENSE.replace("10", "26")), DIGITS_EXPECTED),
    "other names": (Classifier, lambda: model(DENSE.replace("pixels", "input")), DIGITS_EXPECTED),
    "other type": (Classifier, lambda: model(DENSE.replace("float", "double")), DIGITS_EXPECTED),
    "another height": (LineNetwork, lambda: model(LINES.replace("32", "28")), LINES_EXPECTED),
    "no characters": (LineNetwork, lambda: model(LINES), NAMES),
    "other characters": (LineNetwork, lambda: model(LINES, characters="abcdefghijklmnop"), NAMES),
    "no threshold": (LineNetwork, lambda: model(LINES, characters=CHARACTERS, threshold="high"), "is not a number"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_in_one_sentence_and_the_runtime_prints_nothing(name, tmp_path, capfd):
    load, make, message = BROKEN[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(make())
    with pytest.raises(ModelError, match=f"{path}: .*{message}") as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("load", "module"), [(Classifier, "training.train"), (LineNetwork, "training.lines")])
def test_a_missing_file_is_reported_with_how_to_make_it(load, module, tmp_path):
    with pytest.raises(ModelError, match=rf"none.onnx: no such file\. Check the path, or .*python -m {module}"):
        load(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path)
