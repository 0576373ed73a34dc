"""Both committed models, and the error message for each kind of broken model file."""

import hashlib
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import onnx
import pytest

from app.digit.classifier import Classifier
from app.network import ModelError
from app.serving.decoder import Limits, limited
from app.text.field import Field
from app.text.formats import FORMATS
from app.text.line_network import LineNetwork, batches
from app.text.line_spec import LineSpec
from app.text.reading import TextOptions, read_text
from paths import LINES_MODEL, MODEL
from pictures import encode, number


def test_real_digits_are_classified_correctly(classifier, digits, labels):
    probabilities, legibility = classifier(digits / np.float32(255))
    assert (probabilities.shape, legibility.shape) == ((500, 10), (500,))
    assert probabilities.dtype == legibility.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) != labels).mean() < 0.01
    assert (legibility > 0.5).mean() > 0.98


@pytest.mark.parametrize("width", [24, 159, 160, 161, 400])
def test_there_is_a_column_for_each_stride_of_the_padded_strip(line_network, width):
    spec = line_network.spec
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (spec.height, width), dtype=np.uint8)
    blank = np.full_like(noise, 90)  # it has no contrast
    padded = -(-width // spec.padding) * spec.padding
    for columns in line_network([noise, blank]):
        assert columns.shape == (padded // spec.stride, spec.classes)
        assert columns.dtype == np.float32
        np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-5)


def strip_of(digits: np.ndarray, height: int) -> np.ndarray:
    """Write digits beside each other, in a strip of this height."""
    sheet = number(digits)
    width = round(sheet.width * height / sheet.height)
    return np.asarray(sheet.resize((width, height)))


def test_an_answer_does_not_depend_on_brightness_and_contrast(line_network, digits):
    strip = strip_of(digits[[350, 120, 60]], line_network.spec.height)
    dark, faint = line_network([strip, 120 + strip // 2])
    np.testing.assert_allclose(faint, dark, atol=0.05)


def test_strips_are_read_together_as_each_is_alone(line_network, digits):
    strips = []
    for place in range(24):
        some = digits[20 * place :][: 2 + place % 7]
        strips.append(strip_of(some, line_network.spec.height))
    for strip, columns in zip(strips, line_network(strips), strict=True):
        (alone,) = line_network([strip])
        np.testing.assert_allclose(columns, alone, atol=1e-4)


def test_a_batch_has_strips_of_one_width_and_only_so_many():
    widths = [160, 320, 160, 800, 160, 160, 160]
    assert [*batches(widths)] == [[0, 2, 4, 5], [6], [1], [3]]


@pytest.mark.skipif(sys.platform != "linux", reason="needs the limits that Linux has")
def test_a_strip_for_which_memory_is_short_raises_memory_error(line_network):
    """ONNX Runtime raises exceptions of its own."""
    limits = Limits(memory_bytes=60_000_000, processor_seconds=100)
    wide = np.zeros((line_network.spec.height, 60_000), np.uint8)
    with limited(limits, limits.memory_bytes), pytest.raises(MemoryError) as raised:
        line_network([wide])
    assert "onnxruntime" in type(raised.value.__cause__).__module__


def test_onnx_runtime_telemetry_is_off(tmp_path):
    """Telemetry would store a machine id and unsent events in the user's cache."""
    environment = os.environ | {"HOME": str(tmp_path)}
    environment.pop("XDG_CACHE_HOME", None)
    code = (
        "import pathlib, sys; from app.digit.classifier import Classifier; "
        "Classifier(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, MODEL]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


# Models in ONNX's textual syntax. The probabilities of the first one are the first
# pixels.
DENSE = """(float[N, 784] pixels) => (float[N, 10] probabilities)
    <int64[1] begin = {0}, int64[1] end = {10}, int64[1] axis = {1}>
    { probabilities = Slice(pixels, begin, end, axis) }"""
# As in files of an earlier kind: the probabilities are the upper pixels of every second
# column.
EARLIER = """(float[N, 32, W] strips) => (float[N, T, 18] probabilities)
    <int64[2] begin = {0, 0}, int64[2] end = {100000, 18},
     int64[2] axes = {1, 2}, int64[2] steps = {2, 1}>
    { columns = Transpose <perm = [0, 2, 1]> (strips)
      probabilities = Slice(columns, begin, end, axes, steps) }"""
ANY_CLASSES = """(float[N, 16, W] strips) => (float[N, T, C] probabilities)
    { probabilities = Identity(strips) }"""
# Another height, stride and alphabet: a 7 where the upper rows are dark, a + if only
# the middle ones are, or else a .
SPEC = LineSpec(
    height=16,
    stride=4,
    padding=32,
    delay=0.0,
    least_contrast=20.0,
    characters="9876543210.+ ",
    marks=".",
    space=" ",
    threshold=0.3,
    other_weight=1.0,
    confidence_scale=1.0,
    confidence_offset=0.0,
)
# Rows, and their weight.
SEEN = {"7": (slice(3, 6), 200), "+": (slice(6, 10), 100), ".": (slice(11, 14), 50)}
ABOUT = {name: str(value) for name, value in asdict(SPEC).items() if name != "height"}


def tiny() -> str:
    """Write a line network of SPEC, which sees what is SEEN."""
    classes = SPEC.classes
    height = SPEC.height
    stride = SPEC.stride
    weights = np.zeros((classes, height, stride))
    for character, (rows, weight) in SEEN.items():
        pixels = (rows.stop - rows.start) * stride
        weights[SPEC.class_of(character), rows] = -weight / pixels  # dark is below 0
    bias = np.zeros(classes)
    bias[0] = 10  # the blank
    values = ", ".join(map(str, weights.ravel()))
    return f"""(float[N, {height}, W] strips) => (float[N, T, {classes}] probabilities)
    <float[{classes}, {height}, {stride}] weights = {{{values}}},
     float[{classes}] bias = {{{", ".join(map(str, bias))}}}>
    {{ scores = Conv <strides = [{stride}]> (strips, weights, bias)
       columns = Transpose <perm = [0, 2, 1]> (scores)
       probabilities = Softmax <axis = 2> (columns) }}"""


def model(graph: str, **metadata: str) -> bytes:
    parsed = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["": 20]> model {graph}'
    )
    onnx.helper.set_model_props(parsed, metadata)
    return parsed.SerializeToString()


def test_a_model_without_legibility_counts_every_frame_as_legible(tmp_path):
    (tmp_path / "model.onnx").write_bytes(model(DENSE, version="v3", seed="7"))
    network = Classifier(tmp_path / "model.onnx")
    probabilities, legibility = network(np.zeros((3, 28, 28), np.float32))
    assert probabilities.shape == (3, 10)
    assert legibility.tolist() == [1, 1, 1]
    # No metadata replace the version.
    assert list(network.about.items()) == [("version", network.version), ("seed", "7")]


def test_the_version_is_the_hash_of_the_file(classifier, line_network):
    for network, file in ((classifier, MODEL), (line_network, LINES_MODEL)):
        assert network.version == hashlib.sha256(file.read_bytes()).hexdigest()[:12]


@pytest.fixture
def tiny_network(tmp_path) -> LineNetwork:
    (tmp_path / "tiny.onnx").write_bytes(model(tiny(), **ABOUT))
    return LineNetwork(tmp_path / "tiny.onnx")


# 7.7+; top, bottom, left, right.
BARS = [(6, 42, 40, 52), (34, 42, 76, 88), (6, 42, 112, 124), (20, 28, 148, 160)]


@pytest.fixture
def bars() -> bytes:
    sheet = np.full((48, 240), 255, np.uint8)
    for top, bottom, left, right in BARS:
        sheet[top:bottom, left:right] = 20
    return encode(sheet)


@pytest.mark.parametrize("format", FORMATS)
def test_a_network_is_served_that_lacks_signs_of_a_format(tiny_network, bars, format):
    options = TextOptions(Field(format=format))
    (line,) = read_text(bars, tiny_network, options=options).lines
    assert line.value == ("7.7" if format == "decimal" else None)


@pytest.mark.parametrize(
    ("characters", "text"),
    [(None, "7.7"), ("0123456789.+", "7.7+"), ("7", "7 7"), ("98+", "+"), ("0123", "")],
)
def test_a_network_of_another_height_stride_and_alphabet_is_served(
    tiny_network, bars, characters, text
):
    options = TextOptions(Field(characters=characters))
    found = read_text(bars, tiny_network, options=options)
    assert found.text == text
    assert len(found.lines) == bool(text)
    for line in found.lines:
        boxes = [sign.box for sign in (*line.digits, *line.marks)]
        bars = [bar for bar, sign in zip(BARS, "7.7+", strict=True) if sign in text]
        boxes.sort(key=lambda box: box.left)
        for box, bar in zip(boxes, bars, strict=True):
            assert tuple(box) == pytest.approx(bar, abs=5)


@pytest.mark.parametrize("width", [1, 31, 32, 33])
def test_a_network_gets_strips_of_its_own_form(tiny_network, width):
    assert tiny_network.spec == SPEC
    (columns,) = tiny_network([np.zeros((16, width), np.uint8)])
    assert columns.shape == (-(-width // 32) * 32 / 4, 15)


def test_faint_ink_counts_by_the_least_contrast(tiny_network):
    faint = np.full((16, 40), 200, np.uint8)
    faint[3:6, 16:20] = 199  # a twentieth of the least contrast
    (columns,) = tiny_network([faint])
    logs = np.log(columns[4])
    assert logs[SPEC.class_of("7")] - logs[0] == pytest.approx(200 / 20 - 10, abs=1e-3)


NO_MODEL = "truncated, or not an ONNX model"
DIGITS_EXPECTED = (
    r"expected float32 pixels \(N, 784\), probabilities \(N, 10\) and legibility \(N,\)"
)
LINES_EXPECTED = r"expected float32 strips \(N, H, W\) and probabilities \(N, T, C\)"
UNKNOWN = (
    r"metadata do not describe a network for numbers \({}\), as in files of an "
    r"earlier kind: use the file that is shipped, or make one with python -m "
    r"training.lines\."
)
NAMED_DIGITS = {"characters": "0123456789.,-/: ", "threshold": "0.5"}
NO_STRIDE = UNKNOWN.format("'stride'")
BROKEN = {
    "truncated": (Classifier, MODEL.read_bytes()[:10_000], NO_MODEL),
    "empty": (Classifier, b"", NO_MODEL),
    "a picture": (LineNetwork, b"\x89PNG\r\n\x1a\n" + bytes(100), NO_MODEL),
    "a pickle": (Classifier, b"\x80\x04\x95\x10\x00\x00\x00.", NO_MODEL),
    "an empty graph": (Classifier, onnx.ModelProto().SerializeToString(), NO_MODEL),
    "other pixels": (Classifier, model(DENSE.replace("784", "9")), DIGITS_EXPECTED),
    "other classes": (Classifier, model(DENSE.replace("10", "26")), DIGITS_EXPECTED),
    "other names": (Classifier, model(DENSE.replace("pixels", "x")), DIGITS_EXPECTED),
    "other type": (
        Classifier,
        model(DENSE.replace("float", "double")),
        DIGITS_EXPECTED,
    ),
    "any height": (
        LineNetwork,
        model(EARLIER.replace("32", "H"), **ABOUT),
        LINES_EXPECTED,
    ),
    "one width": (
        LineNetwork,
        model(EARLIER.replace("W", "320"), **ABOUT),
        LINES_EXPECTED,
    ),
    "any classes": (LineNetwork, model(ANY_CLASSES, **ABOUT), LINES_EXPECTED),
    "for digits": (LineNetwork, model(DENSE), LINES_EXPECTED),
    "an earlier kind": (LineNetwork, model(EARLIER, **NAMED_DIGITS), NO_STRIDE),
    "no metadata": (LineNetwork, model(tiny()), NO_STRIDE),
    "no number": (
        LineNetwork,
        model(tiny(), **ABOUT | {"stride": "two"}),
        UNKNOWN.format(".*'two'"),
    ),
    "more classes": (
        LineNetwork,
        model(EARLIER, **ABOUT),
        "has 18 classes, but its metadata name 15",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_in_one_sentence_and_the_runtime_prints_nothing(
    name, tmp_path, capfd
):
    load, data, message = BROKEN[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"{path}: .*{message}") as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("load", "module"),
    [(Classifier, "training.train"), (LineNetwork, "training.lines")],
)
def test_a_missing_file_is_reported_with_how_to_make_it(load, module, tmp_path):
    with pytest.raises(
        ModelError,
        match=rf"none.onnx: no such file\. Check the path, or .*python -m {module}",
    ):
        load(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path)
