"""The preprocessing of most services: squash the picture to 28×28, and invert it if it is dark on light."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def squashed(picture: bytes) -> NDArray[np.float32]:
    """Return the frame of a picture: (28, 28) float32 in [0, 1], ink = 1."""
    grey = Image.open(BytesIO(picture)).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    frame = np.asarray(grey, np.float32) / np.float32(255)
    return 1 - frame if frame.mean() > 0.5 else frame
