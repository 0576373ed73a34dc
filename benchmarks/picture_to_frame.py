"""Draw docs/picture-to-frame.png for the README: pictures, the frames that the network
sees, and its outputs.

    python benchmarks/picture_to_frame.py

Needs the extra `training` (matplotlib).
"""

from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Image import Resampling

from app.digit.candidates import candidates
from app.digit.classifier import Classifier
from app.digit.reading import read_digit
from app.digit.search import COARSE_SIDE
from app.many.terminal import percent
from app.picture.decode import decode_image
from app.picture.opening import open_image
from training.options import MODEL
from training.sample import PER_CLASS, digits
from training.writing.drawing import png
from training.writing.scenes import render
from training.writing.sheets import opened

DOCS = Path(__file__).parent.parent / "docs"
SHEET = (420, 300)
ROWS = "picture", "frame read", "frame rejected"


def sample(digit: int, index: int) -> NDArray[np.uint8]:
    """Return one of the digits in the tests' data."""
    return digits()[PER_CLASS * digit + index]


def ink(digit: int, index: int, place: tuple[int, int], scale: int) -> Image.Image:
    """Enlarge a real digit and place it on a sheet: greyscale, ink = 255."""
    sheet = Image.new("L", SHEET)
    size = (28 * scale, 28 * scale)
    large = Image.fromarray(sample(digit, index)).resize(size, Resampling.BICUBIC)
    sheet.paste(large, place)
    return sheet


def pictures() -> dict[str, bytes]:
    """Make one file for each of a few common kinds of picture."""
    pen = ink(7, 12, (180, 60), 8)
    chalk = ink(3, 6, (10, 10), 10)
    see_through = Image.new("RGBA", SHEET, "black")
    see_through.putalpha(ink(5, 4, (90, 20), 9))
    return {
        "pen on paper": png(ImageOps.colorize(pen, "#f6f1e3", "#1f3a8a")),
        "chalk on a board": png(ImageOps.colorize(chalk, "#24483a", "#f4f4f0")),
        "transparent ground": png(see_through),
        "a photo": render("phone-photo", sample(4, 7), seed=0, index=1),
        "in a printed box": render("printed-box", sample(2, 5), seed=0, index=2),
        "MNIST image": png(Image.fromarray(sample(9, 3))),
    }


def main() -> None:
    """Draw a column for each picture: the digit's box, and frames of candidates."""
    classifier = Classifier(MODEL)
    samples = pictures()
    rows = len(ROWS)
    figure = Figure(figsize=(2 * len(samples), 2 * rows), layout="constrained")
    grid = figure.subplots(rows, len(samples))
    for axes in grid.flat:
        axes.axis("off")
    beside = {"rotation": 90, "va": "center", "ha": "right"}
    for axes, name in zip(grid[:, 0], ROWS, strict=True):
        axes.text(-0.1, 0.5, name, transform=axes.transAxes, **beside)
    for column, (name, file) in zip(grid.T, samples.items(), strict=True):
        picture = opened(file).convert("RGBA")
        ground = Image.new("RGBA", picture.size, "#d8d8d8")
        column[0].imshow(Image.alpha_composite(ground, picture))
        column[0].set_title(name, fontsize=9)
        top, bottom, left, right = read_digit(file, classifier).box
        size = (right - left, bottom - top)
        box = Rectangle((left, top), *size, fill=False, edgecolor="#d03030")
        column[0].add_patch(box)
        found = chain(*candidates(decode_image(open_image(file, 10**8), COARSE_SIDE)))
        frames = np.stack([candidate.frame for candidate in found])
        probabilities, legibility = classifier(frames)
        order = legibility.argsort()[::-1]
        shown = [order[0], *(index for index in order[1:] if legibility[index] < 0.5)]
        grey = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
        for axes, index in zip(column[1:], shown, strict=False):
            axes.imshow(frames[index], **grey)
            digit = probabilities[index].argmax()
            title = f"{digit}, {percent(legibility[index])} legible"
            axes.set_title(title, fontsize=9)
    figure.savefig(DOCS / "picture-to-frame.png", dpi=100)


if __name__ == "__main__":
    main()
