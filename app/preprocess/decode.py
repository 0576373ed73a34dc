"""Picture bytes → an upright image of moderate size, in a plain mode, and where it lies on the picture.

Ignores: colour profiles, all frames of an animation but the first, and what is on the picture.
"""

import math
import re
from contextlib import suppress
from functools import cache
from io import BytesIO
from typing import NamedTuple

import pi_heif
from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

from app.preprocess.errors import CorruptImage, EmptyFile, NotAnImage, PreprocessError, TooManyPixels
from app.preprocess.formats import FORMATS
from app.preprocess.maps import Box

HEIF_OVERLAY = re.compile(rb"infe.{8,10}iovl", re.DOTALL)  # an entry of the file's list of items


class Picture(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    image : Image
        Upright, in mode L, LA, RGB, RGBA, or F (grey of unknown range), reduced, without see-through margins.
    width, height : int
        Of the upright picture.
    scale : float
        How many pixels of the upright picture lie along one of the image.
    left, top : int
        How much of a margin was left out, in pixels of the image.
    """

    image: Image.Image
    width: int
    height: int
    scale: float = 1.0
    left: int = 0
    top: int = 0

    def box(self, box: Box) -> Box:
        """A box on the image in pixels of the upright picture."""
        top, bottom, left, right = (round(edge * self.scale) for edge in box.shifted(self.top, self.left))
        return Box(max(top, 0), min(bottom, self.height), max(left, 0), min(right, self.width))


def picture_from_bytes(data: bytes, max_pixels: int, side: int) -> Picture:
    """Open and decode a picture, see `open_image` and `decode_image`."""
    return decode_image(open_image(data, max_pixels), side)


def open_image(data: bytes, max_pixels: int, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Read a picture's header and find it acceptable; `decode_image` reads the rest.

    Parameters
    ----------
    data : bytes
        A picture file; the content decides, not a name or a declared type.
    max_pixels : int
        Most pixels (width × height) by its header, which may be wrong.
    formats : tuple of str
        Some of FORMATS.

    Raises
    ------
    EmptyFile, NotAnImage, TooManyPixels, CorruptImage
    """
    if not data:
        raise EmptyFile("The file is empty: send the bytes of a picture.")
    if HEIF_OVERLAY.search(data):  # before libheif opens it, which may take for ever
        raise NotAnImage("A HEIF that overlays several pictures is not accepted: save it as a JPEG.")
    prepare_plugins()
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise NotAnImage(f"The file is not a picture in one of these formats: {', '.join(FORMATS)}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"The picture has more than {max_pixels:,} pixels: send a smaller one.") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever broken bytes make them raise
        raise CorruptImage(f"The picture's header is damaged: {error}.") from error
    if (pixels := image.width * image.height) > max_pixels:
        raise TooManyPixels(f"The picture has {pixels:,} pixels, more than {max_pixels:,}: send a smaller one.")
    if image.mode == "F" or image.info.get("compression") == "lzma":  # nobody photographs a digit with these
        raise NotAnImage("A TIFF of floating-point numbers, or with LZMA, is not accepted: save it as a PNG.")
    return image


def decode_image(image: Image.Image, side: int) -> Picture:
    """Decode an open picture's first frame: upright, a larger one averaged down to a longer side of about `side`.

    Raises
    ------
    CorruptImage
    """
    try:
        longer_side, shorter_side = max(image.size), min(image.size)
        scale = min(1, side / longer_side)
        enough = math.ceil(image.width * scale), math.ceil(image.height * scale)
        image.draft(None, enough)  # a big JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        turn_upright(image)
        image = plain(image)
        if (factor := round(max(image.size) / side)) > 1:  # by 1, Pillow would copy it
            image = reduced(image, factor)
        is_wide = image.width >= image.height
        size = (longer_side, shorter_side) if is_wide else (shorter_side, longer_side)
        return without_margins(Picture(image, *size, longer_side / max(image.size)))
    except (PreprocessError, MemoryError):
        raise
    except Exception as error:  # as above
        raise CorruptImage(f"The picture is cut off or damaged: {error}.") from error


@cache
def prepare_plugins() -> None:
    """Let Pillow open HEIF files, from the first picture on, and decode without threads of its own."""
    pi_heif.register_heif_opener()
    pi_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def turn_upright(image: Image.Image) -> None:
    """Turn a picture by its EXIF orientation, where it has a readable one."""
    if image.info:  # MNIST's have nothing but pixels
        with suppress(Exception):  # broken EXIF is no reason to refuse good pixels
            ImageOps.exif_transpose(image, in_place=True)


def plain(image: Image.Image) -> Image.Image:
    """The same picture in mode L, LA, RGB, RGBA or F."""
    if image.mode.startswith("I"):
        return image.convert("F")
    if image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "F") else image.convert("L" if image.mode == "1" else "RGB")


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """An image averaged down, strip by strip: Pillow copies one with an alpha channel to do it."""
    strip = factor * 16
    size = -(-image.width // factor), -(-image.height // factor)
    small = Image.new(image.mode, size)
    for top in range(0, image.height, strip):
        part = image.crop((0, top, image.width, min(top + strip, image.height)))
        small.paste(part.reduce(factor), (0, top // factor))
    return small


def without_margins(picture: Picture) -> Picture:
    """A picture without see-through margins, and without an alpha channel that says nothing."""
    image = picture.image
    if image.mode not in ("LA", "RGBA"):
        return picture
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return picture._replace(image=image.convert("L" if image.mode == "LA" else "RGB"))
    if not (seen := alpha.getbbox()):
        return picture
    left, top, right, bottom = seen
    around = left - 1, top - 1, right + 1, bottom + 1  # so that no edge cuts what is on it
    return picture._replace(image=image.crop(around), left=left - 1, top=top - 1)
