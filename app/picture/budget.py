"""What reading a picture may cost."""

from dataclasses import dataclass

from PIL import Image

from app.picture.file_formats import MAX_PIXELS


@dataclass(frozen=True)
class Budget:
    """What reading a picture may cost: here, anything but too many pixels.

    Attributes
    ----------
    max_pixels : int
        Maximum number of pixels, as for `open_image`.
    """

    max_pixels: int = MAX_PIXELS

    def check_header(self, image: Image.Image) -> None:
        """Raise an exception if an open picture may cost too much to decode."""

    def check_writing(self, width: float) -> None:
        """Raise an exception if a page's strips of this total width cost too much."""


UNLIMITED = Budget()
