"""Draw docs/picture-to-frame.png for the README: pictures, the frames that the network sees, and its outputs.

    python benchmarks/picture_to_frame.py

Also writes docs/seven.png and docs/number.png, which the README's examples send. Needs the extra `training`
(matplotlib).
"""

from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from app.cli.terminal import percent
from app.inference.classifier import Classes, Classifier
from app.inference.reading import COARSE_SIDE, read_digit
from app.preprocess.candidates import Candidate, candidates
from app.preprocess.decode import decode_image, open_image
from scenes import render
from sheet import PER_CLASS, digits
from training.paper import png

ROOT = Path(__file__).parent.parent
SHOWN = 2  # candidates per picture
ROWS = "picture", "frame read", "frame rejected"


def cell(digit: int, index: int) -> NDArray[np.uint8]:
    """Return a real digit, (28, 28), ink = 255."""
    return digits()[PER_CLASS * digit + index]


def ink(digit: int, index: int, size: tuple[int, int], place: tuple[int, int], scale: int) -> Image.Image:
    """Enlarge a real digit and place it on a sheet: greyscale, ink = 255."""
    sheet = Image.new("L", size)
    enlarged = Image.fromarray(cell(digit, index)).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    sheet.paste(enlarged, place)
    return sheet


def coloured(mask: Image.Image, stroke: str, paper: str) -> Image.Image:
    """Draw a digit in one colour on paper of another."""
    return ImageOps.colorize(mask, black=paper, white=stroke)


def pictures() -> dict[str, bytes]:
    """Make one file for each of a few common kinds of picture."""
    see_through = Image.new("RGBA", (420, 300), "black")
    see_through.putalpha(ink(5, 4, (420, 300), (90, 20), 9))
    return {
        "pen on paper": png(coloured(ink(7, 12, (420, 300), (180, 60), 8), "#1f3a8a", "#f6f1e3")),
        "chalk on a board": png(coloured(ink(3, 6, (420, 300), (10, 10), 10), "#f4f4f0", "#24483a")),
        "transparent ground": png(see_through),
        "a photo": render("phone-photo", cell(4, 7), seed=0, index=1),
        "in a printed box": render("printed-box", cell(2, 5), seed=0, index=2),
        "MNIST image": png(Image.fromarray(cell(9, 3))),
    }


def number() -> bytes:
    """Draw a number with a pen on paper."""
    sheet = Image.new("L", (640, 240))
    for place, (digit, index) in enumerate([(2, 45), (0, 12), (4, 8), (7, 9)]):
        sheet = ImageChops.lighter(sheet, ink(digit, index, sheet.size, (30 + 140 * place, 40), 6))
    return png(coloured(sheet, "#1f3a8a", "#f6f1e3"))


def on_grey(picture: Image.Image) -> Image.Image:
    """Composite a picture on grey, as a viewer would."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, "#d8d8d8"), picture.convert("RGBA"))


def selected(candidates: list[Candidate], classes: Classes) -> list[tuple[Candidate, str]]:
    """Select the most legible candidate and a few rejected ones, each with the network's output as text."""
    order = classes.legibility.argsort()[::-1]
    rejected = [index for index in order[1:] if classes.legibility[index] < 0.5]
    return [
        (candidates[index], f"{classes.probabilities[index].argmax()}, {percent(classes.legibility[index])} legible")
        for index in [order[0], *rejected][:SHOWN]
    ]


def main() -> None:
    """Draw one column per picture: the picture with the digit's box, then the frames of some candidates."""
    classifier = Classifier(ROOT / "models" / "digits.onnx")
    samples = pictures()
    figure = Figure(figsize=(2 * len(samples), 2 * (1 + SHOWN)), layout="constrained")
    grid = figure.subplots(1 + SHOWN, len(samples))
    for axes in grid.flat:
        axes.axis("off")
    for axes, name in zip(grid[:, 0], ROWS, strict=True):
        axes.text(-0.1, 0.5, name, rotation=90, va="center", ha="right", transform=axes.transAxes)
    for column, (name, file) in zip(grid.T, samples.items(), strict=True):
        found = [*chain(*candidates(decode_image(open_image(file, 10**8), COARSE_SIDE)))]
        column[0].imshow(on_grey(ImageOps.exif_transpose(Image.open(BytesIO(file)))))
        column[0].set_title(name, fontsize=9)
        top, bottom, left, right = read_digit(file, classifier).box
        column[0].add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="#d03030"))
        shown = selected(found, classifier(np.stack([candidate.frame for candidate in found])))
        for axes, (candidate, title) in zip(column[1:], shown, strict=False):
            axes.imshow(candidate.frame, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=9)
    figure.savefig(ROOT / "docs" / "picture-to-frame.png", dpi=100)
    (ROOT / "docs" / "seven.png").write_bytes(samples["pen on paper"])
    (ROOT / "docs" / "number.png").write_bytes(number())


if __name__ == "__main__":
    main()
