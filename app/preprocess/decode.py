"""Picture bytes → an upright image of moderate size, in a plain mode.

Ignores: colour profiles, all frames of an animation but the first, and what is on the picture.
"""

import math
import re
from contextlib import suppress
from functools import cache
from io import BytesIO

import pi_heif
from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

from app.preprocess.errors import CorruptImage, EmptyFile, NotAnImage, PreprocessError, TooManyPixels

FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
# Larger pictures are averaged down to a longer side of one to two times this.
WORKING_SIDE = 700
HEIF_OVERLAY = re.compile(rb"infe.{8,10}iovl", re.DOTALL)  # an entry of the file's list of items


def image_from_bytes(data: bytes, max_pixels: int) -> Image.Image:
    """Open and decode a picture, see `open_image` and `decode_image`."""
    return decode_image(open_image(data, max_pixels))


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


def decode_image(image: Image.Image) -> Image.Image:
    """Decode an open picture's first frame: upright, its longer side below twice WORKING_SIDE.

    Returns
    -------
    Image
        Mode L, LA, RGB, RGBA, or F (grey of unknown range).

    Raises
    ------
    CorruptImage
    """
    try:
        scale = min(1, WORKING_SIDE / max(image.size))
        enough = math.ceil(image.width * scale), math.ceil(image.height * scale)
        image.draft(None, enough)  # a big JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        turn_upright(image)
        image = plain(image)
        if (factor := max(image.size) // WORKING_SIDE) > 1:  # by 1, Pillow would copy it
            image = reduced(image, factor)
        return without_margins(image)
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


def without_margins(image: Image.Image) -> Image.Image:
    """An image without see-through margins, and without an alpha channel that says nothing."""
    if image.mode not in ("LA", "RGBA"):
        return image
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("L" if image.mode == "LA" else "RGB")
    return image.crop(alpha.getbbox())
