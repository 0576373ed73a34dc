"""The 500 MNIST validation digits in tests/data, for benchmarks that need no download."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.frame import FRAME_SIDE

FILE = Path(__file__).parent.parent / "tests" / "data" / "mnist_500.png"
CLASSES, PER_CLASS = 10, 50


@cache
def digits() -> NDArray[np.uint8]:
    """Load the digits, 50 of each, 0s first: (500, 28, 28) uint8, ink = 255."""
    sheet = np.asarray(Image.open(FILE))
    return sheet.reshape(CLASSES, FRAME_SIDE, PER_CLASS, FRAME_SIDE).swapaxes(1, 2).reshape(-1, FRAME_SIDE, FRAME_SIDE)


def random_digit(rng: Generator) -> NDArray[np.uint8]:
    """Pick one of the digits, (28, 28) uint8, ink = 255."""
    column, row = int(rng.integers(PER_CLASS)), int(rng.integers(CLASSES))
    return digits()[PER_CLASS * row + column]
