"""Resize, convert and encode pictures, white = 255, and masks, in [0, 1]: (H, W)
float32.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from app.picture.maps import Map

Size = tuple[int, int]


def resized(field: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize a map to a width and a height."""
    return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC))


def levels(image: Image.Image | ArrayLike) -> Map:
    """Convert an 8-bit greyscale image to floats in [0, 1]."""
    return np.asarray(image, np.float32) / np.float32(255)


def extent(mask: NDArray[Any], level: float) -> tuple[slice, slice]:
    """Find the rows and columns, first to last, in which a mask exceeds a level."""
    inked = mask > level
    rows = np.flatnonzero(inked.any(axis=1)).tolist()
    columns = np.flatnonzero(inked.any(axis=0)).tolist()
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def png(picture: Map | Image.Image) -> bytes:
    """Encode a picture as a PNG file."""
    file = BytesIO()
    image = picture if isinstance(picture, Image.Image) else to_image(picture)
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def to_image(picture: Map) -> Image.Image:
    """Convert a picture to 8 bits."""
    return Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
