"""A decoded picture → an upright JPEG of limited size, for people to look at."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.picture.decode import Picture
from app.picture.ink import opaque

SIDE = 1600  # longer side of the JPEG, in pixels
QUALITY = 85


class Shown(NamedTuple):
    """An upright picture as people see it.

    Attributes
    ----------
    jpeg : bytes
        The picture, at most SIDE pixels wide and high; what is transparent is white.
    width, height : int
        Size of the upright picture in its file, to whose pixels boxes refer.
    """

    jpeg: bytes
    width: int
    height: int


def shown(picture: Picture) -> Shown:
    """Encode a decoded picture for people to look at."""
    image = picture.image
    if image.mode == "F":
        image = Image.fromarray(np.uint8(255 * opaque(image)[0]))
    sheet = Image.new("RGB", picture.sheet_size, "white")
    mask = image if image.has_transparency_data else None
    sheet.paste(image, (picture.left, picture.top), mask)
    sheet.thumbnail((SIDE, SIDE))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY)
    return Shown(file.getvalue(), picture.width, picture.height)
