"""Both committed models, and the error message for each kind of broken model file."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from app.inference.classifier import Classifier, ModelError
from app.inference.ctc import best_path, spans_of
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
    assert 0 <= legibility.min() <= legibility.max() <= 1
    assert (legibility > 0.5).mean() > 0.98


def test_a_batch_gives_the_same_results_as_single_pictures(classifier, digits):
    frames = digits[::50] / np.float32(255)
    alone = [classifier(frame[None]) for frame in frames]
    for together, single in zip(classifier(frames), zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(together, np.concatenate(single), atol=1e-5)


@pytest.fixture(scope="module")
def strip(digits) -> np.ndarray:
    return proposals(picture_from_bytes(encode(number(digits[[350, 120, 60]])), 640))[1][0].pixels


@pytest.mark.parametrize("width", [16, 17, 63, 400])
def test_there_is_a_column_for_every_second_pixel(line_network, width):
    noise = np.random.default_rng(0).integers(0, 256, (STRIP_HEIGHT, width), dtype=np.uint8)
    for pixels in (noise, np.full_like(noise, 90)):  # a blank one has no spread
        columns = line_network(pixels)
        assert (columns.shape, columns.dtype) == (((width + 1) // 2, CLASSES), np.float32)
        np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-5)


def test_an_answer_does_not_depend_on_other_strips_nor_on_brightness_and_contrast(line_network, strip):
    alone = line_network(strip)
    for width in (32, 500):
        line_network(np.full((STRIP_HEIGHT, width), 7, np.uint8))
        np.testing.assert_array_equal(line_network(strip), alone)
    np.testing.assert_allclose(line_network(120 + strip // 2), alone, atol=0.05)


@pytest.mark.parametrize("more", [2, 40, 200])
def test_blank_paper_to_the_right_does_not_change_what_is_read(line_network, strip, more):
    longer = np.pad(strip, ((0, 0), (0, more)), constant_values=255)
    shown, expected = (spans_of(best_path(line_network(pixels))) for pixels in (longer, strip))
    assert [symbol for symbol, _, _ in shown] == [symbol for symbol, _, _ in expected]
    np.testing.assert_allclose(shown, expected, atol=1)  # columns: the margin changes the strip's mean and spread


@pytest.mark.skipif(sys.platform != "linux", reason="needs the limits that Linux has")
def test_a_strip_for_which_memory_is_short_raises_memory_error(line_network):
    """ONNX Runtime raises exceptions of its own."""
    with limited(Limits(60_000_000, 100, 100, is_alone=True)), pytest.raises(MemoryError) as raised:
        line_network(np.zeros((STRIP_HEIGHT, 60_000), np.uint8))
    assert "onnxruntime" in type(raised.value.__cause__).__module__


def test_onnx_runtime_telemetry_is_off(tmp_path):
    """Telemetry would store a machine id and unsent events in the user's cache."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    code = (
        f"from pathlib import Path; from app.inference.classifier import Classifier; Classifier(Path({str(MODEL)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**environment, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def model_file(graph: str, **metadata: str) -> bytes:
    """Write a model in ONNX's textual syntax."""
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 20]> model {graph}')
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString()


def dense(kind: str = "float", pixels: int = 784, classes: int = 10, name: str = "pixels", **metadata: str) -> bytes:
    """Write a model whose probabilities are the first pixels."""
    return model_file(
        f"""({kind}[N, {pixels}] {name}) => ({kind}[N, {classes}] probabilities) {{
            begin = Constant <value_ints = [0]> ()
            end = Constant <value_ints = [{classes}]> ()
            axis = Constant <value_ints = [1]> ()
            probabilities = Slice({name}, begin, end, axis)
        }}""",
        **metadata,
    )


def lines(height: int = 32, classes: int = 18, name: str = "strips", **metadata: str) -> bytes:
    """Write a model whose probabilities are the upper pixels of every second column."""
    return model_file(
        f"""(float[N, {height}, W] {name}) => (float[N, T, {classes}] probabilities) {{
            begin = Constant <value_ints = [0, 0]> ()
            end = Constant <value_ints = [100000, {classes}]> ()
            axes = Constant <value_ints = [1, 2]> ()
            steps = Constant <value_ints = [2, 1]> ()
            columns = Transpose <perm = [0, 2, 1]> ({name})
            probabilities = Slice(columns, begin, end, axes, steps)
        }}""",
        **metadata,
    )


def test_a_model_without_legibility_counts_every_frame_as_legible(tmp_path):
    (tmp_path / "model.onnx").write_bytes(dense(version="v3", seed="7"))
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
    (tmp_path / "lines.onnx").write_bytes(lines(characters=CHARACTERS, **metadata))
    network = LineNetwork(tmp_path / "lines.onnx")
    assert network(np.zeros((32, 40), np.uint8)).shape == (20, 18)
    assert network.threshold == threshold


NO_MODEL = "truncated, or not an ONNX model"
DENSE = r"expected float32 pixels \(N, 784\), probabilities \(N, 10\) and legibility \(N,\)"
LINES = r"expected float32 strips \(N, 32, W\) and probabilities \(N, W / 2, 18\)"
CHARACTERS_DIFFER = "name no characters, or others than"
BROKEN = {
    "truncated": (Classifier, lambda: MODEL.read_bytes()[:10_000], NO_MODEL),
    "empty": (Classifier, lambda: b"", NO_MODEL),
    "a picture": (Classifier, lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), NO_MODEL),
    "a pickle": (Classifier, lambda: b"\x80\x04\x95\x10\x00\x00\x00.", NO_MODEL),
    "an empty graph": (Classifier, lambda: onnx.ModelProto().SerializeToString(), NO_MODEL),
    "other pixels": (Classifier, lambda: dense(pixels=1024), DENSE),
    "other classes": (Classifier, lambda: dense(classes=26), DENSE),
    "other names": (Classifier, lambda: dense(name="input"), DENSE),
    "other type": (Classifier, lambda: dense("double"), DENSE),
    "another height": (LineNetwork, lambda: lines(height=28), LINES),
    "no characters": (LineNetwork, lines, CHARACTERS_DIFFER),
    "other characters": (LineNetwork, lambda: lines(characters="abcdefghijklmnop"), CHARACTERS_DIFFER),
    "no threshold": (LineNetwork, lambda: lines(characters=CHARACTERS, threshold="high"), "threshold .* not a number"),
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
