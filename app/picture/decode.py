"""Upright, downscaled images of open pictures, and their position in the picture.

Ignores colour profiles, and all frames of an animation but the first.
"""

import math
from contextlib import suppress
from typing import NamedTuple

from PIL import ExifTags, Image
from PIL.Image import Transpose

from app.picture.errors import CorruptImage, PictureError
from app.picture.maps import PixelBox
from app.picture.region import Region

TRANSPOSITIONS = {  # by EXIF orientation
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # orientations of pictures that lie on their side
ALPHA_MODES = ("LA", "RGBA")


class Picture(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    image : Image
        Upright and downscaled, without transparent margins, in mode L, LA, RGB, RGBA or
        F (grey of unknown range).
    width, height : int
        Size of the upright picture.
    scale : float
        Pixels of the upright picture per pixel of the image, along one axis.
    left, top : int
        What was cropped there, in pixels of the image.
    """

    image: Image.Image
    width: int
    height: int
    scale: float = 1.0
    left: int = 0
    top: int = 0

    @property
    def sheet_size(self) -> tuple[int, int]:
        """Width and height of the upright picture, in pixels of the image."""
        width = round(self.width / self.scale)
        height = round(self.height / self.scale)
        return max(1, width), max(1, height)

    def reduced(self, side: int) -> "Picture":
        """Return the picture with a smaller image, or itself if it is small enough."""
        image = reduced(self.image, side)
        factor = self.image.width / image.width
        if factor == 1:
            return self
        return self._replace(
            image=image,
            scale=factor * self.scale,
            left=round(self.left / factor),
            top=round(self.top / factor),
        )

    def cropped(self, box: PixelBox) -> "Picture":
        """Return a part of the picture, given in pixels of the upright one."""
        top, bottom, left, right = self.edges_in_image(box)
        edges = math.floor(top), math.ceil(bottom), math.floor(left), math.ceil(right)
        inside = PixelBox(*edges).within(*self.image.size)
        image = self.image.crop((inside.left, inside.top, inside.right, inside.bottom))
        left, top = self.left + inside.left, self.top + inside.top
        return self._replace(image=image, left=left, top=top)

    def turned(self, degrees: int) -> "Picture":
        """Return the picture turned counter-clockwise by 0, 90, 180 or 270 degrees."""
        if not degrees:
            return self
        right = self.sheet_size[0] - self.left - self.image.width
        image = self.image.transpose(Transpose.ROTATE_90)
        once = Picture(image, self.height, self.width, self.scale, self.top, right)
        return once.turned(degrees - 90)

    def box(self, box: PixelBox) -> PixelBox:
        """Convert a box in the image to pixels of the upright picture, within it."""
        edges = (round(edge * self.scale) for edge in box.shifted(self.top, self.left))
        return PixelBox(*edges).within(self.width, self.height)

    def edges_in_image(self, box: PixelBox) -> list[float]:
        """Convert a box in pixels of the upright picture to edges in the image."""
        top, bottom, left, right = (edge / self.scale for edge in box)
        return [top - self.top, bottom - self.top, left - self.left, right - self.left]


def decode_image(
    image: Image.Image, side: int, region: Region | None = None
) -> Picture:
    """Decode the first frame of an open picture, and turn it upright.

    Parameters
    ----------
    image : Image
        A picture from `open_image`.
    side : int
        A larger picture is downscaled to a longer side of about this many pixels, by
        averaging.
    region : Region, optional
        The part to crop, which is what is downscaled to that side.

    Raises
    ------
    CorruptImage, OutsidePicture
    """
    try:
        return decoded(image, side, region)
    except (MemoryError, PictureError):
        raise
    except Exception as error:  # as in `errors_of_headers`
        cause = str(error).strip() or type(error).__name__
        raise CorruptImage(f"The picture is cut off or damaged: {cause}.") from error


def decoded(image: Image.Image, side: int, region: Region | None) -> Picture:
    """Decode a picture as `decode_image` does; raise what Pillow raises."""
    width, height = image.size
    if region:  # of a JPEG, the orientation is known before it is decoded
        part = region.box(*upright_size(image.size, orientation_of(image)))
        side = math.ceil(side * max(image.size) / part.size)
    factor = max(1, round(max(image.size) / side))
    # Decode JPEGs at down to 1/8 of their size.
    image.draft(None, (math.ceil(width / factor), math.ceil(height / factor)))
    image.load()
    orientation = orientation_of(image)
    if orientation in TRANSPOSITIONS:
        image = image.transpose(TRANSPOSITIONS[orientation])
    image = reduced(plain(image), side)
    scale = max(width, height) / max(image.size)
    size = upright_size((width, height), orientation)
    picture = Picture(image, *size, scale)
    return without_margins(picture.cropped(region.box(*size)) if region else picture)


def upright_size(size: tuple[int, int], orientation: int | None) -> tuple[int, int]:
    """Return the width and height of a picture that is turned upright."""
    return size[::-1] if orientation in SIDEWAYS else size


def orientation_of(image: Image.Image) -> int | None:
    """Return a picture's EXIF orientation, None if it has no readable one.

    Pillow's `exif_transpose` would also write all tags again.
    """
    orientation = None
    if image.info:  # MNIST's images have no metadata
        with suppress(Exception):  # broken EXIF is no reason to refuse good pixels
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    return orientation


def plain(image: Image.Image) -> Image.Image:
    """Convert a picture to mode L, LA, RGB, RGBA or F."""
    if image.mode.startswith("I"):
        return image.convert("F")
    if image.has_transparency_data:
        return image if image.mode in ALPHA_MODES else image.convert("RGBA")
    if image.mode in ("L", "RGB", "F"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def reduced(image: Image.Image, side: int) -> Image.Image:
    """Downscale a larger image to about this longer side, by averaging."""
    factor = round(max(image.size) / side)
    if factor <= 1:  # Pillow would only copy it
        return image
    if image.mode not in ALPHA_MODES:
        return image.reduce(factor)
    # In strips, since Pillow copies such images.
    strip_height = 16 * factor
    size = math.ceil(image.width / factor), math.ceil(image.height / factor)
    small = Image.new(image.mode, size)
    for top in range(0, image.height, strip_height):
        bottom = min(top + strip_height, image.height)
        strip = image.crop((0, top, image.width, bottom))
        small.paste(strip.reduce(factor), (0, top // factor))
    return small


def without_margins(picture: Picture) -> Picture:
    """Crop transparent margins, and drop an alpha channel that is opaque throughout."""
    image = picture.image
    if image.mode not in ALPHA_MODES:
        return picture
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return picture._replace(image=image.convert(image.mode.removesuffix("A")))
    visible = alpha.getbbox()
    if not visible:
        return picture
    left, top, right, bottom = visible
    # With a pixel around them, so that no ink touches the edges.
    image = image.crop((left - 1, top - 1, right + 1, bottom + 1))
    left, top = picture.left + left, picture.top + top
    return picture._replace(image=image, left=left - 1, top=top - 1)
