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
from PIL import Image, ImageOps

from app.cli.terminal import percent
from app.digit.candidates import candidates
from app.digit.classifier import Classifier
from app.digit.reading import COARSE_SIDE, read_digit
from app.picture.decode import decode_image, open_image
from training.config import MODEL
from training.drawing import png
from training.sample import PER_CLASS, digits
from training.scenes import render
from training.sheets import opened

DOCS = Path(__file__).parent.parent / "docs"
SHOWN = 2  # candidates per picture
ROWS = "picture", "frame read", "frame rejected"


def ink(
    digit: int, index: int, size: tuple[int, int], place: tuple[int, int], scale: int
) -> Image.Image:
    """Enlarge a real digit and place it on a sheet: greyscale, ink = 255."""
    sheet = Image.new("L", size)
    small = Image.fromarray(digits()[PER_CLASS * digit + index])
    sheet.paste(small.resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC), place)
    return sheet


def pictures() -> dict[str, bytes]:
    """Make one file for each of a few common kinds of picture."""
    pen, chalk = (
        ink(7, 12, (420, 300), (180, 60), 8),
        ink(3, 6, (420, 300), (10, 10), 10),
    )
    see_through = Image.new("RGBA", (420, 300), "black")
    see_through.putalpha(ink(5, 4, (420, 300), (90, 20), 9))
    return {
        "pen on paper": png(ImageOps.colorize(pen, "#f6f1e3", "#1f3a8a")),
        "chalk on a board": png(ImageOps.colorize(chalk, "#24483a", "#f4f4f0")),
        "transparent ground": png(see_through),
        "a photo": render("phone-photo", digits()[PER_CLASS * 4 + 7], seed=0, index=1),
        "in a printed box": render(
            "printed-box", digits()[PER_CLASS * 2 + 5], seed=0, index=2
        ),
        "MNIST image": png(Image.fromarray(digits()[PER_CLASS * 9 + 3])),
    }


def main() -> None:
    """Draw one column per picture: the picture with the digit's box, then the frames of
    some candidates.
    """
    classifier, samples = Classifier(MODEL), pictures()
    figure = Figure(figsize=(2 * len(samples), 2 * (1 + SHOWN)), layout="constrained")
    grid = figure.subplots(1 + SHOWN, len(samples))
    for axes in grid.flat:
        axes.axis("off")
    for axes, name in zip(grid[:, 0], ROWS, strict=True):
        axes.text(
            -0.1,
            0.5,
            name,
            rotation=90,
            va="center",
            ha="right",
            transform=axes.transAxes,
        )
    for column, (name, file) in zip(grid.T, samples.items(), strict=True):
        picture = opened(file).convert("RGBA")
        column[0].imshow(
            Image.alpha_composite(Image.new("RGBA", picture.size, "#d8d8d8"), picture)
        )
        column[0].set_title(name, fontsize=9)
        top, bottom, left, right = read_digit(file, classifier).box
        column[0].add_patch(
            Rectangle(
                (left, top), right - left, bottom - top, fill=False, edgecolor="#d03030"
            )
        )
        found = chain(*candidates(decode_image(open_image(file, 10**8), COARSE_SIDE)))
        frames = np.stack([candidate.frame for candidate in found])
        probabilities, legibility = classifier(frames)
        order = legibility.argsort()[::-1]
        shown = [order[0], *(index for index in order[1:] if legibility[index] < 0.5)]
        for axes, index in zip(column[1:], shown, strict=False):
            axes.imshow(
                frames[index], cmap="gray", vmin=0, vmax=1, interpolation="nearest"
            )
            axes.set_title(
                f"{probabilities[index].argmax()}, {percent(legibility[index])} "
                "legible",
                fontsize=9,
            )
    figure.savefig(DOCS / "picture-to-frame.png", dpi=100)


if __name__ == "__main__":
    main()
