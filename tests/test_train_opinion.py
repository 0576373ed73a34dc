"""Fitting how much the second opinion counts, from 500 real digits."""

from pathlib import Path

import onnx
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.serving.networks import Networks
from app.settings import Settings
from support import LINES_MODEL, MODEL, encode, letter
from training import data, opinion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    """Another file of the line network, for which the committed weights were not
    fitted.
    """
    model, file = (
        onnx.load(LINES_MODEL),
        tmp_path_factory.mktemp("lines") / "lines.onnx",
    )
    model.metadata_props.add(key="owner", value="somebody else")
    onnx.save_model(model, file)
    return file


@pytest.fixture(scope="module")
def fit(sample_mnist, lines):
    """Run the command, on 100 held-out digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "VALIDATION_IMAGES", 100)
        patch.setattr(opinion, "COUNT", 2)
        where = [
            "--data",
            f"{sample_mnist}",
            "--others",
            f"{sample_mnist}/none.zip",
            "--lines-model",
            f"{lines}",
        ]
        yield lambda *options: opinion.main([*where, *map(str, options)])


@pytest.fixture(scope="module")
def fitted(fit, tmp_path_factory) -> Path:
    """A file with weights for the other line network."""
    file = tmp_path_factory.mktemp("fitted") / "digits.onnx"
    assert fit("--output", file) == 0
    return file


def test_only_the_weights_and_the_file_that_they_name_change(fitted, lines):
    before, after = onnx.load(MODEL), onnx.load(fitted)
    assert after.graph.SerializeToString() == before.graph.SerializeToString()
    old, new = (
        {entry.key: entry.value for entry in model.metadata_props}
        for model in (before, after)
    )
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    assert changed == {"second_opinion", "second_opinion_lines_sha256"}
    assert (
        new["second_opinion_lines_sha256"] == Networks.load(fitted, lines).lines.sha256
    )


def test_fitted_again_in_place_the_file_has_the_same_bytes(fit, fitted, tmp_path):
    again = tmp_path / "digits.onnx"
    again.write_bytes(fitted.read_bytes())
    assert fit("--model", again) == 0
    assert again.read_bytes() == fitted.read_bytes()
    assert [*tmp_path.iterdir()] == [again]


def test_the_fitted_weights_are_served(fitted, lines):
    unsure = encode(letter("A"))
    alone = Networks.load(MODEL, lines)
    assert alone.opinion is None
    assert not alone.read_digit(unsure).is_sure
    with TestClient(create_app(Settings(model=fitted, lines_model=lines))) as client:
        answer = client.post("/predict", content=unsure).json()
        assert client.get("/v2/models/digits").json()["versions"] == [
            answer["model"].split("+")[0]
        ]
    both = Networks.load(fitted, lines)
    assert (
        answer["model"]
        == both.digit_model
        == f"{both.digits.version}+{both.lines.version}"
    )
    assert answer["legibility"] == pytest.approx(
        both.read_digit(unsure).legibility, abs=1e-4
    )
    assert answer["legibility"] != pytest.approx(
        alone.read_digit(unsure).legibility, abs=1e-4
    )


@pytest.mark.parametrize("option", ["--model", "--lines-model"])
def test_a_missing_file_is_reported_before_anything_is_made(option, tmp_path, capsys):
    assert opinion.main([option, f"{tmp_path}/none.onnx", "--data", f"{tmp_path}"]) == 1
    assert "none.onnx: no such file" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_an_output_that_is_a_folder_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        opinion.main(["--output", f"{tmp_path}"])
    assert "is not a file's name" in capsys.readouterr().err
