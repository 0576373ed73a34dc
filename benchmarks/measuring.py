"""What the benchmarks of accuracy share: the served networks, options, confidence
intervals and Markdown tables.
"""

import math
import os
import sys
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Self, TypeVar

import typer
from tqdm import tqdm

from app.digit.reading import DigitOptions, Reading, read_digit
from app.picture.errors import PictureError
from app.picture.opening import open_image
from app.serving.networks import Networks
from app.stopwatch import Stopwatch
from app.text.reading import AS_WRITTEN, TextOptions
from app.text.transcription import Transcription
from training import data
from training.data import Digits
from training.options import LINES_MODEL, MODEL, PAGES_MODEL

T = TypeVar("T")
DIGITS = "0123456789"
Model = Annotated[Path, typer.Option(help="The dense network.")]
LinesModel = Annotated[Path, typer.Option(help="The line network.")]
Split = Annotated[str, typer.Option(help="validation or test")]
Seed = Annotated[
    int, typer.Option(help="Random seed for choosing and rendering the pictures.")
]
Scenes = Annotated[
    list[str] | None, typer.Option("--scene", help="A scene; may be repeated (all).")
]
Folder = Annotated[
    Path | None, typer.Option(help="Read this folder instead of written pictures.")
]
Save = Annotated[
    Path | None, typer.Option(help="Only write the pictures, to this folder.")
]
Folders = Annotated[
    list[Path], typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")
]


class Served(Networks):
    """The served networks, with their answers to pictures that may be refused."""

    @classmethod
    def committed(cls) -> Self:
        """Load the committed model files."""
        return cls.load(MODEL, LINES_MODEL, PAGES_MODEL)

    @property
    def alone(self) -> Self:
        """The same without the second opinion."""
        return self._replace(opinion=None)

    def predict(self, picture: bytes, page: int | None = None) -> Reading | None:
        """Read a digit as the service does; None if the picture is refused."""
        try:
            options = DigitOptions(page)
            return read_digit(picture, self.digits, self.opinion, options)
        except PictureError:
            return None

    def transcription(
        self, picture: bytes, options: TextOptions = AS_WRITTEN
    ) -> Transcription:
        """Read what is written in a picture as the service does."""
        return self.read_text(partial(open_image, picture), options, Stopwatch())

    def digit(self, picture: bytes) -> int | None:
        """Read a digit as the service does; None if the picture is refused."""
        reading = self.predict(picture)
        return reading.digit if reading else None

    def text(self, picture: bytes, with_marks: bool = False) -> tuple[str, float]:
        """Read a number as the service does, and its confidence; without either if the
        picture is refused.
        """
        try:
            text = self.transcription(picture)
        except PictureError:
            return "", 0.0
        text = text if with_marks else text.digits_only()
        return text.text, text.confidence


def on_one_core() -> None:
    """Restart on one core: NumPy and ONNX Runtime choose their threads at start."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {max(cores)})
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this program again


def measure_written(
    own: Path | None,
    save: Path | None,
    write: Callable[[Path], None],
    measure: Callable[[Path], None],
) -> None:
    """Measure on own pictures or on written ones; or only write these to a folder."""
    if own:
        measure(own)
    elif save:
        write(save)
    else:
        with TemporaryDirectory() as name:
            write(Path(name))
            measure(Path(name))


def held_out(split: str) -> Digits:
    """Load MNIST's test images, or the validation images."""
    if split == "test":
        return data.load(train=False)
    _, validation = data.split(data.load(train=True))
    return validation


def watched(pictures: Collection[T], name: str) -> Iterable[T]:
    """Show the progress in a terminal."""
    return tqdm(pictures, name, unit="picture", leave=False, disable=None)


def digits_in(text: str) -> str:
    """Leave out all but digits."""
    return "".join(filter(DIGITS.__contains__, text))


def save_with_extension(path: Path, picture: bytes) -> Path:
    """Save a PNG or a JPEG, with its file extension, which some recognisers need."""
    path = path.with_suffix(".png" if b"PNG" in picture[:4] else ".jpg")
    path.write_bytes(picture)
    return path


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of a share, `count` of `n` (Wilson 1927)."""
    z = 1.96
    centre = (count + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(count * (n - count) / n + z**2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def percent(count: int, n: int) -> str:
    """Format a share in percent with its interval."""
    low, high = wilson_interval(count, n)
    return (
        f"{100 * count / n:.2f} % ({count:,} of {n:,}; {100 * low:.2f} to "
        f"{100 * high:.2f} %)"
    )


def header(*titles: str) -> None:
    """Print the header of a table."""
    row(titles)
    row(["---"] * len(titles))


def row(cells: Iterable[object]) -> None:
    """Print a row of a table."""
    typer.echo(f"| {' | '.join(map(str, cells))} |")
