"""Measure the processor time of /read: beside rapidocr for a number, and beside /predict for a large photo.

    python benchmarks/reading_time.py [--n 30]

Each recogniser reads the same pictures in a process of its own, on one core, without HTTP: numbers of five digits on a
640×160 JPEG, and photos of 12 megapixels that show two lines of digits. rapidocr only recognises text, without first
looking for it, and is left out if it is not installed (`make .venv/ocr`). Prints medians. Needs the extra `training`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.random import Generator

from app.preprocess.maps import Map
from paper import ink_colour, jpeg, lit, noise, off_white, paint, plain, sensed
from peers_accuracy import read_by_all, saved
from sheet import random_digit
from strings import SPACED, hand, laid, row, stacked
from training.paper import Size

LENGTH = 5  # digits per line
NUMBER, PHOTO = (640, 160), (2000, 1500)
ZOOM = 2  # of the photo, whose pixels are soft


def main(n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 30) -> None:
    """Measure the processor time of /read."""
    rng = np.random.default_rng(0)
    typer.echo("| picture | read by | processor time, ms |\n|---|---|---|")
    with TemporaryDirectory() as folder:
        numbers = [saved(Path(folder) / f"number-{index}", number(rng)) for index in range(n)]
        measure("number, 640×160 JPEG", numbers, {"/read": ("digits", "number"), "rapidocr": ("rapidocr", "number")})
        photos = [saved(Path(folder) / f"photo-{index}", photo(rng)) for index in range(n)]
        measure("two lines, 4000×3000 JPEG", photos, {"/read": ("digits", "number"), "/predict": ("digits", "digit")})


def measure(name: str, pictures: list[Path], readers: dict[str, tuple[str, str]]) -> None:
    """Print a row of the table for each recogniser, which is told to expect a digit or a number."""
    for reader, (recogniser, kind) in readers.items():
        for readings in read_by_all({name: dict.fromkeys(pictures, "")}, (recogniser,), kind).values():
            typer.echo(f"| {name} | {reader} | {readings.milliseconds:.1f} |")


def number(rng: Generator) -> bytes:
    """Scan a number."""
    mask = row(hand([random_digit(rng) for _ in range(LENGTH)], rng, (70, 90)), rng, SPACED)
    return captured(mask, NUMBER, rng)


def photo(rng: Generator) -> bytes:
    """Photograph two lines of digits."""
    writer = hand([random_digit(rng) for _ in range(2 * LENGTH)], rng, (100, 200))
    halves = writer.strokes[:LENGTH], writer.strokes[LENGTH:]
    mask = stacked([row(writer._replace(strokes=half), rng, SPACED) for half in halves], writer.height, rng)
    return captured(mask, PHOTO, rng, ZOOM)


def captured(mask: Map, size: Size, rng: Generator, zoom: int = 1) -> bytes:
    """Capture ink on paper in uneven light, as a JPEG file."""
    paper = plain(size, off_white(rng)) + noise(rng, size, 1.5)
    picture = paint(paper, laid(mask, size, rng), ink_colour(rng)) * lit(rng, size, 0.4)[..., None]
    return jpeg(sensed(rng, picture, 0.8, 2, zoom), 85)


if __name__ == "__main__":
    typer.run(main)
