"""Measure the processor time to read one picture, without HTTP, for `/predict` and
`/read`.

    python benchmarks/one_picture.py [--n 30]

Prints medians in milliseconds, on one core. The pictures are drawn with MNIST's
validation digits, and are the same in every run. Needs the extra `training`.
"""

import time
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from numpy.random import Generator

from app.digit.classifier import CLASSES
from measuring import Served, header, on_one_core, row
from training.data import Digits
from training.sample import PER_CLASS, digits
from training.writing.scenes import SCENES, NumberScene, Scene, photo
from training.writing.sheets import jpeg, opened

WARM_UP = 3
DIGITS = Digits(
    torch.from_numpy(digits().copy()),
    torch.arange(CLASSES).repeat_interleave(PER_CLASS),
)
DRAWING = Scene(room=(0.8, 1.5))
PHOTO = SCENES["phone-photo"]
STRIP = NumberScene(height=(70, 90), room=(0.5, 1))
PHOTO_OF_LINES = NumberScene(photo, room=(1, 3))
SMALL = (640, 480)
LARGE = (4000, 3000)


class Kind(NamedTuple):
    """A kind of picture: how it is drawn, with a pattern of digits or with one digit,
    and the size that it is stored in as a JPEG.
    """

    scene: Scene
    pattern: str = ""
    size: tuple[int, int] | None = None

    def draw(self, rng: Generator) -> bytes:
        """Draw a picture."""
        if self.pattern:
            file, _ = self.scene.number(self.pattern, DIGITS, rng)
        else:
            file = self.scene(digits()[rng.integers(len(digits()))], rng)
        return jpeg(opened(file).resize(self.size)) if self.size else file


KINDS = {
    "/predict: 28×28 PNG": Kind(SCENES["clean"]),
    "/predict: drawing, 640×480 JPEG": Kind(DRAWING, size=SMALL),
    "/predict: photo, 640×480 JPEG": Kind(PHOTO, size=SMALL),
    "/predict: photo, 12-megapixel JPEG": Kind(PHOTO, size=LARGE),
    "/read: five digits, 640×160 JPEG": Kind(STRIP, "d" * 5, (640, 160)),
    "/read: photo of two lines of five, 12-megapixel JPEG": Kind(
        PHOTO_OF_LINES, "ddddd\nddddd", LARGE
    ),
}


def main(
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 30,
) -> None:
    """Measure the time to read one picture."""
    on_one_core()
    networks = Served.committed()
    rng = np.random.default_rng(0)
    header("picture", "ms")
    for name, kind in KINDS.items():
        read = networks.text if kind.pattern else networks.predict
        files = [kind.draw(rng) for _ in range(n)]
        times = []
        for file in files[:WARM_UP] + files:
            began = time.process_time()
            read(file)
            times.append(time.process_time() - began)
        row([name, f"{1000 * np.median(times[WARM_UP:]):.2f}"])


if __name__ == "__main__":
    typer.run(main)
