"""Fitting how much the second opinion counts, from 500 real digits."""

from pathlib import Path

import onnx
import pytest

from app.digit.classifier import Classifier
from app.serving.networks import Networks
from paths import LINES_MODEL, MODEL
from training import opinion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    """Another line network, with which the committed weights were not fitted."""
    file = tmp_path_factory.mktemp("lines") / "lines.onnx"
    model = onnx.load(LINES_MODEL)
    model.metadata_props.add(key="owner", value="somebody else")
    onnx.save_model(model, file)
    return file


@pytest.fixture(scope="module")
def fit(sample_mnist, lines):
    """Run the command, on 100 held-out digits."""
    places = (
        f"--data {sample_mnist} --others {sample_mnist}/none.zip --lines-model {lines}"
    )
    return lambda options: opinion.main(f"{places} {options}".split())


@pytest.fixture(scope="module")
def fitted(fit, tmp_path_factory) -> Path:
    """A file with weights for the other line network."""
    file = tmp_path_factory.mktemp("fitted") / "digits.onnx"
    file.write_bytes(MODEL.read_bytes())
    assert fit(f"--model {file}") == 0
    return file


def test_only_the_weights_and_the_file_that_they_name_change(fitted, lines):
    assert onnx.load(fitted).graph == onnx.load(MODEL).graph
    networks = Networks.load(fitted, lines)
    old = Classifier(MODEL).metadata
    new = networks.digits.metadata
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    assert changed == {"second_opinion", "second_opinion_lines_sha256"}
    assert new["second_opinion_lines_sha256"] == networks.lines.sha256
    assert networks.opinion
    assert Networks.load(MODEL, lines).opinion is None


@pytest.mark.parametrize("option", ["--model", "--lines-model"])
def test_a_missing_file_is_reported_before_anything_is_made(option, tmp_path, capsys):
    assert opinion.main([option, f"{tmp_path}/none.onnx", "--data", f"{tmp_path}"]) == 1
    assert "none.onnx: no such file" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
