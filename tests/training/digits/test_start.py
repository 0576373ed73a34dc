"""A model file as the start of further training, and files that are refused."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.digit.classifier import Classifier
from paths import LINES_MODEL, MODEL
from tensors import as_digits, trained
from training import train
from training.config import RECIPES, Config, parse
from training.digits import start
from training.digits.examples import prepared
from training.digits.export import differences, export
from training.digits.model import ACTIVATIONS, Ensemble
from training.run import Run, fit

RECIPE = Config(hidden=(32, 16), seeds=(3, 4))


def written(
    file: Path,
    digits: np.ndarray,
    recipe: str = RECIPE.command(),
    activation: str = "relu",
) -> Path:
    """Write a file of two networks."""
    networks = [trained(activation=activation) for _ in "34"]
    torch.nn.init.normal_(networks[0].output.bias)
    metadata = {"activation": activation, "recipe": recipe, "seed": "3 4"}
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


def test_further_training_takes_the_recipe_of_the_file_with_another_end():
    config = parse(["--from", f"{MODEL}", "--epochs", "5"])[0]
    best = RECIPES["best"]
    assert config.widths == best.widths
    assert config.seeds == best.seeds
    assert config.dropout == best.dropout
    assert config.epochs == 5
    assert config.convolution_epochs == 0
    assert config.threads is None
    assert config.stage(2.5) == (config.learning_rate, 0.5)
    resolved = train.resolve(replace(config, precision="fp32"), torch.device("cpu"))
    assert parse(resolved.command().split()[3:])[0] == resolved


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--hidden 5 --seeds 0",
            "--from uses the networks of its file: leave out --hidden, --seeds",
        ),
        ("--activation tanh", "leave out --activation"),
        ("--recipe best", "--from uses the recipe of its file: leave out --recipe"),
        ("--resume", "leave out --from"),
    ],
)
def test_options_that_contradict_the_file_are_refused(options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(["--from", f"{MODEL}", *options.split()])
    assert message in capsys.readouterr().err


def without_layer(file: Path) -> None:
    model = onnx.load(MODEL)
    model.graph.output.pop()  # the weights of the first layer
    for node in model.graph.node:
        node.input[:] = [name.replace("weight_0_0", "weights") for name in node.input]
    for array in model.graph.initializer:
        array.name = array.name.replace("weight_0_0", "weights")
    onnx.save_model(model, file)


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
        (without_layer, "training.train did not write it"),
        (partial(with_metadata, seed="0 2 4"), "training.train did not write it"),
        (
            partial(with_metadata, recipe="python -m training.train --hidden 5"),
            "other layers than its recipe",
        ),
        (
            partial(with_metadata, recipe="python -m training.train --hidden five"),
            "its recipe is unknown",
        ),
        (partial(with_metadata, recipe="'"), "its recipe is unknown"),
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


def test_resumed_further_training_ends_like_an_uninterrupted_one(
    digits, shuffled, tmp_path
):
    file = written(tmp_path / "digits.onnx", digits)
    options = f"--from {file} --threads 1 --precision fp32 --batch-size 50"
    config, _ = parse(options.split())
    begun = start.load(file).networks[3]
    sample = as_digits(*shuffled)
    parts = prepared(sample.take(slice(400)), sample.take(slice(400, 500)), None)

    def run_until(epochs: int, folder: str) -> Run:
        run = train.setup(config, 3, tmp_path / folder, torch.device("cpu"), begun)
        fit(run, epochs, partial(train.next_epoch, run, *parts))
        return run

    run_until(1, "resumed")
    whole = run_until(config.epochs, "whole").model
    resumed = run_until(config.epochs, "resumed").model
    assert not whole.output.weight.equal(begun.output.weight)
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name])
