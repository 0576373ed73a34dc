"""Measure the processor time to read one picture, without HTTP, for `/predict` and
`/read`.

    python benchmarks/one_picture.py [--n 30]

Prints medians in milliseconds, on one core. The pictures are drawn with MNIST's
validation digits, and are the same in every run. Needs the extra `training`.
"""

import time
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.random import Generator

from app.digit.classifier import CLASSES
from measuring import Served, header, on_one_core, row
from training.config import LINES_MODEL, MODEL, PAGES_MODEL
from training.data import Digits
from training.sample import PER_CLASS, digits
from training.scenes import SCENES, NumberScene, Scene, photo
from training.sheets import jpeg, opened

WARM_UP = 3
DIGITS = Digits(
    torch.from_numpy(digits().copy()),
    torch.arange(CLASSES).repeat_interleave(PER_CLASS),
)
DRAWING, PHOTO, BOTH = (
    Scene(room=(0.8, 1.5)),
    SCENES["phone-photo"],
    NumberScene(photo, room=(1, 3)),
)
# How a picture is read, drawn with a digit or with a pattern, and the size that it is
# stored in, as a JPEG.
PICTURES = {
    "/predict: 28×28 PNG": (Served.predict, SCENES["clean"], None, None),
    "/predict: drawing, 640×480 JPEG": (Served.predict, DRAWING, None, (640, 480)),
    "/predict: photo, 640×480 JPEG": (Served.predict, PHOTO, None, (640, 480)),
    "/predict: photo, 12-megapixel JPEG": (Served.predict, PHOTO, None, (4000, 3000)),
    "/read: five digits, 640×160 JPEG": (
        Served.text,
        NumberScene(height=(70, 90), room=(0.5, 1)),
        "d" * 5,
        (640, 160),
    ),
    "/read: photo of two lines of five, 12-megapixel JPEG": (
        Served.text,
        BOTH,
        "ddddd\nddddd",
        (4000, 3000),
    ),
}


def drawn(name: str, rng: Generator) -> bytes:
    """Draw a picture."""
    _, draw, pattern, size = PICTURES[name]
    file = (
        draw.number(pattern, DIGITS, rng)[0]
        if pattern
        else draw(digits()[rng.integers(len(digits()))], rng)
    )
    return jpeg(opened(file).resize(size)) if size else file


def main(
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 30,
) -> None:
    """Measure the time to read one picture."""
    on_one_core()
    networks, rng = (
        Served.load(MODEL, LINES_MODEL, PAGES_MODEL),
        np.random.default_rng(0),
    )
    header("picture", "ms")
    for name, (read, *_) in PICTURES.items():
        files, times = [drawn(name, rng) for _ in range(n)], []
        for file in files[:WARM_UP] + files:
            began = time.process_time()
            read(networks, file)
            times.append(time.process_time() - began)
        row([name, f"{1000 * np.median(times[WARM_UP:]):.2f}"])


if __name__ == "__main__":
    typer.run(main)
