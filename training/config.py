"""The recipe of a training run, and the command line.

Where data and results are stored is an argument of the run, not part of the recipe.
"""

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from app.digit.classifier import PIXELS
from training.digits import start
from training.digits.convolution import SHAPES, dense_widths
from training.digits.model import ACTIVATIONS, OUTPUTS
from training.errors import TrainingError
from training.run import with_tuples

PEAK_LEARNING_RATES = {"adamw": 2e-3, "sgd": 0.1}
# Peak learning rate of the dense stage, relative to the convolutional one. Ten times as
# much undoes what that learned.
CONVERTED_RATE = 0.001
MODELS = Path(__file__).parent.parent / "models"
MODEL = MODELS / "digits.onnx"
LINES_MODEL = MODELS / "lines.onnx"
PAGES_MODEL = MODELS / "pages.onnx"
RUNS = Path("runs")

# How the command line parses an option.
Parsing = dict[str, Any]


def limited(
    kind: type[int] | type[float], low: float, high: float = math.inf
) -> Parsing:
    """Parse numbers in [low, high)."""

    def number(text: str) -> float:  # argparse says "invalid number value"
        value = kind(text)
        if not low <= value < high:
            limit = f"at least {low}" if high == math.inf else "below 1"
            raise argparse.ArgumentTypeError(f"{text} is not {limit}")
        return value

    return {"type": number, "metavar": "N"}


COUNT = limited(int, 1)
COUNTS: Parsing = {"nargs": "*", **COUNT}
SHARE = limited(float, 0, 1)
FILE: Parsing = {"type": Path, "metavar": "FILE"}
FOLDER: Parsing = {"type": Path, "metavar": "DIR"}


def option(default: Any, meaning: str, parsing: Parsing) -> Any:  # noqa: ANN401
    """Make a field of a recipe that is an option of the command line too."""
    shown = default
    if isinstance(default, tuple):
        shown = numbers(default) or "none"
    elif default is True:
        shown = "on"
    text = meaning if default is None else f"{meaning} ({shown})"
    return field(default=default, metadata={"help": text, **parsing})


def numbers(values: Sequence[int]) -> str:
    """Format numbers as the command line takes them."""
    return " ".join(map(str, values))


def option_of(name: str) -> str:
    """Return the option for a field; `from` is a keyword, so its field is `from_`."""
    return f"--{name.rstrip('_').replace('_', '-')}"


SWITCH: Parsing = {"action": argparse.BooleanOptionalAction}


@dataclass(frozen=True)
class Config:
    """A recipe. Runs of equal recipes on one machine end with equal weights."""

    hidden: tuple[int, ...] = option((800, 800), "widths of the hidden layers", COUNTS)
    channels: tuple[int, ...] = option(
        (), "channels of a convolutional network to begin with", COUNTS
    )
    activation: str = option(
        "relu", "activation of the hidden layers", {"choices": [*ACTIVATIONS]}
    )
    dropout: float = option(0.05, "dropout rate of the hidden layers", SHARE)
    generated: bool = option(
        True,
        "also train on digits cut out of numbers, and on frames that show no digit",
        SWITCH,
    )
    augment: bool = option(True, "augment the images in each epoch", SWITCH)
    optimizer: str = option(
        "adamw", "sgd uses Nesterov momentum 0.9", {"choices": [*PEAK_LEARNING_RATES]}
    )
    learning_rate: float | None = option(
        None, "its peak (adamw 0.002, sgd 0.1)", limited(float, 1e-9)
    )
    weight_decay: float = option(
        0.01, "weight decay; sgd uses a hundredth of it", limited(float, 0)
    )
    batch_size: int = option(
        512, "digits per batch; half as many non-digits are added", limited(int, 2)
    )
    epochs: int = option(60, "passes over the training digits", COUNT)
    convolution_share: float = option(
        0.9, "with --channels: share of the epochs before it becomes dense", SHARE
    )
    seeds: tuple[int, ...] = option(
        (0,),
        "random seeds; the mean of their networks is written",
        {"type": int, "nargs": "+"},
    )
    threads: int | None = option(None, "CPU threads (number of cores)", COUNT)
    precision: str = option(
        "auto",
        "of matrix products; auto is the faster one",
        {"choices": ["auto", "fp32", "bf16"]},
    )
    digits: int | None = option(
        None, "how many of MNIST's training digits, from the first (55,000)", COUNT
    )
    from_: str | None = option(
        None,
        "model file to train further, such as models/digits.onnx",
        {"metavar": "FILE"},
    )

    @property
    def widths(self) -> list[int]:
        """The widths of the dense network's layers, from the pixels to the outputs."""
        return [PIXELS, *dense_widths(self.channels, self.hidden), OUTPUTS]

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate; its default depends on the optimizer."""
        return self.learning_rate or PEAK_LEARNING_RATES[self.optimizer]

    @property
    def convolution_epochs(self) -> int:
        """Epochs of the convolutional stage; at least one is left for the dense one."""
        if self.from_ or not self.channels:
            return 0
        return min(round(self.convolution_share * self.epochs), self.epochs - 1)

    def stage(self, epoch: float) -> tuple[float, float]:
        """Return the peak learning rate and the completed share of a stage.

        Parameters
        ----------
        epoch : float
            A point in the run, in epochs.
        """
        first = self.convolution_epochs
        if epoch < first:
            return self.peak_learning_rate, epoch / first
        relative = CONVERTED_RATE if first else 1
        completed = (epoch - first) / (self.epochs - first)  # in [0, 1)
        return relative * self.peak_learning_rate, completed

    @property
    def course(self) -> str:
        """A description of the run in words."""
        if self.from_:
            return f"epochs from {self.from_} on: {self.epochs}"
        if not self.channels:
            return f"{self.epochs} epochs"
        return (
            f"{self.epochs} epochs, the first {self.convolution_epochs} as a "
            f"convolutional network ({numbers(self.channels)} channels)"
        )

    def command(self) -> str:
        """Return the command line that repeats this recipe."""
        words = ["python -m training.train"]
        for name, value in asdict(self).items():
            option = option_of(name)
            if isinstance(value, bool):
                words.append(option if value else option.replace("--", "--no-"))
            elif isinstance(value, tuple):
                words += [option, numbers(value)]
            elif value is not None:
                words += [option, shlex.quote(str(value))]
        return " ".join(words)


RECIPES = {
    "quick": Config(),
    "best": Config(
        channels=(20, 20, 96),
        hidden=(256,),
        dropout=0.0,
        learning_rate=4e-3,
        batch_size=256,
        epochs=72,
        seeds=(0, 2),
    ),
}


# What training further cannot change.
OF_NETWORKS = "hidden", "channels", "activation", "seeds"


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where data is stored."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        help="folder with a copy of MNIST, downloaded if missing (MNIST_ROOT, else "
        "data/)",
        **FOLDER,
    )
    group.add_argument(
        "--others",
        help="Omniglot's images_background.zip: characters that are no digits "
        "(data/omniglot.zip)",
        **FILE,
    )


def add_run_options(parser: argparse.ArgumentParser, runs: Path, model: str) -> None:
    """Add the options that say where a run's data and results are stored."""
    add_data_options(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--pictures",
        help="also train on your own pictures, such as corrected ones: DIR/images and "
        "DIR/labels.csv",
        **FOLDER,
    )
    group.add_argument(
        "--output", help=f"model file to write ({model} in the run's folder)", **FILE
    )
    group.add_argument(
        "--runs", default=runs, help=f"parent of the run's folder ({runs})", **FOLDER
    )
    group.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="resume the run in this folder (by default the newest), with its options",
    )


def parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse a command line, and refuse an --output that cannot be a file."""
    arguments = parser.parse_args(argv)
    output = arguments.output
    if output and (output.is_dir() or output.parent.is_file()):
        parser.error(f"--output {output} is not a file's name")
    return arguments


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a recipe; those that are not given will be absent."""
    recipe = parser.add_argument_group("recipe", argument_default=argparse.SUPPRESS)
    for each in fields(Config):
        recipe.add_argument(option_of(each.name), dest=each.name, **each.metadata)


def choices_in(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a recipe that were given."""
    names = [each.name for each in fields(Config) if hasattr(arguments, each.name)]
    return with_tuples({name: getattr(arguments, name) for name in names})


def further(file: str) -> Config:
    """Return the recipe of a file's networks, with another end, to train them further.

    The rate and the epochs were chosen on pictures by three drawn hands.
    """
    given = start.load(Path(file))
    earlier = argparse.ArgumentParser(exit_on_error=False)
    add_recipe_options(earlier)
    try:
        arguments, _ = earlier.parse_known_args(shlex.split(given.recipe))
    except (argparse.ArgumentError, ValueError) as error:
        raise TrainingError(
            f"{file} cannot be trained further: its recipe is unknown."
        ) from error
    config = replace(
        Config(**choices_in(arguments)),
        seeds=tuple(given.networks),
        optimizer="adamw",
        learning_rate=1e-4,
        batch_size=256,
        epochs=1,
        digits=20_000,
        threads=None,
        precision="auto",
        from_=file,
    )
    if any(network.widths != config.widths for network in given.networks.values()):
        raise TrainingError(
            f"{file} cannot be trained further: it has other layers than its recipe."
        )
    return config


def parser() -> argparse.ArgumentParser:
    """Make the parser of `python -m training.train`."""
    p = argparse.ArgumentParser(
        "python -m training.train",
        description="Train the network and write the model file.",
    )
    p.add_argument(
        "--recipe",
        choices=[*RECIPES],
        help="recipe to start from; the options below override it (quick)",
    )
    add_recipe_options(p)
    add_run_options(p, RUNS, MODEL.name)
    p.add_argument(
        "--tensorboard",
        action="store_true",
        help="log the curves too (needs the extra tensorboard)",
    )
    return p


def parse(argv: Sequence[str] | None = None) -> tuple[Config, argparse.Namespace]:
    """Parse the command line into a recipe and the run's arguments."""
    p = parser()
    arguments = parsed(p, argv)
    choices = choices_in(arguments)
    if arguments.resume is not None:
        others = [name for name in ("recipe", "pictures") if getattr(arguments, name)]
        if given := [*choices, *others]:
            p.error(
                "--resume uses the options of the run that it resumes: leave out "
                f"{options(given)}"
            )
    if "from_" not in choices:
        begun = RECIPES[arguments.recipe or "quick"]
    elif arguments.recipe:
        p.error("--from uses the recipe of its file: leave out --recipe")
    else:
        begun = further(choices["from_"])
    config = replace(begun, **choices)
    changed = [n for n in OF_NETWORKS if getattr(config, n) != getattr(begun, n)]
    if config.from_ and changed:
        p.error(f"--from uses the networks of its file: leave out {options(changed)}")
    if len(config.channels) > len(SHAPES):
        p.error(f"--channels takes at most {len(SHAPES)} numbers")
    if config.channels and not (config.convolution_epochs or config.from_):
        p.error(
            "--channels needs at least two epochs, and a --convolution-share above 0"
        )
    if config.channels and config.activation != "relu":
        p.error("--channels needs --activation relu")
    return config, arguments


def options(names: Sequence[str]) -> str:
    """List the options for some fields."""
    return ", ".join(map(option_of, names))
