"""The recipe of the dense network: how it is trained, and the options that change it.

Where data and results are stored is an argument of the run, not part of the recipe.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from app.digit.classifier import PIXELS
from training.digits.convolution import SHAPES, dense_widths
from training.digits.model import ACTIVATIONS, OUTPUTS
from training.options import COUNT, Parsing, limited

PEAK_LEARNING_RATES = {"adamw": 2e-3, "sgd": 0.1}
SHARE: Parsing = {"type": limited(float, 0, 1), "metavar": "N"}
PRECISIONS = "auto", "fp32", "bf16"
# Peak learning rate of the dense stage, relative to the convolutional one. Ten times as
# much undoes what that learned.
CONVERTED_RATE = 0.001


@dataclass(frozen=True)
class Recipe:
    """How networks are trained; `add_options` says what each field is.

    Runs of equal recipes on one machine end with equal weights. Raises ValueError for
    fields that do not belong together.
    """

    hidden: Sequence[int] = (800, 800)
    channels: Sequence[int] = ()
    activation: str = "relu"
    dropout: float = 0.05
    generated: bool = True
    augment: bool = True
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float = 0.01
    batch_size: int = 512
    epochs: int = 60
    convolution_share: float = 0.9
    seeds: Sequence[int] = (0,)
    threads: int | None = None
    precision: str = "auto"
    digits: int | None = None
    from_: str | None = None

    def __post_init__(self) -> None:
        if len(self.channels) > len(SHAPES):
            raise ValueError(f"--channels takes at most {len(SHAPES)} numbers")
        if self.channels and not self.convolution_epochs:
            raise ValueError(
                "--channels needs at least two epochs, and a --convolution-share "
                "above 0"
            )
        if self.channels and self.activation != "relu":
            raise ValueError("--channels needs --activation relu")

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
        if not self.channels:
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


def numbers(values: Sequence[int]) -> str:
    """Format numbers as the command line takes them."""
    return " ".join(map(str, values))


RECIPES = {
    "quick": Recipe(),
    "best": Recipe(
        channels=(20, 20, 96),
        hidden=(256,),
        dropout=0.0,
        learning_rate=4e-3,
        batch_size=256,
        epochs=72,
        seeds=(0, 2),
    ),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of a recipe; it is None if it is not given."""
    add = parser.add_argument_group("recipe").add_argument
    switch = argparse.BooleanOptionalAction
    add("--hidden", nargs="*", help="widths of the hidden layers", **COUNT)
    add(
        "--channels",
        nargs="*",
        help="channels of a convolutional network to begin with",
        **COUNT,
    )
    add("--activation", choices=ACTIVATIONS, help="activation of the hidden layers")
    add("--dropout", help="dropout rate of the hidden layers", **SHARE)
    add(
        "--generated",
        action=switch,
        help="also train on digits cut out of numbers, and on frames that show no "
        "digit",
    )
    add("--augment", action=switch, help="augment the images in each epoch")
    add(
        "--optimizer",
        choices=PEAK_LEARNING_RATES,
        help="sgd uses Nesterov momentum 0.9",
    )
    add(
        "--learning-rate",
        type=limited(float, 1e-9),
        metavar="N",
        help="its peak (adamw 0.002, sgd 0.1)",
    )
    add(
        "--weight-decay",
        type=limited(float, 0),
        metavar="N",
        help="weight decay; sgd uses a hundredth of it",
    )
    add(
        "--batch-size",
        type=limited(int, 2),
        metavar="N",
        help="digits per batch; half as many non-digits are added",
    )
    add("--epochs", help="passes over the training digits", **COUNT)
    add(
        "--convolution-share",
        help="with --channels: share of the epochs before it becomes dense",
        **SHARE,
    )
    add(
        "--seeds",
        nargs="+",
        type=int,
        help="random seeds; the mean of their networks is written",
    )
    add("--threads", help="CPU threads (number of cores)", **COUNT)
    add(
        "--precision",
        choices=PRECISIONS,
        help="of matrix products; auto is the faster one",
    )
    add(
        "--digits",
        help="how many of MNIST's training digits, from the first (all)",
        **COUNT,
    )
