"""The recipe of a training run, and the command line.

Where data and results are stored is an argument of the run, not part of the recipe.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from training.convolution import SHAPES
from training.model import ACTIVATIONS

PEAK_LEARNING_RATES = {"adamw": 2e-3, "sgd": 0.1}
# Peak learning rate of the dense stage, relative to the convolutional one. Ten times as much undoes what that learned.
CONVERTED_RATE = 0.001
MODELS = Path(__file__).parent.parent / "models"
MODEL, LINES_MODEL, PAGES_MODEL = (MODELS / f"{name}.onnx" for name in ("digits", "lines", "pages"))
RUNS = Path("runs")


def limited(kind: type[int] | type[float], low: float, high: float = math.inf) -> dict[str, Any]:
    """Describe an option that takes numbers in [low, high)."""

    def number(text: str) -> float:  # argparse says "invalid number value"
        if not low <= (value := kind(text)) < high:
            raise argparse.ArgumentTypeError(f"{text} is not {f'at least {low}' if high == math.inf else 'below 1'}")
        return value

    return {"type": number, "metavar": "N"}


def option(default: Any, meaning: str, **parsing: Any) -> Any:  # noqa: ANN401
    """Make a field of a recipe that is an option of the command line too."""
    shown = "none" if default == () else numbers(default) if isinstance(default, tuple) else default
    if isinstance(default, bool):
        parsing, shown = {"action": argparse.BooleanOptionalAction}, "on"
    return field(default=default, metadata={"help": meaning if default is None else f"{meaning} ({shown})", **parsing})


def numbers(values: Sequence[int]) -> str:
    """Format numbers as the command line takes them."""
    return " ".join(map(str, values))


COUNT, SHARE = limited(int, 1), limited(float, 0, 1)


@dataclass(frozen=True)
class Config:
    """A training recipe. Runs of equal recipes on one machine end with equal weights."""

    hidden: tuple[int, ...] = option((800, 800), "widths of the hidden layers", nargs="*", **COUNT)
    channels: tuple[int, ...] = option((), "channels of a convolutional network to begin with", nargs="*", **COUNT)
    activation: str = option("relu", "activation of the hidden layers", choices=[*ACTIVATIONS])
    dropout: float = option(0.05, "dropout rate of the hidden layers", **SHARE)
    generated: bool = option(True, "also train on digits cut out of numbers, and on frames that show no digit")
    augment: bool = option(True, "augment the images in each epoch")
    optimizer: str = option("adamw", "sgd uses Nesterov momentum 0.9", choices=[*PEAK_LEARNING_RATES])
    learning_rate: float | None = option(None, "its peak (adamw 0.002, sgd 0.1)", **limited(float, 1e-9))
    weight_decay: float = option(0.01, "weight decay; sgd uses a hundredth of it", **limited(float, 0))
    batch_size: int = option(512, "digits per batch; half as many non-digits are added", **limited(int, 2))
    epochs: int = option(60, "passes over the training digits", **COUNT)
    convolution_share: float = option(0.9, "with --channels: share of the epochs before it becomes dense", **SHARE)
    seeds: tuple[int, ...] = option((0,), "random seeds; the mean of their networks is written", type=int, nargs="+")
    threads: int | None = option(None, "CPU threads (number of cores)", **COUNT)
    precision: str = option("auto", "of matrix products; auto is the faster one", choices=["auto", "fp32", "bf16"])

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the run; by default, it depends on the optimizer."""
        return self.learning_rate or PEAK_LEARNING_RATES[self.optimizer]

    @property
    def convolution_epochs(self) -> int:
        """Epochs of the convolutional stage; at least one is left for the dense one."""
        return min(round(self.convolution_share * self.epochs), self.epochs - 1) if self.channels else 0

    def stage(self, epoch: float) -> tuple[float, float]:
        """Return the peak learning rate of the stage at a fractional epoch, and its completed share, in [0, 1)."""
        first = self.convolution_epochs
        if epoch < first:
            return self.peak_learning_rate, epoch / first
        relative = CONVERTED_RATE if self.channels else 1
        return relative * self.peak_learning_rate, (epoch - first) / (self.epochs - first)

    @property
    def course(self) -> str:
        """A description of the run in words."""
        start = f", the first {self.convolution_epochs} as a convolutional network ({numbers(self.channels)} channels)"
        return f"{self.epochs} epochs{start if self.channels else ''}"

    def command(self) -> str:
        """Return the command line that repeats this recipe."""
        words = ["python -m training.train"]
        for name, value in asdict(self).items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            elif value is not None:
                words.append(f"--{option} {numbers(value) if isinstance(value, tuple) else value}")
        return " ".join(words)


RECIPES = {
    "quick": Config(),
    "best": Config(
        channels=(20, 20, 96), hidden=(256,), dropout=0.0, learning_rate=4e-3, batch_size=256, epochs=72, seeds=(0, 2)
    ),
}


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all programs: where data is stored."""
    group = parser.add_argument_group("data")
    for name, metavar, meaning in (
        ("data", "DIR", "folder with a copy of MNIST, downloaded if missing (MNIST_ROOT, else data/)"),
        ("others", "FILE", "Omniglot's images_background.zip: characters that are no digits (data/omniglot.zip)"),
    ):
        group.add_argument(f"--{name}", type=Path, metavar=metavar, help=meaning)


def add_run_options(parser: argparse.ArgumentParser, runs: Path, model: str) -> None:
    """Add the options of programs that train: where data and results are stored, and the run to resume."""
    add_data_options(parser)
    run = parser.add_argument_group("run")
    for name, metavar, meaning in (
        ("pictures", "DIR", "also train on your own pictures, such as corrected ones: DIR/images and DIR/labels.csv"),
        ("output", "FILE", f"model file to write ({model} in the run's folder)"),
    ):
        run.add_argument(f"--{name}", type=Path, metavar=metavar, help=meaning)
    run.add_argument("--runs", type=Path, default=runs, metavar="DIR", help=f"parent of the run's folder ({runs})")
    resume = "resume the run in this folder (by default the newest), with its options"
    run.add_argument("--resume", nargs="?", const="", metavar="RUN", help=resume)


def require_file_name(parser: argparse.ArgumentParser, output: Path | None) -> None:
    """Refuse an --output that cannot be a file."""
    if output and (output.is_dir() or output.parent.is_file()):
        parser.error(f"--output {output} is not a file's name")


def parser() -> argparse.ArgumentParser:
    """Make the parser of `python -m training.train`. Recipe options that are not given are absent from its result."""
    p = argparse.ArgumentParser("python -m training.train", description="Train the network and write the model file.")
    p.add_argument("--recipe", choices=[*RECIPES], help="recipe to start from; the options below override it (quick)")
    recipe = p.add_argument_group("recipe", argument_default=argparse.SUPPRESS)
    for each in fields(Config):
        recipe.add_argument(f"--{each.name.replace('_', '-')}", **each.metadata)
    add_run_options(p, RUNS, MODEL.name)
    p.add_argument("--tensorboard", action="store_true", help="log the curves too (needs the extra tensorboard)")
    return p


def parse(argv: Sequence[str] | None = None) -> tuple[Config, argparse.Namespace]:
    """Parse the command line into a recipe and the run's arguments."""
    p = parser()
    arguments = p.parse_args(argv)
    choices = {f.name: getattr(arguments, f.name) for f in fields(Config) if hasattr(arguments, f.name)}
    choices = {name: tuple(value) if isinstance(value, list) else value for name, value in choices.items()}
    given = [*choices, *(name for name in ("recipe", "pictures") if getattr(arguments, name))]
    if arguments.resume is not None and given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        p.error(f"--resume uses the options of the run that it resumes: leave out {names}")
    require_file_name(p, arguments.output)
    config = replace(RECIPES[arguments.recipe or "quick"], **choices)
    if len(config.channels) > len(SHAPES):
        p.error(f"--channels takes at most {len(SHAPES)} numbers")
    if config.channels and not config.convolution_epochs:
        p.error("--channels needs at least two epochs, and a --convolution-share above 0")
    if config.channels and config.activation != "relu":
        p.error("--channels needs --activation relu")
    return config, arguments
