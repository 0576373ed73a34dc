"""The network for pages: a map for any picture, a message for any broken file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from app.network import ModelError
from app.text.pages import PageNetwork
from networks import page_network
from paths import LINES_MODEL, MODEL

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
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, size[::-1], dtype=np.uint8)
    found = network.writing(Image.fromarray(levels))
    assert found.dtype == np.float32
    assert all(side % network.stride == 0 for side in found.shape)
    assert found.size <= max(1.1 * network.pixels, network.stride * max(size))
    assert 0 <= found.min() <= found.max() <= 1
    for line in network.lines(found, size):
        assert line.length > 0 < line.height


def test_a_file_says_to_what_size_a_picture_is_scaled(tmp_path):
    network = PageNetwork(written(tmp_path, **ABOUT))
    assert network.writing(Image.new("L", (100, 400), 255)).shape == (128, 32)
    assert network.writing(Image.new("L", (20, 12), 255)).shape == (16, 16)
    assert (network.writing(Image.new("L", (100, 100), 51)) == np.float32(0.2)).all()


def test_a_line_is_found_where_the_network_sees_one(tmp_path):
    network = PageNetwork(written(tmp_path, **ABOUT))
    levels = np.zeros((64, 64), np.uint8)
    levels[24:40, 8:56] = 255
    (line,) = network.lines_on(Image.fromarray(levels))
    grown = 1.6 * (48 * 16) / (2 * (48 + 16))
    edges = 24 - grown, 40 + grown, 8 - grown, 56 + grown
    assert line[:4] == pytest.approx(edges, abs=1.5)
    assert network.lines(np.zeros((64, 64), np.float32), (64, 64)) == []


EXPECTED = r"has .*; expected float32 pictures \(N, H, W\) and writing \(N, H, W\)\.$"
UNKNOWN = r"its metadata do not describe a network for pages \({}\)\.$"
WRONG_NODES = {
    "names": GRAPH.replace("pictures", "pixels"),
    "colours": GRAPH.replace("N, H, W", "N, 3, H, W"),
    "one size": GRAPH.replace("H, W", "640, 640"),
    "type": GRAPH.replace("float", "double"),
}
# A name, its value if any, and the cause.
WRONG_METADATA = """
stride: 'stride'
threshold: 'threshold'
pixels many: .*'many'
stride 0: sizes
stride 100: sizes
growth -1.6: sizes
growth inf: sizes
least_probability nan: sizes
"""


@pytest.mark.parametrize("name", [*WRONG_NODES, MODEL, LINES_MODEL])
def test_a_file_with_other_nodes_is_refused_in_one_sentence(name, tmp_path):
    path = name
    if name in WRONG_NODES:
        path = written(tmp_path, WRONG_NODES[name], **ABOUT)
    with pytest.raises(ModelError, match=f"^{path}: {EXPECTED}"):
        PageNetwork(path)


@pytest.mark.parametrize("row", WRONG_METADATA.strip().splitlines())
def test_a_file_whose_metadata_say_too_little_is_refused_in_one_sentence(row, tmp_path):
    wrong, cause = row.split(": ")
    name, _, value = wrong.partition(" ")
    metadata = ABOUT | {name: value}
    if not value:
        del metadata[name]
    path = written(tmp_path, **metadata)
    with pytest.raises(ModelError, match=f"^{path}: {UNKNOWN.format(cause)}"):
        PageNetwork(path)
