"""What the benchmarks of accuracy share: the served networks, confidence intervals, and rows of Markdown tables."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray

from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import Reading, read_digit
from app.inference.text import read_text
from app.preprocess.errors import PreprocessError
from training import data
from training.config import LINES_MODEL, MODEL
from training.data import Digits

BINS = 15
Model = Annotated[Path, typer.Option(help="The dense network.")]
LinesModel = Annotated[Path, typer.Option(help="The line network.")]


class Networks(NamedTuple):
    """The served networks."""

    classifier: Classifier
    lines: LineNetwork
    opinion: SecondOpinion | None

    @classmethod
    def of(cls, model: Path = MODEL, lines_model: Path = LINES_MODEL) -> "Networks":
        """Load both networks."""
        classifier, lines = Classifier(model), LineNetwork(lines_model)
        return cls(classifier, lines, SecondOpinion.of(classifier, lines))

    def predict(self, picture: bytes) -> Reading:
        """Read a digit as the service does."""
        return read_digit(picture, self.classifier, opinion=self.opinion)

    def read(self, picture: bytes) -> tuple[Reading | None, Reading | None]:
        """Read a digit as the service does, and with the dense network alone; None if the picture is refused."""
        try:
            reading = self.predict(picture)
            return reading, reading if reading.is_sure else read_digit(picture, self.classifier)
        except PreprocessError:
            return None, None

    def text(self, picture: bytes, with_marks: bool = False) -> str:
        """Read a number as the service does; empty if the picture is refused."""
        try:
            text = read_text(picture, self.lines)
        except PreprocessError:
            return ""
        return text.text if with_marks else text.digits_only().text


def held_out(split: str) -> Digits:
    """Load MNIST's test images, or the validation images."""
    return data.load(train=False) if split == "test" else data.split(data.load(train=True))[1]


def wilson_interval(errors: int, n: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of an error rate, given `errors` among `n` (Wilson 1927)."""
    z = 1.96
    centre = (errors + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(errors * (n - errors) / n + z**2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration(confidence: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """Return the number of answers, their mean confidence and accuracy (3, BINS), in bins of equal width."""
    place = np.minimum((np.asarray(confidence) * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, np.asarray(values, float), BINS) for values in (confidence, right)]
    return np.stack([counts, *(total / counts.clip(1) for total in sums)])


def calibration_error(bins: NDArray[np.float64]) -> float:
    """Return the expected calibration error: the mean distance between confidence and accuracy (Guo et al. 2017)."""
    counts, confidence, accuracy = bins
    return float(counts @ np.abs(accuracy - confidence) / counts.sum().clip(1))


def percent(count: int, n: int) -> str:
    """Format a share in percent with its interval."""
    low, high = wilson_interval(count, n)
    return f"{100 * count / n:.2f} % ({count:,} of {n:,}; {100 * low:.2f} to {100 * high:.2f} %)"


def header(*titles: str) -> None:
    """Print the header of a table."""
    row(titles)
    row(["---"] * len(titles))


def row(cells: Iterable[object]) -> None:
    """Print a row of a table."""
    typer.echo(f"| {' | '.join(map(str, cells))} |")
