"""Train the network: `python -m training.train` writes a model file into runs/.

    for each seed: setup ──► for each epoch: train_epoch ──► validate ──► save the mean
    of all seeds, each in its best epoch ──► calibrate ──► export ──► second opinion

With `--from FILE`, each seed's network in the file is trained further, for a short
while at a low rate.

The best epoch has the lowest validation loss, a criterion that was fixed before the
test images were looked at. The validation set holds the validation images, both
unchanged and augmented once, segments of numbers, and non-digits. `make evaluate`
measures how well the service reads with the resulting file.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from app.digit.classifier import Classifier
from app.text.line_network import LineNetwork
from training import data, omniglot, pictures
from training.calibrate import calibrated
from training.data import NONE, NOTHING, Digits
from training.digits import device, plots, start
from training.digits.convolution import maps
from training.digits.examples import prepared
from training.digits.export import export
from training.digits.learning import best_network, next_epoch, setup, validate
from training.digits.model import Ensemble, folded
from training.digits.non_digits import REAL
from training.digits.recipe import RECIPES, Recipe, add_options, numbers
from training.errors import exit_status, until_interrupted
from training.omniglot import Characters
from training.opinion import add_opinion
from training.options import (
    FOLDER,
    LINES_MODEL,
    MODEL,
    add_run_options,
    add_start_options,
    parsed,
)
from training.run import RECIPE, Run, fit, load_recipe, new_folder, run_to_resume

RUNS = Path("runs")
PICTURES = "pictures.pt"  # in the run's folder: the frames of the user's own pictures
START = "start.onnx"  # likewise: the file to train further
FIELDS = {field.name for field in fields(Recipe)}
OF_NETWORKS = {"hidden", "channels", "activation", "seeds"}


def parser() -> argparse.ArgumentParser:
    """Make the parser of `python -m training.train`."""
    p = argparse.ArgumentParser(
        "python -m training.train",
        description="Train the network and write the model file.",
        epilog=f"Recipes: {json.dumps({k: asdict(v) for k, v in RECIPES.items()})}",
    )
    recipes = "quick (by default), best, or a JSON file; options override it"
    add_start_options(p, recipes).add_argument(
        "--from",
        dest="from_",
        metavar="FILE",
        help="train the networks of this file further, such as models/digits.onnx",
    )
    add_options(p)
    add_run_options(p, RUNS, MODEL.name)
    p.add_argument(
        "--pictures",
        help="also train on your own pictures, such as corrected ones: DIR/images and "
        "DIR/labels.csv",
        **FOLDER,
    )
    p.add_argument(
        "--tensorboard",
        action="store_true",
        help="log the curves too (needs the extra tensorboard)",
    )
    return p


def parse(argv: Sequence[str] | None = None) -> tuple[Recipe, argparse.Namespace]:
    """Parse the command line into a recipe and the run's arguments."""
    p = parser()
    arguments = parsed(p, argv)
    given = {name for name, value in vars(arguments).items() if value is not None}
    begun = RECIPES["quick"]
    fixed = set[str]()
    if arguments.resume is not None:
        fixed = {*FIELDS, "pictures"}
    elif arguments.from_:
        begun = start.load(Path(arguments.from_)).recipe
        fixed = OF_NETWORKS
    elif arguments.recipe in RECIPES:
        begun = RECIPES[arguments.recipe]
    elif arguments.recipe:
        begun = load_recipe(Recipe, Path(arguments.recipe))
    if refused := sorted(given & fixed):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in refused)
        p.error(f"the options of a run or file are its own: leave out {names}")
    changes = {name: getattr(arguments, name) for name in given & FIELDS}
    try:
        return replace(begun, **changes), arguments
    except ValueError as error:
        p.error(str(error))


def resolve(recipe: Recipe, place: torch.device) -> Recipe:
    """Make every automatic choice of the recipe, and set the number of threads."""
    threads = recipe.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    precision = recipe.precision
    if precision == "auto":
        precision = device.faster_precision(place)
    return replace(
        recipe,
        threads=threads,
        precision=precision,
        learning_rate=recipe.peak_learning_rate,
    )


def new_run(arguments: argparse.Namespace, recipe: Recipe, place: torch.device) -> Path:
    """Make a folder with all that a run starts from.

    The user's own pictures, if any, are framed by the service's network.
    """
    own = None
    if arguments.pictures:
        own = pictures.load(arguments.pictures, Classifier(MODEL))
        print(f"Loaded {len(own)} pictures from {arguments.pictures}")
    folder = new_folder(arguments.runs, asdict(resolve(recipe, place)))
    if own:
        torch.save((own.images, own.labels), folder / PICTURES)
    if recipe.from_:
        shutil.copyfile(recipe.from_, folder / START)
    return folder


def own_pictures(folder: Path) -> Digits:
    """Load the user's own pictures that a run's folder holds, if any."""
    if not (folder / PICTURES).exists():
        return NOTHING
    return Digits(*torch.load(folder / PICTURES, weights_only=True))


def training_data(own: Digits, characters: Characters | None, count: int) -> str:
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


def fit_all(
    runs: Sequence[Run], parts: tuple[Digits, torch.Tensor, Digits], with_board: bool
) -> None:
    """Train each run, and plot it."""
    for run in runs:
        log = plots.tensorboard(run.folder) if with_board else None
        fit(run, run.recipe.epochs, partial(next_epoch, run, *parts), log)
        plots.history_figure(run.history).savefig(run.folder / "history.png", dpi=120)
        if run.best:
            first = folded(best_network(run))[0]
            plots.plot_weights(first.weight, run.folder / "weights.png")


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
    recipe = runs[0].recipe
    epochs = min(run.epochs for run in runs)
    mean = Ensemble(map(best_network, runs))
    loss, _ = validate(mean, validation)
    _, error = validate(mean, test)
    model, calibration = calibrated(mean, held_out, validation)
    course = recipe.course
    if epochs < recipe.epochs:
        course += f" (interrupted after {epochs})"
    seeds = []
    for run, network in zip(runs, mean.networks, strict=True):
        _, alone = validate(network, test)
        seeds.append(
            f"seed {run.seed}: validation loss {run.best_loss:.4f}, test error "
            f"{alone:.2%}"
        )
    widths = "-".join(map(str, recipe.widths))
    layers = [f"{count}x{side}x{side}" for count, side in maps(recipe.channels)]
    metadata = {
        "architecture": widths if len(runs) == 1 else f"{len(runs)} × {widths}",
        "activation": recipe.activation,
        "layers": " ".join([*layers, numbers(recipe.hidden)]),
        **learned_from,
        "recipe": json.dumps(asdict(recipe)),
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


def train(recipe: Recipe, arguments: argparse.Namespace) -> int:
    """Train, and write the model file into the run's folder; return the exit status."""
    place = device.choose_device()
    if arguments.tensorboard:
        plots.require_tensorboard()
    folder = run_to_resume(arguments)
    training, held_out = data.split(data.load(arguments.data, train=True).to(place))
    test = data.load(arguments.data, train=False).to(place)
    if folder is None:
        folder = new_run(arguments, recipe, place)
    recipe = resolve(load_recipe(Recipe, folder / RECIPE), place)
    own = own_pictures(folder)
    training = training.take(slice(recipe.digits))
    print(
        f"Training {'-'.join(map(str, recipe.widths))} on {place.type} in "
        f"{recipe.precision}; the run's folder is {folder}"
    )
    print(
        "Training errors are of augmented digits, validation errors of other digits, "
        "unchanged and augmented."
    )
    begun = start.NOTHING
    if recipe.from_:
        begun = start.load(folder / START)
        _, error = validate(Ensemble(begun.networks.values()).to(place), test)
        print(
            f"{recipe.from_}: of MNIST's 10,000 test images, {error:.2%} are misread."
        )
    characters = omniglot.load(arguments.others) if recipe.generated else None
    described = training_data(own, characters, len(training))
    learned_from = {"training_data": described, **begun.origin}
    training, others, validation = prepared(training, held_out, characters)
    parts = (*pictures.joined(training, others, own.to(place)), validation)
    runs = []
    for seed in recipe.seeds:
        begin = begun.networks.get(seed)
        runs.append(setup(recipe, seed, folder / f"seed-{seed}", place, begin))
    work = partial(fit_all, runs, parts, arguments.tensorboard)
    status = until_interrupted(work, "training.train", folder)
    usable = [run for run in runs if run.best]
    # The last may be interrupted.
    trained = [run for run in usable if run.epochs == recipe.epochs] or usable
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
