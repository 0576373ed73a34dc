"""An open picture → an upright JPEG of limited size, for people to look at."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.preprocess.decode import decode_image
from app.preprocess.ink import opaque

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


def shown(image: Image.Image, width: int, height: int, turn: int) -> Shown:
    """Encode a picture for people to look at.

    Parameters
    ----------
    image : Image
        From `open_image`, already decoded. `decode_image` may have reduced a JPEG.
    width, height : int
        Size of the turned picture in its file.
    turn : int
        By how many degrees to turn the upright picture counter-clockwise: 0, 90, 180 or 270.
    """
    picture = decode_image(image, SIDE).turned(turn)
    part = picture.image
    if part.mode == "F":
        part = Image.fromarray(np.uint8(255 * opaque(part)[0]))
    sheet = Image.new("RGB", (round(picture.width / picture.scale), round(picture.height / picture.scale)), "white")
    sheet.paste(part, (picture.left, picture.top), part if part.has_transparency_data else None)
    sheet.thumbnail((SIDE, SIDE))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY)
    return Shown(file.getvalue(), width, height)
