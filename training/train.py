"""Train the network: `python -m training.train` writes a model file into a folder in runs/.

    for each seed: setup ──► for each epoch: train_epoch ──► validate ──► save
    the mean of all seeds, each in its best epoch ──► calibrate ──► export ──► second opinion

The best epoch has the lowest validation loss, a criterion that was fixed before the test images were looked at. The
validation set holds the validation images, both unchanged and augmented once, segments of numbers, and non-digits.

A recipe with convolutions has two stages: a convolutional network is trained, converted to a dense one, and trained
further. The best epoch is one of the dense stage.
Each epoch seeds its own random numbers, so a resumed run repeats what an uninterrupted one would have done.
`make evaluate` measures how well the service reads with the resulting file.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.benchmark import Timer
from tqdm import tqdm

from app.inference.classifier import CLASSES, PIXELS, Classifier, ModelError
from training import augment, board, data, omniglot, opinion, pictures
from training.calibrate import calibrated
from training.config import LINES_MODEL, MODEL, Config, numbers, parse
from training.convolution import ConvolutionalNet, converted, dense_widths, maps
from training.data import NOTHING, Digits
from training.export import ExportMismatch, export
from training.generated import cut_out_and_others
from training.model import OUTPUTS, DigitNet, Ensemble, folded
from training.non_digits import REAL
from training.objective import NONE, objective
from training.omniglot import Characters
from training.plots import plot_history, plot_weights
from training.run import (
    NothingToResume,
    Run,
    best_network,
    load,
    make_optimizer,
    new_folder,
    read_folder,
    run_to_resume,
    save,
)

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

WARM_UP = 0.1  # share of a stage in which the learning rate rises
OTHERS = 0.5  # non-digits per digit
VALIDATION_SEED = 10**6


def learning_rate(peak: float, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1) of a stage: linear warm-up, then cosine decay to 0.

    The one-cycle policy of Smith & Topin (2018) with the cosine of Loshchilov & Hutter (2017).
    """
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    return peak * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def steps_per_epoch(config: Config, digits: Digits) -> int:
    """Count the full batches in the digits; if there is only one batch, it need not be full."""
    return max(1, len(digits) // config.batch_size)


def train_epoch(run: Run, digits: Digits, others: Tensor, bar: "tqdm[Any]") -> tuple[float, float]:
    """Train for the run's next epoch, on every digit once and half as many others (M, 28, 28).

    Returns the mean training loss, and the error rate on the augmented digits. An incomplete last batch is dropped.
    """
    config, device = run.config, digits.images.device
    seed = run.seed * 100_000 + run.epochs
    torch.manual_seed(seed)  # dropout draws from the global generator
    generator = torch.Generator(device).manual_seed(seed)
    batches = torch.split(torch.randperm(len(digits), generator=generator, device=device), config.batch_size)
    batches = batches[: steps_per_epoch(config, digits)]
    stage = config.stage(run.epochs)
    run.model.train()
    if config.channels and isinstance(run.model, DigitNet):
        run.model.keep_statistics()  # the channels': those of a batch are noisy for a unit, which is one position
    total, wrong = torch.zeros((), device=device), torch.zeros((), device=device)
    for step, index in enumerate(batches):
        progress = stage.progress(run.epochs + step / len(batches))
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(stage.peak_learning_rate, progress)
        count = round(OTHERS * len(index)) if len(others) else 0
        some = torch.randint(len(others) or 1, (count,), generator=generator, device=device)
        batch = digits.take(index).with_others(others[some])
        images = batch.images.float() / 255  # (N, 28, 28) in [0, 1]
        if config.augment:
            images[: len(index)] = augment.augment(images[: len(index)], digits.labels[index], generator)
            if len(others):
                images[len(index) :] = augment.augment_others(images[len(index) :], generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = run.model(images)
        loss = objective(logits, batch.labels)
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
        total += loss.detach()
        wrong += (logits[: len(index), :CLASSES].argmax(dim=1) != digits.labels[index]).sum()
        bar.update()
    return total.item() / len(batches), wrong.item() / sum(map(len, batches))


def convert(run: Run) -> None:
    """Convert the run's network to a dense one, with a new optimizer."""
    assert isinstance(run.model, ConvolutionalNet)
    run.model = converted(run.model, run.config.dropout)
    run.optimizer = make_optimizer(run.config, run.model)


@torch.inference_mode()
def validate(model: DigitNet | ConvolutionalNet | Ensemble, frames: Digits) -> tuple[float, float]:
    """Compute the loss on frames, and the error rate on the digits among them."""
    model.eval()
    logits = torch.cat([model(part.float() / 255) for part in torch.split(frames.images, 5_000)])
    is_digit = frames.labels != NONE
    error = (logits[:, :CLASSES].argmax(dim=1) != frames.labels)[is_digit].float().mean()
    return objective(logits, frames.labels).item(), error.item()


def mixture(digits: Digits, cut_out: Digits, others: Tensor) -> Digits:
    """Build a validation set: the digits, unchanged and augmented once with a fixed seed; segments and non-digits."""
    generator = torch.Generator(digits.images.device).manual_seed(VALIDATION_SEED)
    deformed = augment.augment(digits.images.float() / 255, digits.labels, generator)
    images = torch.cat([digits.images, (255 * deformed).round().byte()])
    return Digits(images, digits.labels.repeat(2)).joined(cut_out).with_others(others)


def fit(
    run: Run,
    training: Digits,
    others: Tensor,
    validation: Digits,
    folder: Path,
    scalars: "SummaryWriter | None" = None,
) -> None:
    """Train from the run's last epoch to its end, saving a checkpoint after each epoch."""
    folder.mkdir(exist_ok=True)
    steps = steps_per_epoch(run.config, training)
    total = run.config.epochs
    with tqdm(total=total * steps, initial=run.epochs * steps, unit="step", disable=None) as bar:
        while run.epochs < total:
            bar.set_description(f"epoch {run.epochs + 1}/{total}")
            started = time.perf_counter()
            if run.epochs == run.config.convolution_epochs > 0:
                convert(run)
            loss, error = train_epoch(run, training, others, bar)
            validation_loss, validation_error = validate(run.model, validation)
            if isinstance(run.model, DigitNet) and validation_loss <= run.best_loss:
                run.best = {name: value.clone() for name, value in run.model.state_dict().items()}
            run.history.append(
                {
                    "epoch": run.epochs + 1,
                    "training_loss": loss,
                    "training_error": error,
                    "validation_loss": validation_loss,
                    "validation_error": validation_error,
                    "seconds": time.perf_counter() - started,
                }
            )
            save(run, folder)
            if scalars:
                board.log(scalars, run.history[-1])
            bar.set_postfix_str(f"loss {loss:.3f}, validation loss {validation_loss:.3f}")
            bar.write(
                f"epoch {run.epochs:3}  training loss {loss:.4f}, error {error:.2%}  "
                f"validation loss {validation_loss:.4f}, error {validation_error:.2%}"
            )


class DeviceMissing(Exception):
    """The named device does not exist here."""


def choose_device(name: str) -> torch.device:
    """Return the named device; "auto" is an accelerator if there is one."""
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (AssertionError, RuntimeError) as error:
            raise DeviceMissing(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from error
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def resolve(config: Config, device: torch.device) -> Config:
    """Make every automatic choice of the recipe that is still open, and set the number of threads."""
    threads = config.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    precision = faster_precision(device) if config.precision == "auto" else config.precision
    return replace(config, threads=threads, precision=precision, learning_rate=config.peak_learning_rate)


def faster_precision(device: torch.device) -> str:
    """Return bf16 if the hardware multiplies it faster than fp32. A CPU is timed, since many emulate it."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    matrix = torch.ones((512, 512))
    return "bf16" if speedup_in_bf16(lambda: matrix @ matrix) > 1 / 0.7 else "fp32"


def speedup_in_bf16(work: Callable[[], object]) -> float:
    """Return how many times faster the CPU does some work in bf16 than in fp32."""
    seconds = []
    for is_bf16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
            seconds.append(timer.blocked_autorange().median)
    return seconds[0] / seconds[1]


def architecture(config: Config) -> str:
    """Format the widths of the dense network's layers, such as 784-800-800-11."""
    return "-".join(map(str, [PIXELS, *dense_widths(config.channels, config.hidden), OUTPUTS]))


def finish(
    runs: Sequence[Run], output: Path, learned_from: str, held_out: Digits, validation: Digits, test: Digits
) -> str:
    """Calibrate and export the mean of the runs' best epochs; summarise it in a sentence.

    The test images are used only then, with the float32 networks; `make evaluate` measures the file.
    """
    config, epochs = runs[0].config, min(run.epochs for run in runs)
    mean = Ensemble(map(best_network, runs))
    loss, error = validate(mean, validation)[0], validate(mean, test)[1]
    errors = [validate(network, test)[1] for network in mean.networks]
    model, calibration = calibrated(mean, held_out, validation)
    interrupted = f" (interrupted after {epochs})" if epochs < config.epochs else ""
    metadata = {
        "architecture": architecture(config) if len(runs) == 1 else f"{len(runs)} × {architecture(config)}",
        "activation": config.activation,
        "layers": " ".join([*(f"{n}x{side}x{side}" for n, side in maps(config.channels)), numbers(config.hidden)]),
        "training_data": learned_from,
        "recipe": config.command(),
        "seed": numbers([run.seed for run in runs]),
        "course": f"{config.course}{interrupted}",
        "epochs": str(epochs),
        "validation_loss": f"{loss:.4f}",
        "test_error_percent": f"{error:.2%}".rstrip("%"),
        "seeds": "; ".join(
            f"seed {run.seed}: validation loss {run.best_loss:.4f}, test error {own_error:.2%}"
            for run, own_error in zip(runs, errors, strict=True)
        )
        + (f"; mean of the test errors {fmean(errors):.2%}" if len(errors) > 1 else ""),
        "calibration": str(calibration),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    export(model, output, metadata, validation.images)
    if config.generated:
        opinion.add(output, LINES_MODEL, validation)
    return f"{output}: validation loss {loss:.4f}; of MNIST's 10,000 test images, {error:.2%} are misread."


def training_data(own: Digits, digits: Digits, others: Tensor, characters: Characters) -> str:
    """Describe the training data in words: MNIST, what is made from it, and the user's own pictures."""
    mnist = "MNIST (55,000 training images; 5,000 more for validation)"
    if len(others):
        real = f", of which {REAL:.0%} show characters of Omniglot" if characters else ""
        mnist += f", segments of numbers made of them, and frames that show no digit{real}"
    if not len(own):
        return mnist
    return f"{mnist}; and other pictures: {pictures.described(own, len(digits), len(others))}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    config, arguments = parse(argv)
    try:
        return train(config, arguments)
    except (
        board.TensorBoardMissing,
        data.DataMissing,
        DeviceMissing,
        pictures.PicturesMissing,
        ExportMismatch,
        ModelError,
        NothingToResume,
    ) as error:
        print(error, file=sys.stderr)
        return 1


def train(config: Config, arguments: argparse.Namespace) -> int:
    """Train, and write the model file into the run's folder; return the exit status."""
    device = choose_device(arguments.device)
    if arguments.tensorboard:
        board.check_installed()
    folder = run_to_resume(arguments)
    training, held_out = (part.to(device) for part in data.split(data.load(arguments.data, train=True)))
    test = data.load(arguments.data, train=False).to(device)
    config, own = read_folder(folder) if folder else (config, own_pictures(arguments.pictures))
    config = resolve(config, device)
    folder = folder or new_folder(arguments.runs, config, own)
    print(f"Training {architecture(config)} on {device.type} in {config.precision}; the run's folder is {folder}")
    kinds = "unchanged, augmented and cut out of numbers" if config.generated else "unchanged and augmented"
    print(f"Training errors are of augmented digits, validation errors of 5,000 other digits, {kinds}.")
    characters = omniglot.load(omniglot.chosen(arguments.others)) if config.generated else []
    seen, unseen = characters[: -len(characters) // 10], characters[-len(characters) // 10 :]
    none = NOTHING.to(device), NOTHING.images.to(device)
    cut_out, others = cut_out_and_others(training, 0, seen) if config.generated else none
    made = cut_out_and_others(held_out, VALIDATION_SEED, unseen) if config.generated else none
    training, validation = training.joined(cut_out), mixture(held_out, *made)
    learned_from = training_data(own, training, others, characters)
    training, others = pictures.joined(training, others, own.to(device))
    runs, status = fit_all(config, folder, (training, others, validation), arguments.tensorboard)
    usable = [run for run in runs if run.best]
    trained = [run for run in usable if run.epochs == config.epochs] or usable  # the last may be interrupted
    if trained:
        output = arguments.output or folder / MODEL.name
        print(finish(trained, output, learned_from, held_out, validation, test))
        print(f"To serve it: digits serve --model {output}")
        print(f'To measure it: make evaluate ARGS="--model {output}"')
    elif not status:
        print("No model was written, since the loss is not a number: try a lower learning rate.", file=sys.stderr)
        return 1
    return status


def own_pictures(folder: Path | None) -> Digits:
    """Load the pictures in a folder, framed by the service's own network, if there is a folder."""
    if folder is None:
        return NOTHING
    own = pictures.load(folder, Classifier(MODEL))
    print(f"Loaded {len(own)} pictures from {folder}")
    return own


def fit_all(
    config: Config, folder: Path, parts: tuple[Digits, Tensor, Digits], with_board: bool
) -> tuple[list[Run], int]:
    """Train a run for each seed, until done or interrupted by Ctrl-C; return the runs and the exit status."""
    runs: list[Run] = []
    try:
        for seed in config.seeds:
            place = folder / f"seed-{seed}"
            runs.append(load(config, seed, place, parts[0].images.device))
            with board.open_board(place, with_board) as scalars:
                fit(runs[-1], *parts, place, scalars)
            draw(runs[-1], place)
    except KeyboardInterrupt:
        print(f"\nInterrupted. To resume: python -m training.train --resume {folder}")
        return runs, 130
    return runs, 0


def draw(run: Run, folder: Path) -> None:
    """Plot the run's curves, and the first layer's weights of its best epoch."""
    plot_history(run.history, folder / "history.png")
    if run.best:
        plot_weights(folded(best_network(run))[0][0].numpy(), folder / "weights.png")


if __name__ == "__main__":
    sys.exit(main())
