"""Picture bytes → an upright image of moderate size, in a plain mode.

Ignores: colour profiles, all frames of an animation but the first, and what is on the picture.
"""

from contextlib import suppress
from functools import cache
from io import BytesIO
from time import perf_counter

import pi_heif
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from app.preprocess.errors import CorruptImage, EmptyFile, NotAnImage, TooComplex, TooManyPixels

FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
# Larger pictures are averaged down to a longer side of one to two times this.
WORKING_SIDE = 700
# Share of the most pixels that a format may have, by the memory its decoder takes: next to none for a JPEG, which
# is decoded reduced, 16 bytes a pixel for WebP, 12 for AVIF, 4 to 9 for the rest, which may have half as many.
PIXEL_SHARES = {"JPEG": 1.0, "WEBP": 0.25, "AVIF": 0.3}
DECODE_SECONDS = 2.0
# Each scan of a progressive JPEG goes over all its pixels. Encoders write about 10.
START_OF_SCAN, MAX_SCANS = b"\xff\xda", 100


def image_from_bytes(data: bytes, max_pixels: int) -> Image.Image:
    """Open and decode a picture, see `open_image` and `decode_image`."""
    return decode_image(open_image(data, max_pixels))


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Read a picture's header and find it acceptable; `decode_image` reads the rest.

    Parameters
    ----------
    data : bytes
        A picture file in one of FORMATS; the content decides, not a name or a declared type.
    max_pixels : int
        Most pixels (width × height) of a JPEG, which may be decoded reduced; of other formats a part of it.

    Raises
    ------
    EmptyFile, NotAnImage, TooManyPixels, TooComplex, CorruptImage
    """
    if not data:
        raise EmptyFile("The file is empty: send the bytes of a picture.")
    register_heif()
    try:
        source = Source(data) if len(data) > ImageFile.MAXBLOCK else BytesIO(data)  # read at once
        image: Image.Image = Image.open(source, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAnImage(f"The file is not a picture in one of these formats: {', '.join(FORMATS)}.") from error
    except TooComplex:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"The picture has more than {max_pixels:,} pixels: send a smaller one.") from error
    except Exception as error:  # Pillow's parsers raise whatever broken bytes make them raise
        raise CorruptImage(f"The picture's header is damaged: {error}.") from error
    kind = "progressive JPEG" if "progressive" in image.info else str(image.format)
    allowed = int(max_pixels * PIXEL_SHARES.get(kind, 0.5))
    if (pixels := max(image.width * image.height, tile_pixels(image))) > allowed:
        raise TooManyPixels(
            f"The picture has {pixels:,} pixels, more than {allowed:,} in a {kind}: send a smaller one."
        )
    if image.format == "JPEG" and data.count(START_OF_SCAN) > MAX_SCANS:
        raise TooComplex(f"The picture is a JPEG of more than {MAX_SCANS} scans: re-save it and try again.")
    return image


def decode_image(image: Image.Image) -> Image.Image:
    """Decode an open picture's first frame: upright, its longer side below twice WORKING_SIDE.

    Returns
    -------
    Image
        Mode L, LA, RGB, RGBA, or F (grey of unknown range).

    Raises
    ------
    CorruptImage, TooComplex
    """
    try:
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # a big JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        turn_upright(image)
        image = plain(image)
        if (factor := max(image.size) // WORKING_SIDE) > 1:  # by 1, Pillow would copy it
            image = reduced(image, factor)
        return without_margins(image)
    except TooComplex:
        raise
    except Exception as error:  # as above
        raise CorruptImage(f"The picture is cut off or damaged: {error}.") from error


@cache
def register_heif() -> None:
    """Let Pillow open HEIF files, from the first picture on."""
    pi_heif.register_heif_opener()


class Source(BytesIO):
    """A file in memory that its decoder may read from for so long."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.deadline = perf_counter() + DECODE_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, or TooComplex when the time is over."""
        if perf_counter() > self.deadline:
            raise TooComplex(f"The picture takes more than {DECODE_SECONDS:g} s to decode: re-save it and try again.")
        return super().read(size)


def tile_pixels(image: Image.Image) -> int:
    """Pixels of one tile of a TIFF, which is decoded whole however little of it is shown; 0 without tiles."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(TiffImagePlugin.TILEWIDTH, 0)) * int(tags.get(TiffImagePlugin.TILELENGTH, 0))


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
