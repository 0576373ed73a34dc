"""Fit how much the line network's second opinion counts: `python -m training.opinion`.

The weights are written into the dense network's file, with the SHA-256 of the line
network's: the service ignores weights that were fitted with another one. They are
fitted on pictures of the held-out digits of `training.train`: the frames themselves,
scenes of digits and of characters that are none, and numbers.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from app.digit.classifier import CLASSES, Classifier
from app.digit.opinion import (
    FITTED_WITH,
    WEIGHTS,
    SecondOpinion,
    Weights,
    seen_in,
    uncalibrated,
)
from app.digit.reading import read_digit
from app.digit.search import Choice
from app.network import CERTAIN, Values
from app.picture.errors import PictureError
from app.picture.frame import frame_from_ink
from app.text.line_network import LineNetwork
from training import data, omniglot
from training.calibrate import best_weights, legibility_loss, shares_of
from training.data import NONE, Digits
from training.errors import exit_status
from training.omniglot import Characters, drawn
from training.options import FILE, LINES_MODEL, MODEL, add_data_options, parsed
from training.pretrained import metadata_of
from training.run import progress, unfinished
from training.writing.drawing import extent, png
from training.writing.scenes import NUMBERS, SCENES, number, render

SEED = 10**6  # of the pictures
# Held-out digits for each picture of digits in a scene, of characters in a scene, and
# of each kind of numbers: with MNIST's 5,000, there are 40 of each.
DIGITS_PER_PICTURE = 125
PEN = 4  # radius by which strokes of characters are widened, in pixels of 105
# Rows of a character without more, which vanishes: the width of scenes' pens is a share
# of the height.
FLAT = 20
# How much the line network counts; with more, letters that look like a digit to it pass
# for one.
LINE_WEIGHT = 0.5
# A confidence and a legibility from which the dense network is not doubted.
SURE = 0.97, 0.95


class Doubts(NamedTuple):
    """A set of N pictures, and what both networks say of the n that are in doubt.

    Attributes
    ----------
    labels, is_doubted : Tensor
        (N,) int64: the digit, or NONE; and (N,) bool.
    logits : Tensor
        (n, 10) float64: the logarithms of the probabilities of both together,
        uncalibrated.
    odds : Tensor
        (n,) float64: the log-odds of the legibility of both together, uncalibrated.
    several : Tensor
        (n,) float64: the probability that there are several digits.
    """

    labels: Tensor
    is_doubted: Tensor
    logits: Tensor
    odds: Tensor
    several: Tensor

    def error(self, exponent: Tensor) -> Tensor:
        """Compute the mean cross-entropy over the digits in doubt, 0 without any."""
        labels = self.labels[self.is_doubted]
        total = F.cross_entropy(
            exponent * self.logits, labels, ignore_index=NONE, reduction="sum"
        )
        return total / (labels != NONE).sum().clamp(min=1)


class Witness(SecondOpinion):
    """Notes what both networks say of pictures, and has no opinion."""

    def __init__(self, network: LineNetwork) -> None:
        super().__init__(network, Weights(0, 1, 1, 0, *SURE))
        # For each picture, ten logits, log-odds, and `Seen.several`.
        self.heard: list[list[float]] = []

    def __call__(self, choice: Choice) -> tuple[Values, float, bool]:
        """Note what both networks say, and return what the dense network does."""
        shares = choice.probabilities
        legibility = choice.legibility
        seen = seen_in(choice.best.picture, choice.best.box, self.network)
        logits, odds = uncalibrated(shares, legibility, seen, LINE_WEIGHT)
        self.heard.append([*logits, odds, seen.several])
        return shares, legibility, False


def add_opinion(
    classifier: Classifier,
    network: LineNetwork,
    digits: Digits,
    characters: Characters,
    output: Path,
) -> Weights:
    """Fit how both opinions become one, and write the weights into a file.

    Parameters
    ----------
    classifier : Classifier
        The dense network; only the metadata of its file change.
    network : LineNetwork
        The line network.
    digits, characters
        As in `scenes`.
    output : Path
        The file to write, which may be the dense network's own.
    """
    weights = best_opinion(
        doubts(classifier, network, frames(digits)),
        doubts(classifier, network, scenes(digits, characters)),
    )
    model = onnx.load(classifier.path)
    metadata = metadata_of(model)
    metadata[WEIGHTS] = " ".join(f"{weight:.3f}" for weight in weights)
    metadata[FITTED_WITH] = network.sha256
    onnx.helper.set_model_props(model, metadata)
    with unfinished(output) as file:
        onnx.save_model(model, file)
    return weights


def frames(digits: Digits) -> Iterator[tuple[bytes, int]]:
    """Yield each digit as a picture, with its label."""
    for image, label in zip(digits.images.numpy(), digits.labels.tolist(), strict=True):
        yield png(Image.fromarray(image)), label


def scenes(digits: Digits, characters: Characters) -> Iterator[tuple[bytes, int]]:
    """Yield pictures of digits, of characters and of numbers, with a digit or NONE.

    Parameters
    ----------
    digits : Digits
        Held-out digits, in the order of MNIST's files.
    characters : Characters
        Omniglot's that are not trained on, which may be none.
    """
    rng = np.random.default_rng(SEED)
    count = max(1, len(digits) // DIGITS_PER_PICTURE)
    tall = [character for character in characters if character.any(axis=1).sum() > FLAT]
    for scene in SCENES:
        for index in rng.integers(len(digits), size=count).tolist():
            digit = digits.images[index].numpy()
            yield render(scene, digit, SEED, index), int(digits.labels[index])
        for index in range(count if tall else 0):
            character = frame_of(tall[rng.integers(len(tall))])
            yield render(scene, character, SEED, index), NONE
    for scene in NUMBERS:
        if scene != "frame":
            for index in range(count):
                yield number(scene, digits, SEED, index)[0], NONE


def frame_of(character: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw a character (105, 105) as a frame (28, 28), with strokes like MNIST's."""
    ink = drawn(character, PEN)
    return np.round(255 * frame_from_ink(ink[extent(ink, 0)])).astype(np.uint8)


def doubts(
    classifier: Classifier, network: LineNetwork, pictures: Iterable[tuple[bytes, int]]
) -> Doubts:
    """Read pictures, and note what both networks say where there is a doubt."""
    witness = Witness(network)
    labels = []
    is_doubted = []
    for picture, label in progress(pictures, "second opinion", unit="picture"):
        before = len(witness.heard)
        with suppress(PictureError):
            read_digit(picture, classifier, opinion=witness)
        labels.append(label)
        is_doubted.append(len(witness.heard) > before)
    # In 32 bits, small steps of the weights would change nothing.
    heard = torch.tensor(witness.heard, dtype=torch.float64).view(-1, CLASSES + 2)
    logits, rest = heard.tensor_split([CLASSES], dim=1)
    return Doubts(
        torch.tensor(labels), torch.tensor(is_doubted), logits, *rest.unbind(dim=1)
    )


def best_opinion(*sets: Doubts) -> Weights:
    """Find the weights with the least cross-entropy.

    All sets of digits count equally, whatever their size. For the legibility, digits
    and non-digits count as in `training.calibrate`, also those of which there is no
    doubt.
    """
    everything = Doubts(*map(torch.cat, zip(*sets, strict=True)))
    is_digit = everything.labels != NONE
    shares = shares_of(is_digit)[everything.is_doubted]
    is_digit = is_digit[everything.is_doubted]

    def loss(weights: Tensor) -> Tensor:
        exponent, scale, offset = weights
        wrong = torch.stack([each.error(exponent) for each in sets]).mean()
        single = (scale * everything.odds + offset).sigmoid()
        legible = (1 - everything.several) * single
        return wrong + legibility_loss(legible.logit(eps=CERTAIN), is_digit, shares)

    return Weights._make([LINE_WEIGHT, *best_weights(loss, 1, 1, 0), *SURE])


def fit(arguments: argparse.Namespace) -> int:
    """Fit the weights, and write the file; return the exit status."""
    output = arguments.output or arguments.model
    classifier = Classifier(arguments.model)
    network = LineNetwork(arguments.lines_model)
    _, held_out = data.split(data.load(arguments.data, train=True))
    _, characters = omniglot.split(omniglot.load(arguments.others))
    weights = add_opinion(classifier, network, held_out, characters, output)
    fitted = [f"{name} {weight:.3f}" for name, weight in weights._asdict().items()]
    print(
        f"{output}: {', '.join(fitted)}; with {arguments.lines_model}, version "
        f"{network.version}."
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    p = argparse.ArgumentParser(
        "python -m training.opinion",
        description="Fit how much the line network's second opinion on a digit counts.",
    )
    p.add_argument(
        "--model", default=MODEL, help="the dense network (models/digits.onnx)", **FILE
    )
    p.add_argument(
        "--lines-model",
        default=LINES_MODEL,
        help="the line network (models/lines.onnx)",
        **FILE,
    )
    p.add_argument("--output", help="model file to write (that of --model)", **FILE)
    add_data_options(p)
    arguments = parsed(p, argv)
    return exit_status(lambda: fit(arguments))


if __name__ == "__main__":
    sys.exit(main())
