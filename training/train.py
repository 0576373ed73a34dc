"""Train the network: `python -m training.train` writes a model file into runs/.

    for each seed: setup ──► for each epoch: train_epoch ──► validate ──► save the mean
    of all seeds, each in its best epoch ──► calibrate ──► export ──► second opinion

With `--from FILE`, each seed's network in the file is trained further, for a short
while at a low rate.

The best epoch has the lowest validation loss, a criterion that was fixed before the
test images were looked at. The validation set holds the validation images, both
unchanged and augmented once, segments of numbers, and non-digits.

A recipe with convolutions has two stages: a convolutional network is trained, converted
to a dense one, and trained further. The best epoch is one of the dense stage. Each
epoch seeds its own random numbers, so a resumed run repeats what an uninterrupted one
would have done. `make evaluate` measures how well the service reads with the resulting
file.
"""

import argparse
import copy
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from app.digit.classifier import CLASSES, Classifier
from app.text.line_network import LineNetwork
from training import data, omniglot, pictures
from training.calibrate import calibrated
from training.config import LINES_MODEL, MODEL, Config, numbers, parse
from training.data import NOTHING, Digits
from training.digits import augment, device, plots, start
from training.digits.convolution import ConvolutionalNet, converted, dense_widths, maps
from training.digits.examples import prepared
from training.digits.export import export
from training.digits.model import DigitNet, Ensemble, folded, logits_of
from training.digits.non_digits import REAL
from training.digits.objective import NONE, objective
from training.errors import exit_status, until_interrupted
from training.omniglot import Characters
from training.opinion import add_opinion
from training.run import (
    Row,
    Run,
    checkpoint,
    fit,
    learning_rate,
    make_optimizer,
    new_folder,
    options_in,
    progress,
    run_to_resume,
)
from training.writing.noise import Random

OTHERS = 0.5  # non-digits per digit
PICTURES = "pictures.pt"  # in the run's folder: the frames of the user's own pictures
START = "start.onnx"  # likewise: the file to train further


def setup(
    config: Config,
    seed: int,
    folder: Path,
    on: torch.device,
    begun: DigitNet | None = None,
) -> Run:
    """Continue the run in a folder, or start one, perhaps with an earlier network."""
    saved = checkpoint(folder, on)
    epochs = len(saved.get("history", []))
    torch.manual_seed(seed)
    model: nn.Module
    if epochs <= config.convolution_epochs > 0:
        model = ConvolutionalNet(config.channels, config.hidden, config.dropout)
    else:
        widths = dense_widths(config.channels, config.hidden)
        model = DigitNet(widths, config.activation, config.dropout)
    if begun:
        model.load_state_dict(begun.state_dict())
    optimizer = make_optimizer(model.to(on), config.weight_decay, config.optimizer)
    run = Run(config, seed, model, optimizer, folder, config.convolution_epochs)
    return run.continued(saved)


def train_epoch(run: Run, digits: Digits, others: Tensor) -> tuple[float, float]:
    """Train for an epoch, on every digit once and half as many others (M, 28, 28).

    Returns the mean training loss, and the error rate on the augmented digits. An
    incomplete last batch is dropped, unless it is the only one.
    """
    config = run.config
    place = digits.images.device
    seed = run.seed * 100_000 + run.epochs
    torch.manual_seed(seed)  # dropout draws from the global generator
    generator = torch.Generator(place).manual_seed(seed)
    order = torch.randperm(len(digits), generator=generator, device=place)
    count = max(1, len(digits) // config.batch_size)
    batches = torch.split(order, config.batch_size)[:count]
    run.model.train()
    is_begun = config.channels or config.from_
    if is_begun and isinstance(run.model, DigitNet):
        # The channels': those of a batch are noisy for a unit, which is one position.
        run.model.keep_statistics()
    total = torch.zeros((), device=place)
    wrong = torch.zeros((), device=place)
    shown = progress(batches, f"epoch {run.epochs + 1}")
    for step, index in enumerate(shown):
        images, labels = mixed(digits.take(index), others, generator, config.augment)
        is_short = config.precision == "bf16"
        with torch.autocast(place.type, torch.bfloat16, enabled=is_short):
            logits = run.model(images)
        loss = objective(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        run.step(learning_rate(*config.stage(run.epochs + step / len(batches))))
        total += loss.detach()
        wrong += is_wrong(logits, labels).sum()
    return total.item() / len(batches), wrong.item() / sum(map(len, batches))


def mixed(
    digits: Digits, others: Tensor, generator: torch.Generator, is_augmented: bool
) -> tuple[Tensor, Tensor]:
    """Add some of the others to a batch of digits, and perhaps augment both.

    Returns images (N, 28, 28) float32 in [0, 1] and labels (N,).
    """
    count = round(OTHERS * len(digits)) if len(others) else 0
    index = Random(count, generator).integers(0, len(others) or 1)
    batch = digits.with_others(others[index])
    images = batch.images.float() / 255
    if is_augmented:
        first, rest = images.tensor_split([len(digits)])
        first = augment.augment(first, digits.labels, generator)
        if count:
            rest = augment.augment_others(rest, generator)
        images = torch.cat([first, rest])
    return images, batch.labels


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Return whether each digit is misread; other frames are not."""
    return (labels != NONE) & (logits[:, :CLASSES].argmax(dim=1) != labels)


def validate(model: nn.Module, frames: Digits) -> tuple[float, float]:
    """Compute the loss on frames, and the error rate on the digits among them."""
    logits = logits_of(model, frames.images)
    error = is_wrong(logits, frames.labels).sum() / (frames.labels != NONE).sum()
    return objective(logits, frames.labels).item(), error.item()


def next_epoch(run: Run, training: Digits, others: Tensor, validation: Digits) -> Row:
    """Train for an epoch, and validate; if the dense stage begins, convert first."""
    config = run.config
    if run.epochs == config.convolution_epochs > 0:
        assert isinstance(run.model, ConvolutionalNet)
        run.model = converted(run.model, config.dropout)
        run.optimizer = make_optimizer(run.model, config.weight_decay, config.optimizer)
    loss, error = train_epoch(run, training, others)
    validation_loss, validation_error = validate(run.model, validation)
    return {
        "training_loss": loss,
        "training_error": error,
        "validation_loss": validation_loss,
        "validation_error": validation_error,
    }


def resolve(config: Config, place: torch.device) -> Config:
    """Make every automatic choice of the recipe, and set the number of threads."""
    threads = config.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    precision = config.precision
    if precision == "auto":
        precision = device.faster_precision(place)
    return replace(
        config,
        threads=threads,
        precision=precision,
        learning_rate=config.peak_learning_rate,
    )


def architecture(config: Config, count: int = 1) -> str:
    """Format the widths of networks, such as 2 × 784-800-800-11."""
    widths = "-".join(map(str, config.widths))
    return widths if count == 1 else f"{count} × {widths}"


def best_network(run: Run) -> DigitNet:
    """Return a copy of the run's dense network, as it was in its best epoch."""
    model = copy.deepcopy(run.model)
    assert isinstance(model, DigitNet)
    model.load_state_dict(run.best)
    return model


def finish(
    runs: Sequence[Run],
    output: Path,
    learned_from: Mapping[str, str],
    held_out: Digits,
    characters: Characters | None,
    validation: Digits,
    test: Digits,
) -> None:
    """Calibrate and export the mean of the runs' best epochs, and sum them up.

    The test images are used only then, with the float32 networks; `make evaluate`
    measures the file.
    """
    config = runs[0].config
    epochs = min(run.epochs for run in runs)
    mean = Ensemble(map(best_network, runs))
    loss, _ = validate(mean, validation)
    _, error = validate(mean, test)
    model, calibration = calibrated(mean, held_out, validation)
    course = config.course
    if epochs < config.epochs:
        course += f" (interrupted after {epochs})"
    seeds = []
    for run, network in zip(runs, mean.networks, strict=True):
        _, alone = validate(network, test)
        seeds.append(
            f"seed {run.seed}: validation loss {run.best_loss:.4f}, test error "
            f"{alone:.2%}"
        )
    layers = [f"{count}x{side}x{side}" for count, side in maps(config.channels)]
    metadata = {
        "architecture": architecture(config, len(runs)),
        "activation": config.activation,
        "layers": " ".join([*layers, numbers(config.hidden)]),
        **learned_from,
        "recipe": config.command(),
        "seed": numbers([run.seed for run in runs]),
        "course": course,
        "epochs": str(epochs),
        "validation_loss": f"{loss:.4f}",
        "test_error_percent": f"{error:.2%}".rstrip("%"),
        "seeds": "; ".join(seeds),
        "calibration": str(calibration),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    export(model, output, metadata, validation.images)
    if characters is not None:
        digits = held_out.to(torch.device("cpu"))
        _, others = omniglot.split(characters)
        lines = LineNetwork(LINES_MODEL)
        add_opinion(Classifier(output), lines, digits, others, output)
    print(
        f"{output}: validation loss {loss:.4f}; of MNIST's 10,000 test images, "
        f"{error:.2%} are misread."
    )


def training_data(
    own: Digits, characters: Characters | None, count: int = 55_000
) -> str:
    """Describe in words what is trained on: `count` of MNIST's images, and others."""
    described = f"MNIST ({count:,} training images; 5,000 more for validation)"
    if characters is not None:
        described += ", segments of numbers made of them, and frames that show no digit"
    if characters:
        described += f", of which {REAL:.0%} show characters of Omniglot"
    if len(own):
        digits = (own.labels != NONE).sum()
        described += (
            f"; and other pictures: {digits} digits, {len(own) - digits} non-digits"
        )
    return described


def own_pictures(folder: Path | None, earlier: Path | None) -> Digits:
    """Load the user's own pictures, if any, or those of an earlier run.

    They are framed by the service's network.
    """
    if earlier:
        saved = earlier / PICTURES
        if not saved.exists():
            return NOTHING
        return Digits(*torch.load(saved, weights_only=True))
    if folder is None:
        return NOTHING
    own = pictures.load(folder, Classifier(MODEL))
    print(f"Loaded {len(own)} pictures from {folder}")
    return own


def fit_all(
    runs: Sequence[Run], parts: tuple[Digits, Tensor, Digits], with_board: bool
) -> None:
    """Train each run, and plot it."""
    for run in runs:
        log = plots.tensorboard(run.folder) if with_board else None
        fit(run, run.config.epochs, partial(next_epoch, run, *parts), log)
        plots.history_figure(run.history).savefig(run.folder / "history.png", dpi=120)
        if run.best:
            first = folded(best_network(run))[0]
            plots.plot_weights(first.weight, run.folder / "weights.png")


def train(config: Config, arguments: argparse.Namespace) -> int:
    """Train, and write the model file into the run's folder; return the exit status."""
    place = device.choose_device()
    if arguments.tensorboard:
        plots.require_tensorboard()
    folder = run_to_resume(arguments)
    training, held_out = data.split(data.load(arguments.data, train=True).to(place))
    test = data.load(arguments.data, train=False).to(place)
    own = own_pictures(arguments.pictures, folder)
    if folder:
        config = Config(**options_in(folder))
    config = resolve(config, place)
    if folder is None:
        folder = new_folder(arguments.runs, asdict(config))
        torch.save((own.images, own.labels), folder / PICTURES)
        if config.from_:
            shutil.copyfile(config.from_, folder / START)
    training = training.take(slice(config.digits))
    begun = start.load(folder / START) if config.from_ else start.NOTHING
    print(
        f"Training {architecture(config)} on {place.type} in {config.precision}; the "
        f"run's folder is {folder}"
    )
    print(
        "Training errors are of augmented digits, validation errors of other digits, "
        "unchanged and augmented."
    )
    if begun.networks:
        _, error = validate(Ensemble(begun.networks.values()).to(place), test)
        print(
            f"{config.from_}: of MNIST's 10,000 test images, {error:.2%} are misread."
        )
    characters = omniglot.load(arguments.others) if config.generated else None
    described = training_data(own, characters, len(training))
    learned_from = {"training_data": described, **begun.origin}
    training, others, validation = prepared(training, held_out, characters)
    parts = (*pictures.joined(training, others, own.to(place)), validation)
    runs = []
    for seed in config.seeds:
        begin = begun.networks.get(seed)
        runs.append(setup(config, seed, folder / f"seed-{seed}", place, begin))
    work = partial(fit_all, runs, parts, arguments.tensorboard)
    status = until_interrupted(work, "training.train", folder)
    usable = [run for run in runs if run.best]
    # The last may be interrupted.
    trained = [run for run in usable if run.epochs == config.epochs] or usable
    if trained:
        output = arguments.output or folder / MODEL.name
        finish(trained, output, learned_from, held_out, characters, validation, test)
        print(f"To serve it: digits serve --model {output}")
        print(f'To measure it: make evaluate ARGS="--model {output}"')
    elif not status:
        print(
            "No model was written, since the loss is not a number: try a lower "
            "learning rate.",
            file=sys.stderr,
        )
        return 1
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return exit_status(lambda: train(*parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
