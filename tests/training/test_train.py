"""Training runs on 500 real digits, and their recipes and commands."""

import hashlib
import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.digit.classifier import Classifier
from paths import LINES_MODEL, MODEL, ROOT
from tensors import as_digits
from training import train
from training.data import Digits
from training.digits import learning
from training.digits.examples import prepared
from training.digits.recipe import Recipe
from training.generated import cut_out_and_others
from training.run import Run, fit, new_folder, run_to_resume

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SMALL = Recipe(
    hidden=(64,),
    epochs=3,
    batch_size=50,
    threads=1,
    precision="fp32",
    learning_rate=2e-3,
)
STAGED = replace(
    SMALL, channels=(2, 2, 4), hidden=(16,), epochs=4, convolution_share=0.5
)
Parts = tuple[Digits, torch.Tensor, Digits]


@pytest.fixture(scope="module")
def sample(shuffled) -> Digits:
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def parts(sample, tmp_path_factory) -> Parts:
    """Digits and non-digits to train on, and a validation set."""
    folder = tmp_path_factory.mktemp("made")
    return prepared(sample.take(slice(400)), sample.take(slice(400, 500)), [], folder)


def trained(
    recipe: Recipe, parts: Parts, folder: Path, until: int | None = None
) -> Run:
    """Train a network with the first seed, or train on."""
    run = learning.setup(recipe, recipe.seeds[0], folder, CPU)
    fit(run, until or recipe.epochs, partial(learning.next_epoch, run, *parts))
    return run


def weights(run: Run) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(run.model.parameters()).detach()


@pytest.mark.parametrize(
    "options",
    ["relu fp32 adamw", "gelu bf16 adamw", "tanh fp32 sgd", "sigmoid fp32 adamw"],
)
def test_training_lowers_the_loss(options, parts, tmp_path):
    activation, precision, optimizer = options.split()
    recipe = Recipe(
        hidden=(64,),
        epochs=8,
        batch_size=50,
        threads=1,
        activation=activation,
        precision=precision,
        optimizer=optimizer,
    )
    history = trained(recipe, parts, tmp_path).history
    assert history[-1]["training_loss"] < 0.85 * history[0]["training_loss"]


def test_without_augmentation_500_digits_are_learned(sample, tmp_path):
    digits = sample.take(slice(400))
    held_out = sample.take(slice(400, 500))
    recipe = replace(SMALL, augment=False, dropout=0.0, epochs=20)
    run = trained(recipe, prepared(digits, held_out, None), tmp_path)
    errors = [row["training_error"] for row in run.history]
    _, error = learning.validate(run.model, digits)
    assert errors[0] > 0.5
    assert errors[-1] == pytest.approx(error, abs=0.02)
    assert error < 0.01
    assert learning.validate(run.model, held_out)[1] < 0.25


def frames_in(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_training_and_validation_are_made_of_their_own_images(sample, parts):
    digits, others, validation = parts
    assert digits.images[:400].equal(sample.images[:400])
    assert validation.images[:100].equal(sample.images[400:])
    made = frames_in(torch.cat([digits.images[400:], others]))
    assert not made & frames_in(validation.images[200:])


def test_the_best_epoch_of_the_dense_stage_is_kept(tmp_path):
    run = learning.setup(STAGED, 0, tmp_path, CPU)
    run.model = learning.converted(run.model, 0.0)
    for epoch, loss in enumerate([0.1, 0.1, 0.3, 0.2, 0.4]):
        torch.nn.init.constant_(run.model.output.bias, epoch)
        run.add({"validation_loss": loss})
    assert run.best_loss == 0.2
    assert learning.best_network(run).output.bias[0] == 3


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory) -> Run:
    """An uninterrupted run in two stages, of two epochs each."""
    return trained(STAGED, parts, tmp_path_factory.mktemp("whole"))


def test_a_convolutional_recipe_becomes_dense_and_trains_on(whole):
    assert whole.model.widths == [784, 2 * 8 * 8, 2 * 8 * 8, 4 * 3 * 3, 16, 11]
    assert whole.history[2]["training_loss"] < 1.1 * whole.history[1]["training_loss"]
    first = whole.model.hidden[0]
    # Converted, less than a tenth are.
    assert (first.linear.weight != 0).float().mean() > 0.5
    assert first.norm.num_batches_tracked == 0  # its statistics are kept


# In the first stage, between both, and in the second.
@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_run_ends_like_an_uninterrupted_one(done, whole, parts, tmp_path):
    trained(STAGED, parts, tmp_path, until=done)
    resumed = trained(STAGED, parts, tmp_path)
    assert weights(resumed).equal(weights(whole))
    assert resumed.history == whole.history
    assert all(resumed.best[name].equal(value) for name, value in whole.best.items())


def test_the_newest_run_is_resumed(tmp_path):
    new_folder(tmp_path, asdict(SMALL))
    newest = new_folder(tmp_path, asdict(STAGED))
    (tmp_path / "real").mkdir()  # the sheets of benchmarks/real.py
    _, arguments = train.parse(["--resume", "--runs", f"{tmp_path}"])
    assert run_to_resume(arguments) == newest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--epochs 0", "0 is not at least 1"),
        ("--batch-size many", "invalid number value"),
        ("--learning-rate nan", "nan is not at least 1e-09"),
        (f"--output {ROOT}", "is not a file's name"),
        ("--channels 1 2 3 4", "--channels takes at most 3 numbers"),
        ("--recipe best --activation tanh", "--channels needs --activation relu"),
        ("--recipe best --epochs 1", "--channels needs at least two epochs"),
        ("--resume --pictures corrected --epochs 5", "leave out --epochs, --pictures"),
        ("--resume --recipe best", "not allowed with argument"),
        (f"--from {MODEL} --recipe best", "not allowed with argument"),
        (f"--from {MODEL} --hidden 5 --seeds 0", "leave out --hidden, --seeds"),
    ],
)
def test_invalid_options_are_refused(options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.parse(options.split())
    assert message in capsys.readouterr().err


# Finding the faster precision takes 5 s.
FAST = "--threads 1 --precision fp32"


def command(options: str) -> list[str]:
    return [sys.executable, "-m", "training.train", *FAST.split(), *options.split()]


def test_the_command_trains_and_writes_everything(sample_mnist, tmp_path):
    options = (
        "--recipe best --channels 2 2 4 --seeds 3 4 --epochs 2 --hidden 32 "
        f"--batch-size 50 --runs {tmp_path} --data {sample_mnist}"
    )
    done = subprocess.run(command(options), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    assert f"digits serve --model {folder / 'digits.onnx'}" in done.stdout
    for seed in ("seed-3", "seed-4"):
        names = {path.name for path in (folder / seed).iterdir()}
        assert names == {"history.png", "last.pt", "weights.png"}
    metadata = Classifier(folder / "digits.onnx").metadata
    assert len(metadata["second_opinion"].split()) == 6
    lines_sha256 = hashlib.sha256(LINES_MODEL.read_bytes()).hexdigest()
    assert metadata["second_opinion_lines_sha256"] == lines_sha256
    assert metadata["architecture"] == "2 × 784-128-128-36-32-11"
    assert metadata["seed"] == "3 4"
    losses = re.findall(r"seed \d: validation loss (\S+),", metadata["seeds"])
    assert len(losses) == 2
    assert 0 < float(metadata["validation_loss"]) < max(map(float, losses))
    recipe = json.loads(metadata["recipe"])
    assert recipe["epochs"] == 2
    assert recipe == json.loads((folder / "config.json").read_text())


def test_ctrl_c_keeps_the_best_so_far(sample_mnist, tmp_path):
    output = tmp_path / "model.onnx"
    runs = tmp_path / "runs"
    options = (
        f"--no-generated --epochs 1000 --output {output} --runs {runs} --hidden 32 "
        f"--data {sample_mnist}"
    )
    process = subprocess.Popen(command(options), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.send_signal(signal.SIGINT)
            break
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 130
    assert f"--resume {next(runs.iterdir())}" in said
    metadata = Classifier(output).metadata
    assert int(metadata["epochs"]) >= 2
    assert metadata["course"] == f"1000 epochs (interrupted after {metadata['epochs']})"


def test_a_network_may_be_trained_on_mnists_digits_alone(
    sample_mnist, tmp_path, capsys
):
    options = (
        f"{FAST} --no-generated --hidden 30 --epochs 2 --data {sample_mnist} "
        f"--runs {tmp_path}"
    )
    assert train.main(options.split()) == 0
    assert "are misread" in capsys.readouterr().out
    (file,) = tmp_path.glob("*/digits.onnx")
    classifier = Classifier(file)
    assert "second_opinion" not in classifier.metadata
    blank = np.zeros((1, 28, 28), np.float32)
    assert classifier(blank).probabilities.shape == (1, 10)
    options += (
        " --optimizer sgd --learning-rate 1e38 --batch-size 50 --epochs 1 "
        f"--runs {tmp_path}/diverged"
    )
    assert train.main(options.split()) == 1
    assert "try a lower learning rate" in capsys.readouterr().err
    assert not [*tmp_path.glob("diverged/*/*.onnx")]


def test_a_network_of_any_recipe_is_trained_further_and_resumed_without_its_first_file(
    sample_mnist, tmp_path, capsys
):
    first = tmp_path / "first.onnx"
    second = tmp_path / "second.onnx"
    again = tmp_path / "again.onnx"
    places = f"--data {sample_mnist} --runs {tmp_path / 'runs'}"
    recipe = "--no-generated --hidden 30 --activation sigmoid --seeds 5 6 --epochs 2"
    for options in (
        f"{FAST} {recipe} --batch-size 50 {places} --output {first}",
        f"{FAST} --from {first} --batch-size 50 {places} --output {second}",
    ):
        assert train.main(options.split()) == 0
    said = capsys.readouterr().out
    assert f"{first}: of MNIST's 10,000 test images, " in said
    metadata = Classifier(second).metadata
    assert metadata["tuned_from_sha256"] == Classifier(first).sha256
    assert metadata["architecture"] == "2 × 784-30-11"
    assert metadata["seed"] == "5 6"
    recipe = json.loads(metadata["recipe"])
    assert recipe["from_"] == f"{first}"
    assert not recipe["generated"]
    assert recipe["activation"] == "sigmoid"
    first.unlink()
    assert train.main(f"--resume {places} --output {again}".split()) == 0
    assert onnx.load(second).graph == onnx.load(again).graph


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data {0}/file", "--data DIR or MNIST_ROOT=DIR"),
        ("--resume", "holds no run to resume"),
        ("--tensorboard", "--tensorboard needs the extra"),
    ],
)
def test_what_is_missing_is_reported_in_one_sentence_before_a_run_begins(
    options, message, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").touch()
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    options = f"--data {{0}}/nope --runs {{0}}/runs {options}".format(tmp_path)
    assert train.main(options.split()) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_what_is_made_is_kept_and_made_again_in_the_same_way(sample, tmp_path):
    digits = sample.take(slice(120))
    cut_out, others = cut_out_and_others(digits, 0, [], tmp_path)
    assert len(cut_out) == 60
    assert len(others) == 120
    (file,) = tmp_path.iterdir()
    made = file.stat().st_mtime_ns
    for is_kept in (True, False):
        again, same = cut_out_and_others(digits, 0, [], tmp_path)
        assert again.images.equal(cut_out.images)
        assert same.equal(others)
        assert (file.stat().st_mtime_ns == made) == is_kept
        file.unlink()
