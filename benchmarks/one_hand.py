"""Train a network with and without fifty corrected pictures by one writer, and compare the errors.

    python benchmarks/one_hand.py [--epochs 8] [--folder runs/one-hand]

The writer is synthetic: MNIST's digits, dark on white, slanted back by LEAN degrees. The corrected pictures are made
from training images, the test pictures from validation images, which other people wrote. Both networks have the same
recipe and seed. Needs the extra `training`.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.inference.classifier import Classifier
from app.inference.reading import read_digit
from training import data, train
from training.data import Digits
from training.pictures import labels_of

LEAN = 50.0  # degrees
CORRECTED, READ = 5, 50  # pictures per digit
SCALE = 5
MARGIN = 15  # MNIST pixels on either side


class Result(NamedTuple):
    """A network's error in percent, on the writer's pictures and on MNIST's test images."""

    hand: float
    mnist: float


def main(
    epochs: Annotated[int, typer.Option(help="Epochs of the quick recipe.")] = 8,
    folder: Annotated[Path, typer.Option(help="Folder for pictures and networks.")] = Path("runs/one-hand"),
) -> None:
    """Train with and without fifty corrected pictures by one writer; measure both networks on other such pictures."""
    training, validation = data.split(data.load(train=True))
    write(folder / "corrected", training, CORRECTED)
    write(folder / "read", validation, READ)
    before, after = compare(folder, ["--epochs", str(epochs)])
    typer.echo("| | this writer, wrong | MNIST's test images, wrong |\n|---|---|---|")
    for name, result in (("before", before), ("after", after)):
        typer.echo(f"| {name} | {result.hand:.1f} % | {result.mnist:.2f} % |")


def write(folder: Path, digits: Digits, count: int) -> None:
    """Write the first `count` of each digit by this writer: images/ and labels.csv."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "label"])
        for digit in range(10):
            for index in (digits.labels == digit).nonzero()[:count, 0].tolist():
                leaning(digits.images[index].numpy()).save(folder / "images" / f"{index}.png")
                rows.writerow([f"{index}.png", digit])


def leaning(digit: NDArray[np.uint8]) -> Image.Image:
    """Draw a digit in this writer's style."""
    ink = Image.fromarray(np.pad(digit, ((0, 0), (MARGIN, MARGIN))))
    ink = ink.resize((SCALE * ink.width, SCALE * ink.height), Image.Resampling.BICUBIC)
    lean = math.tan(math.radians(LEAN))
    back = (1, -lean, lean * ink.height / 2, 0, 1, 0)  # maps output to input coordinates
    return ImageOps.invert(ink.transform(ink.size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC))


def compare(folder: Path, options: Sequence[str]) -> tuple[Result, Result]:
    """Train without and with the corrected pictures, and measure each network's errors."""
    with_pictures = [*options, "--pictures", str(folder / "corrected")]
    before, after = trained(folder, "before", options), trained(folder, "after", with_pictures)
    return result(before, folder / "read"), result(after, folder / "read")


def trained(folder: Path, name: str, options: Sequence[str]) -> Classifier:
    """Train a network with these options."""
    output = folder / f"{name}.onnx"
    if status := train.main([*options, "--output", str(output), "--runs", str(folder / "runs")]):
        raise typer.Exit(status)
    return Classifier(output)


def result(classifier: Classifier, folder: Path) -> Result:
    """Measure a network's errors."""
    labels = labels_of(folder)
    answers = [str(read_digit(path.read_bytes(), classifier).digit) for path in labels]
    wrong = np.array(answers) != np.array([*labels.values()])
    return Result(100 * float(wrong.mean()), float(classifier.metadata["test_error_percent"]))


if __name__ == "__main__":
    typer.run(main)
