"""A region of a picture, which alone is read."""

import math
import re
from typing import NamedTuple

from app.picture.errors import OutsidePicture
from app.picture.maps import PixelBox

NUMBER = r"\d{1,6}(\.\d{1,9})?"
REGION = rf"^{NUMBER}(,{NUMBER}){{3}}$"
ROUNDING = 1e-6  # by which fractions may be above 1 together


class Region(NamedTuple):
    """A rectangle of an upright picture: in its pixels, or in fractions of its size if
    no number is above 1.
    """

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, text: str) -> "Region":
        """Parse left, top, width and height, separated by commas.

        Raises ValueError.
        """
        if not re.fullmatch(REGION, text):
            raise ValueError("region must be left,top,width,height.")
        region = cls(*map(float, text.split(",")))
        if not (region.width and region.height):
            raise ValueError("region must be wider and higher than 0.")
        return region

    def __str__(self) -> str:
        return ",".join(f"{number:.12g}" for number in self)

    def box(self, width: int, height: int) -> PixelBox:
        """Return it in pixels of an upright picture of this size.

        Raises OutsidePicture.
        """
        left, top, wide, high = self
        if max(self) <= 1:
            left, wide = left * width, wide * width
            top, high = top * height, high * height
        right, bottom = left + wide, top + high
        if right > width * (1 + ROUNDING) or bottom > height * (1 + ROUNDING):
            raise OutsidePicture(
                f"The region {self} does not lie in the picture, which is {width} × "
                f"{height} pixels: correct it."
            )
        edges = math.floor(top), math.ceil(bottom), math.floor(left), math.ceil(right)
        return PixelBox(*edges).within(width, height)
