"""Picture bytes → an upright image of moderate size, in a plain mode.

Ignores: colour profiles, all frames of an animation but the first, and what is on the picture.
"""

from io import BytesIO

import pi_heif
from PIL import ExifTags, Image, UnidentifiedImageError

from app.preprocess.errors import CorruptImage, EmptyFile, NotAnImage, TooManyPixels

FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
# Larger pictures are averaged down to a longer side of one to two times this.
WORKING_SIDE = 700

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """Decode a picture's first frame, upright, its longer side below twice WORKING_SIDE.

    Parameters
    ----------
    data : bytes
        A picture file in one of FORMATS; the content decides, not a name or a declared type.
    max_pixels : int
        Most pixels (width × height) that are decoded.

    Returns
    -------
    Image
        Mode L, LA, RGB, RGBA, or F (grey of unknown range).

    Raises
    ------
    EmptyFile, NotAnImage, TooManyPixels, CorruptImage
    """
    if not data:
        raise EmptyFile("The file is empty: send the bytes of a picture.")
    pi_heif.register_heif_opener()
    image: Image.Image
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAnImage(f"The file is not a picture in one of these formats: {', '.join(FORMATS)}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"The picture has more than {max_pixels:,} pixels: send a smaller one.") from error
    except Exception as error:  # Pillow's parsers raise whatever broken bytes make them raise
        raise CorruptImage(f"The picture's header is damaged: {error}.") from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(
            f"The picture has {image.width * image.height:,} pixels, more than {max_pixels:,}: send a smaller one."
        )
    try:
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # a big JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        turn = orientation(image)
        image = plain(image)
        if (factor := max(image.size) // WORKING_SIDE) > 1:  # by 1, Pillow would copy it
            image = image.reduce(factor)
    except Exception as error:  # as above
        raise CorruptImage(f"The picture is cut off or damaged: {error}.") from error
    return image if turn is None else image.transpose(turn)


def orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn a picture upright by its EXIF orientation; None where it is or nothing readable says."""
    try:
        return UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is no reason to refuse good pixels
        return None


def plain(image: Image.Image) -> Image.Image:
    """The same picture in mode L, LA, RGB, RGBA or F, without see-through margins."""
    if image.mode.startswith("I"):
        return image.convert("F")
    if not image.has_transparency_data:
        return image if image.mode in ("L", "RGB", "F") else image.convert("L" if image.mode == "1" else "RGB")
    image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("L" if image.mode == "LA" else "RGB")
    return image.crop(alpha.getbbox())
