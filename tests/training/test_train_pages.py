"""Making the file of the network for pages: the pretrained detector, grey, in 16 bits,
and no other.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from app.text.pages import PageNetwork
from paths import PAGES_MODEL
from tensors import answers, detector
from training import pages
from training.pages import PRETRAINED, SPEC, STRIDE, cut
from training.pretrained import halved


@pytest.fixture
def grey() -> np.ndarray:
    """Grey levels, (2, H, W) float32."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, STRIDE, 3 * STRIDE)).astype(np.float32)


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A tiny file in the place of the pretrained one."""
    path = tmp_path / "pretrained.onnx"
    onnx.save_model(detector(), path)
    return path


def in_colour(grey: np.ndarray) -> np.ndarray:
    """Convert grey levels to the input of the pretrained network."""
    return np.repeat(grey[:, None] / 127.5 - 1, 3, axis=1).astype(np.float32)


def test_the_grey_network_gives_the_answers_of_the_coloured_one(grey):
    expected = answers(detector(), in_colour(grey))[:, 0]
    found = answers(cut(detector()), grey)
    assert found.shape == grey.shape
    assert np.ptp(found) > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-5)
    in_16_bits = answers(halved(cut(detector())), grey)
    np.testing.assert_allclose(in_16_bits, expected, atol=0.01)


def test_the_command_makes_the_same_file_each_time_and_it_is_served(
    stand_in, grey, tmp_path, capsys
):
    sha256 = hashlib.sha256(stand_in.read_bytes()).hexdigest()
    known = PRETRAINED._replace(sha256=sha256)
    files = [tmp_path / "made" / name for name in ("a.onnx", "b.onnx")]
    for file in files:
        options = ["--pretrained", str(stand_in), "--output", str(file)]
        assert pages.main(options, known) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted((tmp_path / "made").iterdir()) == files
    assert f"DIGITS_PAGES_MODEL={files[1]} digits serve" in capsys.readouterr().out
    network = PageNetwork(files[0])
    assert network.metadata.items() >= SPEC.items()
    assert network.metadata["pretrained_sha256"] == sha256
    assert {"architecture", "origin", "license"} < network.metadata.keys()
    expected = answers(cut(detector()), grey)[0]
    picture = Image.fromarray(grey[0].astype(np.uint8))
    np.testing.assert_allclose(network.writing(picture), expected, atol=0.01)


@pytest.mark.slow
@pytest.mark.skipif(
    not PRETRAINED.file.is_file(),
    reason=f"needs {PRETRAINED.name}: make {PRETRAINED.target}",
)
def test_the_pretrained_file_gives_the_shipped_one_with_its_answers(grey, tmp_path):
    output = tmp_path / "pages.onnx"
    assert pages.main(["--output", str(output)]) == 0
    assert output.read_bytes() == PAGES_MODEL.read_bytes()
    original = PRETRAINED.read(PRETRAINED.file)
    expected = answers(original, in_colour(grey))[:, 0]
    np.testing.assert_allclose(answers(cut(original), grey), expected, atol=1e-4)
