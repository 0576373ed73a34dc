"""A model file as the start of further training, and files that are refused."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.digit.classifier import Classifier
from paths import LINES_MODEL, MODEL
from tensors import trained
from training import train
from training.digits import start
from training.digits.export import differences, export
from training.digits.model import ACTIVATIONS, Ensemble
from training.digits.recipe import RECIPES, Recipe
from training.train import parse

RECIPE = Recipe(hidden=(32, 16), dropout=0.2, seeds=(3, 4))


def written(file: Path, digits: np.ndarray, activation: str = "relu") -> Path:
    """Write a file of two networks."""
    networks = [trained(activation=activation) for _ in "34"]
    torch.nn.init.normal_(networks[0].output.bias)
    metadata = {
        "activation": activation,
        "recipe": json.dumps(asdict(RECIPE)),
        "seed": "3 4",
    }
    export(Ensemble(networks), file, metadata, torch.from_numpy(digits))
    return file


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_networks_of_a_file_answer_as_the_file_does(activation, digits, tmp_path):
    file = written(tmp_path / "digits.onnx", digits, activation=activation)
    networks, difference = read_back(file, digits)
    assert [*networks] == [3, 4]
    assert difference.max() < 0.02


def test_the_shipped_file_is_read_back(digits):
    _, difference = read_back(MODEL, digits)
    assert difference.mean() < 1e-3


def read_back(file: Path, digits: np.ndarray) -> tuple[dict, np.ndarray]:
    """Load a file's networks, and compute how their outputs differ from its own."""
    networks = start.load(file).networks
    mean = Ensemble(networks.values())
    return networks, differences(mean, Classifier(file), torch.from_numpy(digits))


def test_further_training_takes_the_recipe_of_the_file_with_another_end(
    digits, tmp_path
):
    file = written(tmp_path / "digits.onnx", digits)
    recipe, _ = parse(["--from", f"{file}", "--epochs", "5"])
    assert recipe.widths == [784, 32, 16, 11]
    assert recipe.seeds == [3, 4]
    assert recipe.dropout == RECIPE.dropout
    assert recipe.epochs == 5
    assert recipe.threads is None
    assert recipe.stage(2.5) == (recipe.learning_rate, 0.5)


def test_the_committed_file_which_has_a_command_is_trained_further_too():
    recipe, _ = parse(["--from", f"{MODEL}"])
    assert recipe.widths == RECIPES["best"].widths
    assert recipe.seeds == [0, 2]
    assert recipe.dropout == 0


def with_metadata(file: Path, **changed: str) -> None:
    model = onnx.load(MODEL)
    metadata = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(model, metadata | changed)
    onnx.save_model(model, file)


def of_others(file: Path) -> None:
    model = onnx.load(MODEL)
    del model.metadata_props[:]
    onnx.save_model(model, file)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: None, "no such file"),
        (lambda file: file.write_bytes(MODEL.read_bytes()[:1000]), "not an ONNX model"),
        (
            lambda file: file.write_bytes(LINES_MODEL.read_bytes()),
            "expected float32 pixels",
        ),
        (of_others, "training.train did not write it"),
        (partial(with_metadata, seed="0 2 4"), "training.train did not write it"),
        (partial(with_metadata, recipe="{"), "no recipe for this command"),
        (partial(with_metadata, recipe='{"lines": 5}'), "no recipe for this command"),
    ],
)
def test_a_file_that_cannot_be_trained_further_is_refused_in_one_sentence(
    write, message, sample_mnist, tmp_path, capsys
):
    file = tmp_path / "digits.onnx"
    write(file)
    options = f"--from {file} --data {sample_mnist} --runs {tmp_path / 'runs'}"
    assert train.main(options.split()) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file}")
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
