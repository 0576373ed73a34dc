"""Draw docs/picture-to-frame.png: how pictures become frames, step by step, for the README.

    python benchmarks/picture_to_frame.py

Also writes docs/seven.png, the picture that the README sends. Needs the extra `training` (matplotlib).
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.inference.classifier import Classifier
from app.preprocess.decode import image_from_bytes
from app.preprocess.frame import frame_from_ink
from app.preprocess.ink import ink_map
from app.preprocess.pipeline import digit_from_image
from paper import png
from scenes import render

ROOT = Path(__file__).parent.parent
SHEET = Image.open(ROOT / "tests" / "data" / "mnist_500.png")


def cell(digit: int, index: int) -> NDArray[np.uint8]:
    """A real digit, (28, 28), ink = 255."""
    return np.asarray(SHEET.crop((28 * index, 28 * digit, 28 * index + 28, 28 * digit + 28)))


def ink(digit: int, index: int, size: tuple[int, int], place: tuple[int, int], scale: int) -> Image.Image:
    """A real digit, enlarged and placed on a sheet: grey, ink = 255."""
    sheet = Image.new("L", size)
    enlarged = Image.fromarray(cell(digit, index)).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    sheet.paste(enlarged, place)
    return sheet


def coloured(mask: Image.Image, stroke: str, paper: str) -> Image.Image:
    """A digit in one colour on paper of another."""
    return ImageOps.colorize(mask, black=paper, white=stroke)


def pictures() -> dict[str, bytes]:
    """A few ways in which people send a digit, as files."""
    see_through = Image.new("RGBA", (420, 300), "black")
    see_through.putalpha(ink(5, 4, (420, 300), (90, 20), 9))
    return {
        "pen on paper": png(coloured(ink(7, 12, (420, 300), (180, 60), 8), "#1f3a8a", "#f6f1e3")),
        "chalk on a board": png(coloured(ink(3, 6, (420, 300), (10, 10), 10), "#f4f4f0", "#24483a")),
        "black on nothing": png(see_through),
        "a photo": render("phone-photo", cell(4, 7), seed=0, index=1),
        "in a printed box": render("printed-box", cell(2, 5), seed=0, index=2),
        "MNIST itself": png(Image.fromarray(cell(9, 3))),
    }


def on_grey(picture: Image.Image) -> Image.Image:
    """A picture as a viewer shows it, see-through parts grey."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, "#d8d8d8"), picture.convert("RGBA"))


def main() -> None:
    """Draw a column for each picture: as sent, its ink map, the digit's box, the frame and the answer."""
    classifier = Classifier(ROOT / "models" / "digits.onnx")
    samples = pictures()
    figure = Figure(figsize=(2 * len(samples), 6.4), layout="constrained")
    grid = figure.subplots(4, len(samples))
    for column, (name, picture) in zip(grid.T, samples.items(), strict=True):
        image = image_from_bytes(picture, max_pixels=10**8)
        ink, digit = ink_map(image), digit_from_image(image)
        frame = frame_from_ink(digit)
        (probabilities,) = classifier(frame[None])
        steps = {
            name: np.asarray(on_grey(ImageOps.exif_transpose(Image.open(BytesIO(picture))))),
            "ink": 1 - ink,
            "box": 1 - digit,
            f"frame → {probabilities.argmax()} ({probabilities.max():.1%})": 1 - frame,
        }
        for axes, (title, step) in zip(column, steps.items(), strict=True):
            axes.imshow(step, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[], yticks=[])
    figure.savefig(ROOT / "docs" / "picture-to-frame.png", dpi=100)
    (ROOT / "docs" / "seven.png").write_bytes(samples["pen on paper"])


if __name__ == "__main__":
    main()
