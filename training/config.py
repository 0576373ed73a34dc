"""The recipe of a training run, and the command line.

Where data and results are stored is an argument of the run, not part of the recipe.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from training.convolution import SHAPES
from training.model import ACTIVATIONS

PEAK_LEARNING_RATES = {"adamw": 2e-3, "sgd": 0.1}
# Peak learning rate of the dense stage, relative to the convolutional one. Ten times as much undoes what that learned.
CONVERTED_RATE = 0.001
MODELS = Path(__file__).parent.parent / "models"
MODEL, LINES_MODEL = MODELS / "digits.onnx", MODELS / "lines.onnx"
RUNS = Path("runs")


class Stage(NamedTuple):
    """A part of the run with its own learning-rate schedule: its epochs, and the peak learning rate."""

    first_epoch: int
    end_epoch: int
    peak_learning_rate: float

    def progress(self, epoch: float) -> float:
        """Return the completed fraction of the stage at a fractional epoch, in [0, 1)."""
        return (epoch - self.first_epoch) / (self.end_epoch - self.first_epoch)


@dataclass(frozen=True)
class Config:
    """A training recipe. Runs of equal recipes on one machine end with equal weights."""

    hidden: tuple[int, ...] = (800, 800)
    channels: tuple[int, ...] = ()
    activation: str = "relu"
    dropout: float = 0.05
    generated: bool = True
    augment: bool = True
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float = 0.01
    batch_size: int = 512
    epochs: int = 60
    convolution_share: float = 0.875
    seeds: tuple[int, ...] = (0,)
    threads: int | None = None
    precision: str = "auto"

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the run; by default, it depends on the optimizer."""
        return self.learning_rate or PEAK_LEARNING_RATES[self.optimizer]

    @property
    def convolution_epochs(self) -> int:
        """Epochs of the convolutional stage; at least one is left for the dense one."""
        return min(round(self.convolution_share * self.epochs), self.epochs - 1) if self.channels else 0

    def stage(self, epoch: int) -> Stage:
        """Return the stage that an epoch, counted from 0, belongs to."""
        if epoch < self.convolution_epochs:
            return Stage(0, self.convolution_epochs, self.peak_learning_rate)
        share = CONVERTED_RATE if self.channels else 1
        return Stage(self.convolution_epochs, self.epochs, share * self.peak_learning_rate)

    @property
    def course(self) -> str:
        """A description of the run in words."""
        if not self.channels:
            return f"{self.epochs} epochs"
        return (
            f"{self.convolution_epochs} epochs as a convolutional network ({numbers(self.channels)} channels), then "
            f"converted to a dense one, all of whose weights are free, for {self.epochs - self.convolution_epochs} more"
        )

    def to_json(self) -> str:
        """Serialise to JSON, one option per line, for `from_json`."""
        return json.dumps(asdict(self), indent=2)

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

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Parse what `to_json` wrote."""
        return cls(**with_tuples(json.loads(text)))


RECIPES = {
    "quick": Config(),
    "best": Config(
        channels=(20, 20, 96),
        hidden=(256,),
        dropout=0.0,
        learning_rate=4e-3,
        batch_size=256,
        epochs=72,
        convolution_share=0.9,
        seeds=(0, 2),
    ),
}


def parser() -> argparse.ArgumentParser:
    """Make the parser of `python -m training.train`. Recipe options that are not given are absent from its result."""
    d = Config()
    p = argparse.ArgumentParser("python -m training.train", description="Train the network and write the model file.")

    p.add_argument("--recipe", choices=[*RECIPES], help="recipe to start from; the options below override it (quick)")
    net = p.add_argument_group("network", argument_default=argparse.SUPPRESS)
    net.add_argument(
        "--hidden", type=positive, nargs="*", metavar="N", help=f"widths of the hidden layers ({numbers(d.hidden)})"
    )
    net.add_argument(
        "--channels",
        type=positive,
        nargs="*",
        metavar="N",
        help="first train a convolutional network, with these channels before the hidden layers, then convert it to "
        "a dense one (none)",
    )
    net.add_argument("--activation", choices=[*ACTIVATIONS], help=f"activation of the hidden layers ({d.activation})")
    net.add_argument("--dropout", type=share, metavar="P", help=f"dropout rate of the hidden layers ({d.dropout})")

    fit = p.add_argument_group("training", argument_default=argparse.SUPPRESS)
    fit.add_argument("--epochs", type=positive, metavar="N", help=f"passes over the training digits ({d.epochs})")
    fit.add_argument(
        "--convolution-share",
        type=share,
        metavar="P",
        help=f"with --channels: share of the epochs that train the convolutional network ({d.convolution_share})",
    )
    fit.add_argument(
        "--batch-size",
        type=size,
        metavar="N",
        help=f"digits per batch; half as many non-digits are added ({d.batch_size})",
    )
    fit.add_argument(
        "--optimizer", choices=[*PEAK_LEARNING_RATES], help=f"sgd uses Nesterov momentum 0.9 ({d.optimizer})"
    )
    fit.add_argument(
        "--learning-rate",
        type=above_zero,
        metavar="R",
        help="peak; linear warm-up for a tenth of the run, then cosine decay to 0; with --channels, in each of its "
        "two stages (adamw 0.002, sgd 0.1)",
    )
    fit.add_argument(
        "--weight-decay",
        type=decay,
        metavar="W",
        help=f"weight decay; sgd uses a hundredth of it ({d.weight_decay})",
    )
    fit.add_argument(
        "--generated",
        action=argparse.BooleanOptionalAction,
        help="also train on digits cut out of numbers, and on frames that show no digit (on)",
    )
    fit.add_argument("--augment", action=argparse.BooleanOptionalAction, help="augment the images in each epoch (on)")
    fit.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="N",
        help=f"random seeds, one network for each; the model is their mean ({numbers(d.seeds)})",
    )
    fit.add_argument("--threads", type=positive, metavar="N", help="CPU threads (number of cores)")
    fit.add_argument(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        help="precision of matrix products; auto picks the faster one on this machine (auto)",
    )

    run = p.add_argument_group("run")
    run.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with a copy of MNIST, downloaded if missing (MNIST_ROOT, else data/)",
    )
    run.add_argument(
        "--others",
        type=Path,
        metavar="FILE",
        help="Omniglot's images_background.zip, as characters that are no digits (data/omniglot.zip)",
    )
    run.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="also train on your own pictures, such as corrected ones: DIR/images and DIR/labels.csv",
    )
    run.add_argument(
        "--output", type=Path, metavar="FILE", help="model file to write (digits.onnx in the run's folder)"
    )
    run.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="parent of the run's folder (runs)")
    run.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="resume the run in this folder (by default the newest), with its options",
    )
    run.add_argument(
        "--tensorboard",
        action="store_true",
        help="log to the run's folder for TensorBoard (needs the extra tensorboard)",
    )
    run.add_argument(
        "--device", default="auto", help="cpu, cuda or mps; auto uses an accelerator if there is one (auto)"
    )
    return p


def parse(argv: Sequence[str] | None = None) -> tuple[Config, argparse.Namespace]:
    """Parse the command line into a recipe and the run's arguments."""
    p = parser()
    arguments = p.parse_args(argv)
    choices = {f.name: getattr(arguments, f.name) for f in fields(Config) if hasattr(arguments, f.name)}
    given = [*choices, *(name for name in ("recipe", "pictures") if getattr(arguments, name))]
    if arguments.resume is not None and given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        p.error(f"--resume uses the options of the run that it resumes: leave out {names}")
    if arguments.output and (arguments.output.is_dir() or arguments.output.parent.is_file()):
        p.error(f"--output {arguments.output} is not a file's name")
    config = replace(RECIPES[arguments.recipe or "quick"], **with_tuples(choices))
    if len(config.channels) > len(SHAPES):
        p.error(f"--channels takes at most {len(SHAPES)} numbers")
    if config.channels and not config.convolution_epochs:
        p.error("--channels needs at least two epochs, and a --convolution-share above 0")
    if config.channels and config.activation != "relu":
        p.error("--channels needs --activation relu")
    return config, arguments


def with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Replace lists by tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def numbers(values: Sequence[int]) -> str:
    """Format numbers as the command line takes them."""
    return " ".join(map(str, values))


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    return at_least(1, int(text))


def size(text: str) -> int:
    """Parse an integer of at least 2: batch normalisation and non-digits need that many digits per batch."""
    return at_least(2, int(text))


def at_least(least: int, number: int) -> int:
    """Return a number; raise ArgumentTypeError if it is below the least one."""
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is not at least {least}")
    return number


def decay(text: str) -> float:
    """Parse a number of at least 0."""
    if not (number := float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def above_zero(text: str) -> float:
    """Parse a number above 0."""
    if not (number := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def share(text: str) -> float:
    """Parse a number in [0, 1)."""
    if not 0 <= (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [0, 1)")
    return number
