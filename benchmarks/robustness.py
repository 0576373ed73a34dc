"""Measure how well real MNIST digits are read out of the kinds of pictures that people send.

    python benchmarks/robustness.py [--split validation|test] [--n 500] [--scene NAME ...] [--squash]

Each scene of `scenes.py` draws a digit into a picture file, which goes through the service's preprocessing
and the classifier; a Markdown table says how often the answer is wrong. A picture that is refused counts as
wrong. Every scene also leaves a contact sheet (picture, ink map and frame, wrong ones first) in `--sheets`.
Ignores: HTTP. Needs the extra `training` (torch, matplotlib).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from app.inference.classifier import Classifier
from app.preprocess.decode import image_from_bytes
from app.preprocess.errors import PreprocessError
from app.preprocess.ink import ink_map
from app.preprocess.pipeline import frame_from_bytes
from scenes import SCENES, render
from training import data

ROOT = Path(__file__).parent.parent
MAX_PIXELS = 50_000_000
EXAMPLES = 12
LARGE_DIGITS = 200  # a 12-megapixel picture takes half a second to draw

Reader = Callable[[bytes, int], NDArray[np.float32]]


@dataclass(frozen=True)
class Result:
    """What was read in a scene.

    Attributes
    ----------
    read : list of int or None
        Each picture's answer; None where it was refused.
    wrong : NDArray
        Where the answer is not the label.
    milliseconds : float
        Median time from bytes to frame.
    """

    read: list[int | None]
    wrong: NDArray[np.bool_]
    milliseconds: float


def squashed(data: bytes, max_pixels: int) -> NDArray[np.float32]:
    """A picture squashed to 28×28 and turned to light on dark, as most services do it."""
    grey = Image.open(BytesIO(data)).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    frame = np.asarray(grey, np.float32) / 255
    return 1 - frame if frame.mean() > 0.5 else frame


def measure(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, model: Classifier, reader: Reader
) -> Result:
    """Read every digit in a scene, one picture at a time."""
    read: list[int | None] = []
    times = []
    for index, digit in enumerate(images):
        picture = render(scene, digit, seed, index)
        start = time.perf_counter()
        try:
            frame = reader(picture, MAX_PIXELS)
        except PreprocessError:
            frame = None
        times.append(time.perf_counter() - start)
        read.append(None if frame is None else int(model(frame[None]).argmax()))
    wrong = np.array([answer != label for answer, label in zip(read, labels, strict=True)])
    return Result(read, wrong, 1000 * float(np.median(times)))


def steps(picture: bytes) -> Iterable[NDArray[np.generic]]:
    """A picture on grey, its ink map and its frame, as far as it gets."""
    blank = np.ones((28, 28), np.float32)
    try:
        image = image_from_bytes(picture, MAX_PIXELS)
        thumbnail = image.convert("RGBA")
        thumbnail.thumbnail((300, 300))
        yield np.asarray(Image.alpha_composite(Image.new("RGBA", thumbnail.size, "#a0a0a0"), thumbnail))
        yield 1 - ink_map(image)
        yield 1 - frame_from_bytes(picture, MAX_PIXELS)
    except PreprocessError:
        yield blank


def contact_sheet(
    scene: str, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, result: Result
) -> Figure:
    """A few pictures of a scene, wrong ones first, each over its ink map and frame."""
    chosen = np.argsort(~result.wrong, kind="stable")[:EXAMPLES]
    figure = Figure(figsize=(1.7 * EXAMPLES, 5.6), layout="constrained")
    grid = figure.subplots(3, EXAMPLES, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for column, index in zip(grid.T, chosen, strict=False):
        answer = "unread" if result.read[index] is None else result.read[index]
        column[0].set_title(f"{labels[index]}→{answer}", color="red" if result.wrong[index] else "black")
        for axes, step in zip(column, steps(render(scene, images[index], seed, index)), strict=False):
            axes.imshow(step, cmap="gray", vmin=0, vmax=1)
    return figure


def row(scene: str, result: Result, clean: Result) -> str:
    """A scene's line of the table."""
    count, errors, unread = len(result.wrong), int(result.wrong.sum()), result.read.count(None)
    error = 100 * errors / count
    more = error - 100 * clean.wrong[:count].mean()
    return f"| {scene} | {error:.1f} | {errors}/{count} | {unread} | {more:+.1f} | {result.milliseconds:.1f} |"


def chosen_digits(split: str, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Some digits of a split and their labels, drawn without replacement."""
    digits = data.load(None, train=split == "validation")
    if split == "validation":
        _, digits = data.split(digits)
    order = np.random.default_rng(seed).permutation(len(digits))[:count]
    return digits.images.numpy()[order], digits.labels.numpy()[order]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure how well digits are read in synthetic scenes.")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--n", type=int, default=500, help=f"digits to a scene; 12-megapixels: {LARGE_DIGITS} at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "digits.onnx")
    parser.add_argument("--sheets", type=Path, default=ROOT / "runs" / "robustness", help="folder for contact sheets")
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=list(SCENES), metavar="NAME")
    parser.add_argument("--squash", action="store_true", help="squash pictures to 28×28 instead of preprocessing them")
    return parser.parse_args()


def main() -> None:
    """Measure every scene asked for, and `clean` before them."""
    options = arguments()
    model = Classifier(options.model)
    reader = squashed if options.squash else frame_from_bytes
    images, labels = chosen_digits(options.split, options.n, options.seed)
    options.sheets.mkdir(parents=True, exist_ok=True)
    sys.stdout.write("| scene | error % | errors | unread | to clean, points | ms |\n|---|---|---|---|---|---|\n")
    results: dict[str, Result] = {}
    for scene in dict.fromkeys(["clean", *options.scene]):
        count = min(options.n, LARGE_DIGITS) if scene == "12-megapixels" else options.n
        results[scene] = measure(scene, images[:count], labels[:count], options.seed, model, reader)
        sys.stdout.write(row(scene, results[scene], results["clean"]) + "\n")
        sys.stdout.flush()
        figure = contact_sheet(scene, images, labels, options.seed, results[scene])
        figure.savefig(options.sheets / f"{scene}.png", dpi=75)


if __name__ == "__main__":
    main()
