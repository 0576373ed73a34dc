"""Measure the processor time to read one picture, without HTTP: the dense network, `/predict` and `/read`.

    python benchmarks/one_picture.py [--n 30]

Prints medians in milliseconds, on one core. The pictures are drawn with MNIST's validation digits, and are the same in
every run. Needs the extra `training`.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageOps

from measuring import Networks, header, row
from training.sample import digits, random_digit
from training.scenes import SCENES, Scene
from training.sheets import jpeg, photographed

WARM_UP = 3
NUMBER, TWO_LINES = "#####", "#####\n#####"
# What is drawn, and the size that it is stored in, as a JPEG.
PICTURES: dict[str, tuple[Callable[..., bytes], str, tuple[int, int] | None]] = {
    "digit, 28×28 PNG": (SCENES["clean"], "#", None),
    "drawing, 640×480 JPEG": (Scene(room=(0.8, 1.5)), "#", (640, 480)),
    "photo, 640×480 JPEG": (SCENES["phone-photo"], "#", (640, 480)),
    "photo, 12-megapixel JPEG": (SCENES["phone-photo"], "#", (4000, 3000)),
    "number of five digits, 640×160 JPEG": (Scene(height=(70, 90), room=(0.5, 1)), NUMBER, (640, 160)),
    "photo of two such numbers, 12-megapixel JPEG": (Scene(photographed, room=(1, 3)), TWO_LINES, (4000, 3000)),
}


def drawn(name: str, rng: np.random.Generator) -> bytes:
    """Draw a picture."""
    draw, pattern, size = PICTURES[name]
    file = draw([random_digit(rng) for _ in range(pattern.count("#"))], rng, pattern)
    return jpeg(ImageOps.exif_transpose(Image.open(BytesIO(file))).resize(size), 85) if size else file


def milliseconds(calls: list[Callable[[], object]]) -> str:
    """Measure the median processor time of some calls, after the first few."""
    times = []
    for call in calls[:WARM_UP] + calls:
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return f"{1000 * np.median(times[WARM_UP:]):.2f}"


def main(n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 30) -> None:
    """Measure the time to read one picture."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:  # NumPy and ONNX Runtime choose their threads when they start
        os.sched_setaffinity(0, {max(cores)})
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this program again
    networks, rng = Networks.of(), np.random.default_rng(0)
    header("picture", "`/predict`, ms", "`/read`, ms")
    for name in PICTURES:
        files = [drawn(name, rng) for _ in range(n)]
        reads = [[partial(read, file) for file in files] for read in (networks.predict, networks.text)]
        row([name, *map(milliseconds, reads)])
    frames = digits() / np.float32(255)
    for count in (1, 32):
        batches = [partial(networks.classifier, frames[first : first + count]) for first in range(0, 450, 5)]
        row([f"the dense network alone, for {count} frames", milliseconds(batches), ""])


if __name__ == "__main__":
    typer.run(main)
