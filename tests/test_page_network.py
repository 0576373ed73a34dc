"""The network for pages: a map for a picture of any size, and the error message for
each kind of broken file.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from app.network import ModelError
from app.text.pages import PageNetwork
from support import LINES_MODEL, MODEL, PAGES_MODEL, page_network

# In ONNX's textual syntax: writing is where it is bright.
GRAPH = """(float[N, H, W] pictures) => (float[N, H, W] writing)
    <float most = {255}> { writing = Div(pictures, most) }"""
ABOUT = {
    "stride": "8",
    "pixels": "4096",
    "threshold": "0.3",
    "least_probability": "0.5",
    "growth": "1.6",
}


def written(folder: Path, graph: str = GRAPH, **metadata: str) -> Path:
    """Write a model file."""
    parsed = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["": 20]> model {graph}'
    )
    onnx.helper.set_model_props(parsed, metadata)
    path = folder / "pages.onnx"
    onnx.save_model(parsed, path)
    return path


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 1), (31, 33), (3000, 2000)])
def test_a_picture_of_any_size_gives_a_map(size):
    network = page_network()
    levels = np.random.default_rng(0).integers(
        0, 256, (size[1], size[0]), dtype=np.uint8
    )
    found = network.writing(Image.fromarray(levels))
    assert found.dtype == np.float32
    assert all(side % network.stride == 0 for side in found.shape)
    assert found.size <= max(1.1 * network.pixels, network.stride * max(size))
    assert 0 <= found.min() <= found.max() <= 1
    for line in network.lines(found, size):
        assert line.width > 0 < line.height


def test_a_file_says_to_what_size_a_picture_is_scaled(tmp_path):
    network = PageNetwork(written(tmp_path, **ABOUT))
    assert network.writing(Image.new("L", (100, 400), 255)).shape == (128, 32)
    assert network.writing(Image.new("L", (20, 12), 255)).shape == (16, 16)
    assert (network.writing(Image.new("L", (100, 100), 51)) == np.float32(0.2)).all()


def test_a_line_is_found_where_the_network_sees_one(tmp_path):
    network = PageNetwork(written(tmp_path, **ABOUT))
    levels = np.zeros((64, 64), np.uint8)
    levels[24:40, 8:56] = 255
    (line,) = network.lines(network.writing(Image.fromarray(levels)), (64, 64))
    grown = 1.6 * (48 * 16) / (2 * (48 + 16))
    assert (line.left, line.right) == pytest.approx((8 - grown, 56 + grown), abs=1.5)
    assert (line.top, line.bottom) == pytest.approx((24 - grown, 40 + grown), abs=1.5)
    assert network.lines(np.zeros((64, 64), np.float32), (64, 64)) == []


EXPECTED = r"has .*; expected float32 pictures \(N, H, W\) and writing \(N, H, W\)\.$"
UNKNOWN = r"its metadata do not describe a network for pages \({}\)\.$"
WRONG_NODES = {
    "names": GRAPH.replace("pictures", "pixels"),
    "colours": GRAPH.replace("N, H, W", "N, 3, H, W"),
    "one size": GRAPH.replace("H, W", "640, 640"),
    "type": GRAPH.replace("float", "double"),
}
WRONG_METADATA = {
    "no stride": ("stride", None, UNKNOWN.format("'stride'")),
    "no threshold": ("threshold", None, UNKNOWN.format("'threshold'")),
    "no number": ("pixels", "many", UNKNOWN.format(".*'many'")),
    "no stride at all": ("stride", "0", UNKNOWN.format("sizes")),
    "more than all pixels": ("stride", "100", UNKNOWN.format("sizes")),
    "no growth": ("growth", "-1.6", UNKNOWN.format("sizes")),
    "endless growth": ("growth", "inf", UNKNOWN.format("sizes")),
    "not a number": ("least_probability", "nan", UNKNOWN.format("sizes")),
}


@pytest.mark.parametrize("name", WRONG_NODES)
def test_a_file_with_other_nodes_is_refused_in_one_sentence(name, tmp_path):
    path = written(tmp_path, WRONG_NODES[name], **ABOUT)
    with pytest.raises(ModelError, match=f"^{path}: {EXPECTED}"):
        PageNetwork(path)


@pytest.mark.parametrize("file", [MODEL, LINES_MODEL])
def test_the_other_networks_are_refused(file):
    with pytest.raises(ModelError, match=f"^{file}: {EXPECTED}"):
        PageNetwork(file)


@pytest.mark.parametrize("name", WRONG_METADATA)
def test_a_file_whose_metadata_say_too_little_is_refused_in_one_sentence(
    name, tmp_path
):
    key, value, message = WRONG_METADATA[name]
    metadata = {
        name: text for name, text in (ABOUT | {key: value}).items() if text is not None
    }
    path = written(tmp_path, **metadata)
    with pytest.raises(ModelError, match=f"^{path}: {message}"):
        PageNetwork(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "pages.onnx"
    path.write_bytes(PAGES_MODEL.read_bytes()[:10_000])
    with pytest.raises(ModelError, match=f"^{path}: truncated, or not an ONNX model"):
        PageNetwork(path)
