"""Measure the served model files: `make evaluate` prints the results and writes the model card.

Each of MNIST's 10,000 test images is encoded as a PNG and takes the same path as an upload, through `app.preprocess`
and `app.inference`, but not over HTTP. The line network reads lines that `training.line_ink` writes with test images.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Generator
from tqdm import tqdm

from app.inference.classifier import CLASSES, Classifier, ModelError
from app.inference.ctc import best_path, symbols_of
from app.inference.lines import LineNetwork
from app.inference.reading import read_digit
from card_plots import plot_confusion, plot_mistakes, plot_reliability
from training import data
from training.config import LINES_MODEL, MODEL
from training.data import Digits
from training.line_ink import ink_lines
from training.line_paper import batch_of, painted
from training.paper import png

CALIBRATION_BINS = 15
# Test images whose label is disputed by most of several human raters (cleanlab's mnist_mturk, Northcutt et al. 2021).
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
LINES, LINES_SEED = 2_000, 10**7
CARD = Path(__file__).with_name("model_card.md")
TITLE = "# Model card"  # of every card, which may be overwritten


@dataclass(frozen=True)
class Answers:
    """A classifier's answers on labelled frames.

    Attributes
    ----------
    frames : NDArray
        (N, 28, 28) float32 in [0, 1], the network's input.
    labels : NDArray
        (N,) int64, the true digits.
    probabilities : NDArray
        (N, 10) float32.
    """

    frames: NDArray[np.float32]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable digits."""
        digits: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return digits

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """Indices of the wrong answers, most confident first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        order: NDArray[np.int64] = self.probabilities[wrong].max(axis=1).argsort()[::-1]
        return wrong[order]

    @property
    def reliability(self) -> "Reliability":
        """Confidence and accuracy, in bins."""
        return reliability(self.probabilities.max(axis=1), self.predicted == self.labels)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(10, 10) confusion matrix of counts: true digit, predicted digit."""
        counts = np.zeros((CLASSES, CLASSES), np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts


def answer(classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Answers:
    """Classify images with the service's own code, as PNG files like a user's.

    Parameters
    ----------
    classifier : Classifier
        The served model.
    images : NDArray
        (N, 28, 28) uint8, ink = 255.
    labels : NDArray
        (N,) int64.
    """
    files = (png(Image.fromarray(image)) for image in tqdm(images, unit="image", disable=None))
    readings = [read_digit(file, classifier) for file in files]
    frames = np.stack([reading.frame for reading in readings])
    probabilities = np.stack([reading.probabilities for reading in readings])
    return Answers(frames, labels, probabilities)


def wilson_interval(errors: int, n: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of an error rate, given `errors` among `n` (Wilson 1927).

    Examples
    --------
    >>> low, high = wilson_interval(70, 10_000)
    >>> f"{low:.2%} to {high:.2%}"
    '0.55% to 0.88%'
    """
    z = 1.96
    centre = (errors + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(errors * (n - errors) / n + z**2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


class Reliability(NamedTuple):
    """Confidence and accuracy in CALIBRATION_BINS equal-width bins of confidence.

    Attributes
    ----------
    counts : NDArray
        Number of answers in each bin.
    confidence : NDArray
        Mean confidence in each bin; 0 in an empty one.
    accuracy : NDArray
        Share of correct answers in each bin; 0 in an empty one.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance between confidence and accuracy (Guo et al. 2017)."""
        return float(self.counts @ np.abs(self.accuracy - self.confidence) / max(1, self.counts.sum()))


def reliability(confidence: ArrayLike, right: ArrayLike) -> Reliability:
    """Bin answers by confidence.

    Parameters
    ----------
    confidence : array_like
        (N,) the probability of each answer.
    right : array_like
        (N,) bool: whether each answer is correct.
    """
    confidence = np.asarray(confidence, np.float64)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = (
        np.bincount(bins, weights=np.asarray(value, np.float64), minlength=CALIBRATION_BINS)
        for value in (confidence, right)
    )
    return Reliability(counts, *(total / counts.clip(min=1) for total in sums))


def report(answers: Answers) -> str:
    """Format the results as a Markdown table."""
    errors, n = len(answers.mistakes), len(answers.labels)
    low, high = wilson_interval(errors, n)
    rows = [
        ("Test error", f"{errors / n:.2%} ({errors} of {n:,}; 95 % interval {low:.2%} to {high:.2%})"),
        ("Errors on images whose label is not disputed", f"{len(np.setdiff1d(answers.mistakes, DISPUTED))}"),
        ("Calibration (ECE)", f"{answers.reliability.error:.2%}"),
    ]
    confusion = answers.confusion
    for digit in range(CLASSES):
        total = confusion[digit].sum()
        wrong = total - confusion[digit, digit]
        rows.append((f"Error on {digit}", f"{wrong / total:.2%} ({wrong} of {total:,})"))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def lines_right(network: LineNetwork, digits: Digits) -> int:
    """Count how many of LINES lines, written with digits and painted, are read exactly."""
    lines, generator = ink_lines(digits, [], LINES, LINES_SEED), Generator().manual_seed(LINES_SEED)
    right = 0
    for line in tqdm(lines, unit="line", disable=None):
        grey = painted(batch_of([line], generator), generator)[0].numpy()
        pixels = (255 * (grey - grey.min()) / max(np.ptp(grey), 1e-6)).astype(np.uint8)
        right += symbols_of(best_path(network(pixels))) == line.symbols
    return right


def line_report(network: LineNetwork, digits: Digits) -> str:
    """Format what the line network reads as a sentence."""
    right = lines_right(network, digits)
    low, high = wilson_interval(right, LINES)
    return f"{right / LINES:.1%} of {LINES:,} lines are read exactly (95 % interval {low:.1%} to {high:.1%})"


def write_card(classifier: Classifier, answers: Answers, network: LineNetwork, lines: str, folder: Path) -> None:
    """Write the model card, README.md, and its plots into the folder of the digits' model."""
    wrong = answers.mistakes
    plot_confusion(answers.confusion, folder / "confusion.png")
    plot_reliability(answers.reliability, folder / "calibration.png")
    titles = [f"{answers.labels[i]} as {answers.predicted[i]}" for i in wrong]
    plot_mistakes(answers.frames[wrong], titles, folder / "mistakes.png")
    values = {
        **classifier.metadata,
        "version": classifier.version,
        "report": report(answers),
        **{f"lines_{name}": value for name, value in network.about.items()},
        "lines_report": lines,
    }
    card = Template(CARD.read_text(encoding="utf-8")).substitute(defaultdict(lambda: "not recorded", values))
    (folder / "README.md").write_text(card, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    p = argparse.ArgumentParser(description="Measure a model file on MNIST's test set.")
    p.add_argument(
        "--model", type=Path, default=MODEL, metavar="FILE", help="model file to measure (models/digits.onnx)"
    )
    p.add_argument(
        "--lines-model", type=Path, default=LINES_MODEL, metavar="FILE", help="line network (models/lines.onnx)"
    )
    p.add_argument("--data", type=Path, metavar="DIR", help="folder with a copy of MNIST (MNIST_ROOT, else data/)")
    arguments = p.parse_args(argv)
    try:
        classifier, network = Classifier(arguments.model), LineNetwork(arguments.lines_model)
        test = data.load(arguments.data, train=False)
    except (ModelError, data.DataMissing) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    card = arguments.model.parent / "README.md"
    if card.exists() and not card.read_text(encoding="utf-8", errors="replace").startswith(TITLE):
        sys.stderr.write(f"{card} is not a model card: move the model into a folder of its own, for its card.\n")
        return 1
    answers = answer(classifier, test.images.numpy(), test.labels.numpy())
    lines = line_report(network, test)
    write_card(classifier, answers, network, lines, arguments.model.parent)
    sys.stdout.write(f"{report(answers)}\n\nLine network: {lines}.\n\nWrote the model card to {card}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
