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
    part = picture.image
    if part.mode == "F":
        part = Image.fromarray(np.uint8(255 * opaque(part)[0]))
    sheet = Image.new(
        "RGB",
        (round(picture.width / picture.scale), round(picture.height / picture.scale)),
        "white",
    )
    sheet.paste(
        part, (picture.left, picture.top), part if part.has_transparency_data else None
    )
    sheet.thumbnail((SIDE, SIDE))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY)
    return Shown(file.getvalue(), picture.width, picture.height)
