"""The 500 MNIST validation digits in tests/data, which need no download."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILE = Path(__file__).parent.parent / "tests" / "data" / "mnist_500.png"
CLASSES, PER_CLASS = 10, 50


@cache
def digits() -> NDArray[np.uint8]:
    """Load the digits, 50 of each, 0s first: (500, 28, 28) uint8, ink = 255."""
    rows = np.asarray(Image.open(FILE)).reshape(CLASSES, 28, PER_CLASS, 28)
    return rows.swapaxes(1, 2).reshape(-1, 28, 28)
