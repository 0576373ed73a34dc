"""What the benchmarks of accuracy share: the served networks, confidence intervals, and rows of Markdown tables."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import Reading, read_digit
from app.inference.text import read_text
from app.preprocess.errors import PreprocessError
from training import data
from training.config import LINES_MODEL, MODEL
from training.data import Digits

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

    def predict(self, picture: bytes) -> Reading | None:
        """Read a digit as the service does; None if the picture is refused."""
        try:
            return read_digit(picture, self.classifier, opinion=self.opinion)
        except PreprocessError:
            return None

    def digit(self, picture: bytes) -> int | None:
        """Read a digit as the service does; None if the picture is refused."""
        reading = self.predict(picture)
        return reading.digit if reading else None

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


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of a share, given `count` among `n` (Wilson 1927)."""
    z = 1.96
    centre = (count + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(count * (n - count) / n + z**2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


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
