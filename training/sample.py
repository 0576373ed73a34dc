"""A sample of MNIST's validation digits, which needs no download.

Scenes take neighbours of a digit from it; tests and benchmarks draw it. `sample.png`
holds the first 50 of each digit among the validation images, the last 5,000 of MNIST's
training set, unchanged, 28×28 pixels each: a row per digit, with 0 at the top. They are
not test images, or tests would choose the network by them.

Source: Y. LeCun, C. Cortes and C. Burges, *The MNIST database of handwritten digits*,
http://yann.lecun.com/exdb/mnist/. Licence: CC BY-SA 3.0
(https://creativecommons.org/licenses/by-sa/3.0/).
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.digit.classifier import CLASSES

FILE = Path(__file__).with_name("sample.png")
PER_CLASS = 50


@cache
def digits() -> NDArray[np.uint8]:
    """Load the digits, 50 of each, 0s first: (500, 28, 28) uint8, ink = 255."""
    rows = np.asarray(Image.open(FILE)).reshape(CLASSES, 28, PER_CLASS, 28)
    return rows.swapaxes(1, 2).reshape(-1, 28, 28)
