"""Most services' way to make a picture the network's input: squashed to 28×28, and turned to light on dark."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def squashed(picture: bytes) -> NDArray[np.float32]:
    """A picture's frame: (28, 28) in [0, 1], ink = 1."""
    grey = Image.open(BytesIO(picture)).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    frame = np.asarray(grey, np.float32) / np.float32(255)
    return 1 - frame if frame.mean() > 0.5 else frame
