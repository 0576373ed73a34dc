"""Training runs on 500 real digits: learning, reproducibility, interruption and resuming."""

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tqdm import tqdm

from app.inference.classifier import Classifier
from support import ROOT
from tensors import as_digits
from training import board, data, generated, train
from training.config import RECIPES, Config, parse
from training.data import Digits
from training.generated import cut_out_and_others
from training.omniglot import Characters
from training.run import Run, load, new_folder, read_folder, run_to_resume, setup

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SMALL = Config(hidden=(64,), epochs=3, batch_size=50, threads=1, precision="fp32", learning_rate=2e-3)

STAGED = replace(SMALL, channels=(2, 2, 4), hidden=(16,), epochs=4, convolution_share=0.5)


@pytest.fixture(scope="module")
def sample(shuffled) -> Digits:
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def parts(sample, tmp_path_factory) -> tuple[Digits, torch.Tensor, Digits]:
    """Digits and non-digits to train on, and a validation set."""
    digits, held_out = sample.take(torch.arange(400)), sample.take(torch.arange(400, 500))
    made, unseen = (cut_out_and_others(each, 0, [], tmp_path_factory.mktemp("made")) for each in (digits, held_out))
    return digits, made[1], train.mixture(held_out, *unseen)


def run_epochs(config: Config, parts: tuple[Digits, torch.Tensor, Digits]) -> tuple[Run, list[float]]:
    run, losses = setup(config, config.seeds[0], CPU), []
    digits, others, _ = parts
    for epoch in range(config.epochs):
        with tqdm(disable=True) as bar:
            losses.append(train.train_epoch(run, digits, others, bar)[0])
        run.history.append({"epoch": epoch + 1, "validation_loss": 1.0})
    return run, losses


def weights(run: Run) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(run.model.parameters()).detach()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid"])
def test_a_few_steps_lower_the_loss(parts, optimizer, activation):
    rate = {"adamw": 2e-3, "sgd": 0.1}[optimizer]
    config = replace(SMALL, optimizer=optimizer, activation=activation, learning_rate=rate, epochs=8)
    _, losses = run_epochs(config, parts)
    assert losses[-1] < 0.85 * losses[0]


def test_without_augmentation_500_digits_are_learned(parts):
    run, _ = run_epochs(replace(SMALL, augment=False, dropout=0.0, epochs=20), parts)
    assert train.validate(run.model, parts[0])[1] < 0.01
    digits = parts[2].take(torch.arange(100))
    assert train.validate(run.model, digits)[1] < 0.25


def test_the_same_seed_gives_the_same_weights(parts):
    first, second, other = (run_epochs(replace(SMALL, seeds=(seed,)), parts)[0] for seed in (1, 1, 2))
    assert weights(first).equal(weights(second))
    assert not weights(first).equal(weights(other))


@pytest.mark.parametrize("is_on", [True, False])
def test_both_digits_and_non_digits_are_augmented_unless_it_is_turned_off(parts, is_on):
    run, seen = setup(replace(SMALL, augment=is_on), 0, CPU), []
    run.model.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[0].clone().split([50, 25])))
    with tqdm(disable=True) as bar:
        train.train_epoch(run, parts[0], parts[1], bar)
    for given, images in ((parts[0].images, seen[::2]), (parts[1], seen[1::2])):
        known = {image.numpy().tobytes() for image in given.float() / 255}
        unchanged = sum(image.numpy().tobytes() in known for image in torch.cat(images))
        assert unchanged == (0 if is_on else sum(map(len, images)))


def test_validation_has_no_dropout_and_changes_nothing(parts):
    model = setup(replace(SMALL, dropout=0.5), 0, CPU).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert train.validate(model.train(), parts[2]) == train.validate(model.train(), parts[2])
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_training_in_bf16_works(parts):
    _, losses = run_epochs(replace(SMALL, precision="bf16"), parts)
    assert losses[-1] < losses[0]


def test_the_learning_rate_rises_and_falls():
    rates = [train.learning_rate(0.01, step / 100) for step in range(100)]
    assert rates[0] == 0
    assert rates[10] == max(rates) == 0.01
    assert rates[55] == pytest.approx(0.005)
    assert 0 < rates[99] < 1e-5


def test_the_best_epoch_is_kept_not_the_last(parts, tmp_path, monkeypatch):
    losses = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(train, "validate", lambda *_: (next(losses), 0.0))
    run = setup(SMALL, 0, CPU)
    best = []
    save = train.save
    monkeypatch.setattr(train, "save", lambda run, folder: (best.append(weights(run).clone()), save(run, folder)))
    train.fit(run, *parts, tmp_path)
    run.model.load_state_dict(run.best)
    assert weights(run).equal(best[1])
    assert run.best_loss == 0.1


def test_a_convolutional_recipe_becomes_dense_and_trains_on(parts, tmp_path):
    run = setup(STAGED, 0, CPU)
    train.fit(run, *parts, tmp_path)
    assert run.model.widths == [784, 2 * 8 * 8, 2 * 8 * 8, 4 * 3 * 3, 16, 11]
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert run.history[2]["training_loss"] < 1.1 * run.history[1]["training_loss"]
    assert run.best_loss == min(row["validation_loss"] for row in run.history[2:])
    assert run.best.keys() == run.model.state_dict().keys()
    first = run.model.hidden[0]
    assert (first.linear.weight != 0).float().mean() > 0.5  # converted, less than a tenth are
    assert first.norm.num_batches_tracked == 0  # its statistics are kept


def test_each_stage_has_its_own_learning_rate():
    config = Config(channels=(2,), epochs=15, convolution_share=0.65, learning_rate=0.1)
    first, second = config.stage(9), config.stage(10)
    assert first == (0, 10, 0.1)
    assert second == (10, 15, pytest.approx(0.0001))
    assert first.progress(5.5) == 0.55
    assert second.progress(10) == 0
    assert Config(epochs=5).stage(0) == (0, 5, 2e-3)


@pytest.mark.parametrize(("epochs", "convolutional"), [(2, 1), (3, 2), (20, 18), (150, 135)])
def test_both_stages_of_the_best_recipe_fit_any_number_of_epochs(epochs, convolutional):
    assert replace(RECIPES["best"], epochs=epochs).convolution_epochs == convolutional


def start(runs: Path, config: Config = SMALL) -> tuple[Run, Path]:
    config = train.resolve(config, CPU)
    folder = new_folder(runs, config, data.NOTHING)
    return load(config, 0, folder / "seed-0", CPU), folder


def resume(*arguments: str) -> tuple[Run, Path]:
    folder = run_to_resume(parse(["--resume", *arguments])[1])
    config, _ = read_folder(folder)
    return load(config, 0, folder / "seed-0", CPU), folder


@pytest.mark.parametrize(("config", "done"), [(SMALL, 1), (STAGED, 1), (STAGED, 2), (STAGED, 3)])
def test_a_resumed_run_ends_like_an_uninterrupted_one(config, done, parts, tmp_path, monkeypatch):
    whole, folder = start(tmp_path / "whole", config)
    train.fit(whole, *parts, folder / "seed-0")

    broken, folder = start(tmp_path / "broken", config)
    validate = train.validate
    calls = iter(range(10))

    def interrupt(*arguments):
        if next(calls) == done:
            raise KeyboardInterrupt
        return validate(*arguments)

    monkeypatch.setattr(train, "validate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.fit(broken, *parts, folder / "seed-0")
    resumed, same_folder = resume("--runs", f"{tmp_path}/broken")
    assert same_folder == folder
    assert resumed.epochs == done
    train.fit(resumed, *parts, folder / "seed-0")

    assert weights(resumed).equal(weights(whole))
    assert [row["training_loss"] for row in resumed.history] == [row["training_loss"] for row in whole.history]
    for name, value in whole.best.items():
        assert resumed.best[name].equal(value)


def test_the_newest_run_is_resumed(tmp_path):
    newest = [start(tmp_path)[1] for _ in range(2)][1]
    (tmp_path / "real").mkdir()  # the sheets of benchmarks/real.py
    assert resume("--runs", f"{tmp_path}")[1] == newest


@pytest.mark.parametrize("run", [[], ["2026-01-01"]])
def test_a_missing_run_to_resume_is_reported_before_any_download(run, tmp_path, capsys):
    arguments = ["--data", f"{tmp_path}/data", "--runs", f"{tmp_path}/runs", "--resume", *run]
    assert train.main(arguments) == 1
    assert "holds no run to resume" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_the_run_folder_holds_configuration_and_history(parts, tmp_path):
    run, folder = start(tmp_path)
    train.fit(run, *parts, folder / "seed-0")
    assert Config.from_json((folder / "config.json").read_text()) == run.config
    with open(folder / "seed-0" / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["training_loss"]) < float(rows[0]["training_loss"])


def test_automatic_choices_are_made_once():
    config = train.resolve(Config(), CPU)
    assert config.precision in ("fp32", "bf16")
    assert config.threads == torch.get_num_threads()
    assert config.learning_rate == 2e-3
    assert train.resolve(config, CPU) == config
    assert train.resolve(Config(optimizer="sgd"), CPU).learning_rate == 0.1


def test_options_make_the_recipe():
    config, arguments = parse(
        "--batch-size 64 --activation sigmoid --optimizer sgd --hidden 30 20 --no-augment".split()
    )
    assert config == Config(batch_size=64, activation="sigmoid", optimizer="sgd", hidden=(30, 20), augment=False)
    assert arguments.output is None
    assert parse([])[0] == Config()


@pytest.mark.parametrize("config", [Config(), replace(SMALL, augment=False, hidden=()), *RECIPES.values()])
def test_a_recipe_survives_its_command_line_and_its_file(config):
    assert parse(config.command().split()[3:])[0] == config
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--epochs 0", "0 is not at least 1"),
        ("--batch-size many", "invalid size value"),
        ("--dropout 1", "1 is not in"),
        ("--batch-size 1", "1 is not at least 2"),
        ("--weight-decay -1", "-1 is negative"),
        (f"--output {ROOT}", "is not a file's name"),
        (f"--output {ROOT}/README.md/digits.onnx", "is not a file's name"),
        ("--learning-rate -1", "-1 is not above 0"),
        ("--activation swish", "invalid choice"),
        ("--channels 1 2 3 4", "--channels takes at most 3 numbers"),
        ("--recipe best --activation tanh", "--channels needs --activation relu"),
        ("--recipe best --epochs 1", "--channels needs at least two epochs"),
        ("--channels 2 --convolution-share 0", "and a --convolution-share above 0"),
        ("--resume --recipe best", "leave out --recipe"),
        ("--resume --pictures corrected", "leave out --pictures"),
        ("--resume --epochs 5 --batch-size 9", "leave out --batch-size, --epochs"),
    ],
)
def test_invalid_options_are_refused(options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(options.split())
    assert message in capsys.readouterr().err


def test_every_recipe_option_is_in_the_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    text = capsys.readouterr().out
    for name in Config.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in text


# 100 validation images, since there are 400 training images in all, and making a validation set takes time.
PROGRAM = "from training import data, train; data.VALIDATION_IMAGES = 100; raise SystemExit(train.main())"


def command(*arguments: str) -> list[str]:
    fixed = ["--hidden", "32", "--threads", "1", "--precision", "fp32"]  # finding the faster precision takes 5 s
    return [sys.executable, "-c", PROGRAM, *fixed, "--batch-size", "50", *arguments]


def test_the_command_trains_and_writes_everything(sample_mnist, tmp_path):
    runs = tmp_path / "runs"
    options = f"--recipe best --channels 2 2 4 --seeds 3 4 --epochs 2 --data {sample_mnist} --runs {runs}"
    done = subprocess.run(command(*options.split()), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    assert f"digits serve --model {folder / 'digits.onnx'}" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "digits.onnx", "seed-3", "seed-4"]
    for seed in ("3", "4"):
        assert sorted(path.name for path in (folder / f"seed-{seed}").iterdir()) == [
            "history.csv",
            "history.png",
            "last.pt",
            "weights.png",
        ]
    metadata = Classifier(folder / "digits.onnx").metadata
    assert len(metadata["second_opinion"].split()) == 4
    assert metadata["architecture"] == "2 × 784-128-128-36-32-11"
    assert metadata["seed"] == "3 4"
    losses = [float(metadata["seeds"].split(f"seed {seed}: validation loss ")[1][:6]) for seed in (3, 4)]
    assert 0 < float(metadata["validation_loss"]) < max(losses)
    assert (
        parse(metadata["recipe"].split()[3:])[0].epochs
        == json.loads((folder / "config.json").read_text())["epochs"]
        == 2
    )


def test_a_run_that_diverges_is_reported(sample_mnist, tmp_path):
    options = f"--optimizer sgd --learning-rate 1e38 --epochs 1 --data {sample_mnist} --runs {tmp_path}"
    done = subprocess.run(command(*options.split()), capture_output=True, text=True)
    assert done.returncode == 1
    assert "try a lower learning rate" in done.stderr
    assert not list(tmp_path.rglob("*.onnx"))


def test_ctrl_c_keeps_the_best_so_far(sample_mnist, tmp_path):
    output, runs = tmp_path / "model.onnx", tmp_path / "runs"
    places = ["--data", str(sample_mnist), "--output", str(output), "--runs", str(runs)]
    process = subprocess.Popen(command("--epochs", "1000", *places), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.send_signal(signal.SIGINT)
            break
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 130
    assert f"--resume {next(runs.iterdir())}" in said
    metadata = Classifier(output).metadata
    assert metadata["architecture"] == "784-32-11"
    assert int(metadata["epochs"]) >= 2
    assert metadata["course"] == f"1000 epochs (interrupted after {metadata['epochs']})"


def test_missing_data_is_reported_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    module = [sys.executable, "-m", "training.train", "--data", str(tmp_path / "file")]
    done = subprocess.run(module, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--data DIR or MNIST_ROOT=DIR" in done.stderr


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "xpu"])
def test_a_missing_device_is_reported_in_one_sentence(device, capsys):
    assert train.main(["--device", device]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"--device {device} cannot be used: ")
    assert said.count("\n") == 1


def test_missing_data_leaves_no_run_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    assert train.main(["--data", f"{tmp_path}/nope", "--runs", f"{tmp_path}/runs"]) == 1
    assert "--data DIR" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_tensorboard_shows_the_history(parts, tmp_path):
    run = setup(SMALL, 0, CPU)
    with board.open_board(tmp_path, wanted=True) as scalars:
        train.fit(run, *parts, tmp_path, scalars)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == [
        "accuracy/training",
        "accuracy/validation",
        "loss/training",
        "loss/validation",
    ]
    assert [event.step for event in events.Scalars("loss/training")] == [1, 2, 3]
    for name, value in (("loss/training", "training_loss"), ("loss/validation", "validation_loss")):
        assert [event.value for event in events.Scalars(name)] == pytest.approx([row[value] for row in run.history])
    errors = [100 - event.value for event in events.Scalars("accuracy/validation")]
    assert errors == pytest.approx([100 * row["validation_error"] for row in run.history], abs=1e-3)


def test_without_tensorboard_the_extra_is_named_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert train.main(["--tensorboard", "--data", f"{tmp_path}/nope"]) == 1
    assert "--tensorboard needs the extra" in capsys.readouterr().err


def test_the_training_error_is_measured_on_the_training_inputs(parts):
    run, digits = setup(replace(SMALL, augment=False, dropout=0.0, epochs=20), 0, CPU), parts[0]
    errors = []
    for epoch in range(20):
        with tqdm(disable=True) as bar:
            errors.append(train.train_epoch(run, digits, parts[1], bar)[1])
        run.history.append({"epoch": epoch + 1, "validation_loss": 1.0})
    assert errors[0] > 0.5
    assert errors[-1] == pytest.approx(train.validate(run.model, digits)[1], abs=0.02)


def test_training_and_validation_are_made_of_their_own_images(sample_mnist, tmp_path, monkeypatch):
    sources, parts = {}, []

    def spied(digits: Digits, seed: int, characters: Characters) -> tuple[Digits, torch.Tensor]:
        sources[seed] = digits.images
        return cut_out_and_others(digits, seed, characters, tmp_path)

    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)
    monkeypatch.setattr(train, "cut_out_and_others", spied)
    monkeypatch.setattr(train, "fit_all", lambda _, __, given, ___: (parts.extend(given), ([], 1))[1])
    train.main(["--data", f"{sample_mnist}", "--runs", f"{tmp_path}", "--threads", "1", "--precision", "fp32"])
    training, held_out = (part.images for part in data.split(data.load(sample_mnist, train=True)))
    digits, _, validation = parts
    assert digits.images[:300].equal(training)
    assert validation.images[:100].equal(held_out)
    assert sources[0].equal(training)
    assert sources[train.VALIDATION_SEED].equal(held_out)


def test_what_is_made_is_kept_until_something_changes(sample, tmp_path, monkeypatch):
    digits = sample.take(torch.arange(120))
    cut_out, others = cut_out_and_others(digits, 0, [], tmp_path)
    assert len(cut_out) == 60
    assert len(others) == 120
    monkeypatch.setattr(generated, "make", None)  # nothing is made again
    again, same = cut_out_and_others(digits, 0, [], tmp_path)
    assert again.images.equal(cut_out.images)
    assert same.equal(others)
    for change in (
        (digits.take(torch.arange(119)), 0, []),
        (digits, 1, []),
        (digits, 0, [np.zeros((105, 105), np.uint8)]),
    ):
        with pytest.raises(TypeError):
            cut_out_and_others(*change, tmp_path)


def test_a_network_may_be_trained_on_mnists_digits_alone(sample_mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)
    given = (
        f"--data {sample_mnist} --runs {tmp_path} --threads 1 --precision fp32 --hidden 30 --epochs 2 --no-generated"
    )
    assert train.main(given.split()) == 0
    said = capsys.readouterr().out
    assert "are misread" in said
    (file,) = tmp_path.glob("*/digits.onnx")
    assert "second_opinion" not in Classifier(file).metadata
    assert Classifier(file)(np.zeros((1, 28, 28), np.float32)).probabilities.shape == (1, 10)
