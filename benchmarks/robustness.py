"""Measure how well MNIST digits are read in the kinds of pictures that people send.

    python benchmarks/robustness.py [--split validation|test] [--n 500] [--scene NAME ...]

Each scene of `scenes.py` renders a digit into a picture file, which is read as the service reads it, but without HTTP.
A Markdown table shows the errors, also those of the dense network without the line network's second opinion; a picture
that cannot be read counts as one. Each scene also writes a contact sheet
(pictures and frames, mistakes first) to `--sheets`. Needs the extra `training` (torch, matplotlib).
"""

import argparse
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import Reading, read_digit
from scenes import SCENES, render
from training import data

ROOT = Path(__file__).parent.parent
DIGITS, LINES = ROOT / "models" / "digits.onnx", ROOT / "models" / "lines.onnx"
EXAMPLES = 12
LARGE_DIGITS = 200  # a 12-megapixel picture takes half a second to draw


class Networks(NamedTuple):
    """The dense network, and the line network's second opinion."""

    classifier: Classifier
    opinion: SecondOpinion | None

    @classmethod
    def of(cls, model: Path, lines_model: Path) -> "Networks":
        """Load both networks."""
        classifier = Classifier(model)
        return cls(classifier, SecondOpinion.of(classifier, LineNetwork(lines_model)))

    def read(self, picture: bytes) -> tuple[Reading, Reading]:
        """Read a picture as the service does, and without the second opinion."""
        reading = read_digit(picture, self.classifier, opinion=self.opinion)
        return reading, reading if reading.is_sure else read_digit(picture, self.classifier)


@dataclass(frozen=True)
class Result:
    """The results of a scene.

    Attributes
    ----------
    readings : list of Reading or None
        Each picture's; None if it could not be read.
    wrong, wrong_alone : NDArray
        (N,) bool, whether the answer differs from the label, with and without the second opinion.
    milliseconds : float
        Median time of both.
    """

    readings: list[Reading | None]
    wrong: NDArray[np.bool_]
    wrong_alone: NDArray[np.bool_]
    milliseconds: float


def measure(scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, networks: Networks) -> Result:
    """Read every digit in a scene, one picture at a time."""
    found: list[Reading | None] = []
    wrong, times = np.ones((2, len(labels)), bool), []
    for index, (digit, label) in enumerate(zip(images, labels, strict=True)):
        picture = render(scene, digit, seed, index)
        start = time.perf_counter()
        try:
            reading, alone = networks.read(picture)
        except Exception:  # a crash is as bad as a refusal
            found.append(None)
        else:
            found.append(reading)
            wrong[:, index] = reading.digit != label, alone.digit != label
        times.append(time.perf_counter() - start)
    return Result(found, *wrong, 1000 * float(np.median(times)))


def thumbnail(picture: bytes) -> Image.Image:
    """Shrink a picture, with grey behind transparent parts."""
    image = Image.open(BytesIO(picture)).convert("RGBA")
    image.thumbnail((300, 300))
    return Image.alpha_composite(Image.new("RGBA", image.size, "#a0a0a0"), image)


def contact_sheet(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, result: Result
) -> Figure:
    """Draw a few pictures of a scene, mistakes first, each above its frame."""
    chosen = np.argsort(~result.wrong, kind="stable")[:EXAMPLES]
    figure = Figure(figsize=(1.7 * EXAMPLES, 3.9), facecolor="#d8d8d8", layout="constrained")
    grid = figure.subplots(2, EXAMPLES, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for (above, below), index in zip(grid.T, chosen, strict=False):
        reading = result.readings[index]
        title = f"{labels[index]}→{reading.digit if reading else 'unread'}"
        above.set_title(title, color="red" if result.wrong[index] else "black")
        above.imshow(thumbnail(render(scene, images[index], seed, index)))
        if reading:
            below.imshow(1 - reading.frame, cmap="gray", vmin=0, vmax=1)
    return figure


def row(scene: str, result: Result, clean: Result) -> str:
    """Format a scene's row of the table."""
    count, errors, unread = len(result.wrong), int(result.wrong.sum()), result.readings.count(None)
    error = 100 * errors / count
    more = error - 100 * clean.wrong[:count].mean()
    alone = f"{100 * result.wrong_alone.mean():.1f}"
    return (
        f"| {scene} | {error:.1f} | {alone} | {errors}/{count} | {unread} | {more:+.1f} | {result.milliseconds:.1f} |"
    )


def chosen_digits(split: str, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw digits and their labels from a split, without replacement."""
    digits = data.load(None, train=split == "validation")
    if split == "validation":
        _, digits = data.split(digits)
    order = np.random.default_rng(seed).permutation(len(digits))[:count]
    return digits.images.numpy()[order], digits.labels.numpy()[order]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Measure how well digits are read in synthetic scenes.")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--n", type=int, default=500, help=f"digits per scene; at most {LARGE_DIGITS} in 12-megapixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=DIGITS)
    parser.add_argument("--lines-model", type=Path, default=LINES)
    parser.add_argument("--sheets", type=Path, default=ROOT / "runs" / "robustness", help="folder for contact sheets")
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=list(SCENES), metavar="NAME")
    return parser.parse_args()


def main() -> None:
    """Measure `clean`, then every requested scene."""
    options = arguments()
    networks = Networks.of(options.model, options.lines_model)
    images, labels = chosen_digits(options.split, options.n, options.seed)
    options.sheets.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(
        "| scene | error % | alone % | errors | unread | points above clean | ms |\n|---|---|---|---|---|---|---|\n"
    )
    results: dict[str, Result] = {}
    for scene in dict.fromkeys(["clean", *options.scene]):
        count = min(options.n, LARGE_DIGITS) if scene == "12-megapixels" else options.n
        results[scene] = measure(scene, images[:count], labels[:count], options.seed, networks)
        sys.stdout.write(row(scene, results[scene], results["clean"]) + "\n")
        sys.stdout.flush()
        figure = contact_sheet(scene, images, labels, options.seed, results[scene])
        figure.savefig(options.sheets / f"{scene}.png", dpi=75)
    mean = 100 * np.mean([result.wrong.mean() for result in results.values()])
    alone = 100 * np.mean([result.wrong_alone.mean() for result in results.values()])
    sys.stdout.write(f"\nMean error of {len(results)} scenes: {mean:.2f} %, alone {alone:.2f} %\n")


if __name__ == "__main__":
    main()
