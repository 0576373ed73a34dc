"""Draw docs/picture-to-frame.png: how pictures become frames, step by step, for the README.

    python benchmarks/picture_to_frame.py

Also writes docs/seven.png, the picture that the README sends. Needs the extra `training` (matplotlib).
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from app.classifier import Classifier
from app.preprocess.decode import decode
from app.preprocess.frame import frame_from_ink
from app.preprocess.ink import ink_map
from app.preprocess.pipeline import digit_from_image

ROOT = Path(__file__).parent.parent
SHEET = Image.open(ROOT / "tests" / "data" / "mnist_500.png")


def ink(digit: int, index: int, size: tuple[int, int], place: tuple[int, int], scale: int) -> Image.Image:
    """A real digit, enlarged and placed on a sheet: grey, ink = 255."""
    cell = SHEET.crop((28 * index, 28 * digit, 28 * index + 28, 28 * digit + 28))
    sheet = Image.new("L", size)
    sheet.paste(cell.resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC), place)
    return sheet


def coloured(mask: Image.Image, stroke: str, paper: str) -> Image.Image:
    """A digit in one colour on paper of another."""
    return ImageOps.colorize(mask, black=paper, white=stroke)


def pictures() -> dict[str, Image.Image]:
    """A few ways in which people send a digit."""
    see_through = Image.new("RGBA", (420, 300), "black")
    see_through.putalpha(ink(5, 4, (420, 300), (90, 20), 9))
    return {
        "pen on paper": coloured(ink(7, 12, (420, 300), (180, 60), 8), "#1f3a8a", "#f6f1e3"),
        "chalk on a board": coloured(ink(3, 6, (420, 300), (10, 10), 10), "#f4f4f0", "#24483a"),
        "black on nothing": see_through,
        "with dust": coloured(ImageOps.invert(dusty(ink(4, 7, (420, 300), (120, 120), 6))), "white", "black"),
        "MNIST itself": ink(9, 3, (28, 28), (0, 0), 1),
    }


def dusty(mask: Image.Image) -> Image.Image:
    """A sheet with a few specks on it."""
    for x, y in [(30, 40), (380, 30), (60, 250)]:
        mask.paste(255, (x, y, x + 4, y + 3))
    return mask


def png(image: Image.Image) -> bytes:
    """A picture as a file."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def main() -> None:
    """Draw a column for each picture: as sent, its ink map, the digit's box, the frame and the answer."""
    classifier = Classifier(ROOT / "models" / "digits.onnx")
    samples = pictures()
    figure = Figure(figsize=(2 * len(samples), 6.4), layout="constrained")
    grid = figure.subplots(4, len(samples))
    for column, (name, picture) in zip(grid.T, samples.items(), strict=True):
        image = decode(png(picture), max_pixels=10**6)
        ink, digit = ink_map(image), digit_from_image(image)
        frame = frame_from_ink(digit)
        (probabilities,) = classifier(frame[None])
        steps = {
            name: np.asarray(
                Image.alpha_composite(Image.new("RGBA", picture.size, "#d8d8d8"), picture.convert("RGBA"))
            ),
            "ink": 1 - ink,
            "box": 1 - digit,
            f"frame → {probabilities.argmax()} ({probabilities.max():.1%})": 1 - frame,
        }
        for axes, (title, step) in zip(column, steps.items(), strict=True):
            axes.imshow(step, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[], yticks=[])
    figure.savefig(ROOT / "docs" / "picture-to-frame.png", dpi=100)
    samples["pen on paper"].save(ROOT / "docs" / "seven.png")


if __name__ == "__main__":
    main()
