"""Measure what each step of the preprocessing adds, in synthetic scenes and on real pictures.

    python benchmarks/ablation.py [--split validation|test] [--n 200] [--real DIR ...]

Each column of the table adds a step to the one before it; the last is the service's own pipeline. A picture
that is refused counts as wrong. Scenes and digits are those of `robustness.py`, a real folder holds `images/`
and `labels.csv` as for `real.py`. Ignores: HTTP. Needs the extra `training` (torch).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.inference.classifier import Classifier
from app.preprocess.decode import image_from_bytes
from app.preprocess.errors import PreprocessError
from app.preprocess.frame import FRAME_SIDE, centred
from app.preprocess.ink import ink_map
from app.preprocess.maps import Box
from app.preprocess.pieces import LEVEL, find_digit
from app.preprocess.pipeline import digit_from_image, frame_from_bytes
from real import labelled
from robustness import MAX_PIXELS, ROOT, Reader, chosen_digits, squashed
from scenes import SCENES, render

Frame = NDArray[np.float32]


def ink(data: bytes, max_pixels: int) -> Frame:
    """The ink of the whole picture, squashed."""
    whole = Image.fromarray(ink_map(image_from_bytes(data, max_pixels)))
    return np.asarray(whole.resize((FRAME_SIDE, FRAME_SIDE), Image.Resampling.BOX))


def box(data: bytes, max_pixels: int) -> Frame:
    """All ink in one box, scaled and centred as MNIST's digits are."""
    found = ink_map(image_from_bytes(data, max_pixels))
    rows, columns = np.nonzero(found >= LEVEL)
    return centred(found[Box(rows.min(), rows.max() + 1, columns.min(), columns.max() + 1).slices])


def pieces(data: bytes, max_pixels: int) -> Frame:
    """The digit's pieces alone."""
    _, digit = find_digit(ink_map(image_from_bytes(data, max_pixels)))
    return centred(digit)


def closer(data: bytes, max_pixels: int) -> Frame:
    """A small digit looked at again from closer."""
    return centred(digit_from_image(image_from_bytes(data, max_pixels)))


STEPS: dict[str, Reader] = {
    "squashed": squashed,
    "+ ink": ink,
    "+ box": box,
    "+ pieces": pieces,
    "+ closer": closer,
    "+ stroke": frame_from_bytes,
}


def errors(pictures: Iterator[tuple[bytes, int]], model: Classifier) -> tuple[int, dict[str, int]]:
    """How many pictures there are, and how many each column reads wrongly."""
    wrong, count = dict.fromkeys(STEPS, 0), 0
    for picture, label in pictures:
        count += 1
        for name, reader in STEPS.items():
            try:
                wrong[name] += int(model(reader(picture, MAX_PIXELS)[None]).argmax()) != label
            except PreprocessError:
                wrong[name] += 1
    return count, wrong


def sets(options: argparse.Namespace) -> Iterator[tuple[str, Iterator[tuple[bytes, int]]]]:
    """Each scene's and each real folder's name, and its pictures with their labels."""
    images, labels = chosen_digits(options.split, options.n, options.seed)
    for scene in options.scene:
        yield scene, ((render(scene, image, options.seed, i), int(labels[i])) for i, image in enumerate(images))
    for folder, pictures in labelled(options.real).items():
        yield folder, ((path.read_bytes(), int(label)) for path, label in pictures.items())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure what each step of the preprocessing adds.")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--n", type=int, default=200, help="digits to a scene (200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "digits.onnx")
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=list(SCENES), metavar="NAME")
    parser.add_argument("--real", nargs="+", type=Path, default=[], metavar="DIR", help="real pictures")
    options = parser.parse_args()
    model = Classifier(options.model)
    sys.stdout.write(f"| wrong, % | n | {' | '.join(STEPS)} |\n|---|---|{'---|' * len(STEPS)}\n")
    for name, pictures in sets(options):
        count, wrong = errors(pictures, model)
        cells = (f"{100 * number / count:.1f}" for number in wrong.values())
        sys.stdout.write(f"| {name} | {count} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
