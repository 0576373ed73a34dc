"""Picture bytes → an upright, downscaled image, and its position in the picture.

Ignores colour profiles, and all frames of an animation but the first. Of a TIFF or PDF,
one page is read.
"""

import math
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from typing import NamedTuple

import pi_heif
from PIL import AvifImagePlugin, ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

from app.picture.errors import (
    CorruptImage,
    EmptyFile,
    NoSuchPage,
    NotAnImage,
    TooManyPixels,
)
from app.picture.file_formats import FILE_FORMATS, MAX_PIXELS, PDF, file_format_of
from app.picture.maps import PixelBox

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
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # types of chunks that may inflate
# An `infe` item entry of type `iovl`, image overlay.
HEIF_OVERLAY = re.compile(rb"infe.{8,10}iovl", re.DOTALL)


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
        Width of the margins that were cropped, in pixels of the image.
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


def open_image(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FILE_FORMATS,
    page: int | None = None,
) -> Image.Image:
    """Read and check a picture's header; `decode_image` decodes the pixels.

    The page of a PDF is drawn at once.

    Parameters
    ----------
    data : bytes
        A picture file. Its format is detected from its content, not from a name or a
        declared type.
    max_pixels : int
        Maximum number of pixels (width × height) according to the header, which may be
        wrong.
    formats : collection of str
        Accepted formats, a subset of FILE_FORMATS; PDFs are only accepted with all of
        them.
    page : int, optional
        Which page of a TIFF or PDF, from 1 on; needed if it has several.

    Returns
    -------
    Image
        The picture, not yet decoded.

    Raises
    ------
    EmptyFile, NotAnImage, NoSuchPage, TooManyPixels, CorruptImage
    """
    if not data:
        raise EmptyFile("The file is empty: send a picture.")
    if formats is FILE_FORMATS and file_format_of(data) is PDF:
        from app.picture import pdf  # takes long to load

        with pdf.opened(data) as document:
            return pdf.drawn(document, index_of(page, len(document)))
    if HEIF_OVERLAY.search(data):  # libheif may never finish opening one
        raise NotAnImage(
            "HEIF files that overlay several pictures are not accepted: save the "
            "picture as a JPEG."
        )
    prepare_plugins()
    with errors_of_headers():
        image = Image.open(BytesIO(without_text(data)), formats=tuple(formats))
        count = frames_of_tiff(image) if image.format == "TIFF" else 1
        image.seek(index_of(page, count))
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise TooManyPixels(
            f"The picture has {pixels:,} pixels, more than {max_pixels:,}: send a "
            "smaller one."
        )
    # Neither is used for photos or scans.
    if image.mode == "F" or image.info.get("compression") == "lzma":
        raise NotAnImage(
            "TIFF files with floating-point pixels or LZMA compression are not "
            "accepted: save the picture as a PNG."
        )
    return image


def decode_image(image: Image.Image, side: int) -> Picture:
    """Decode the first frame of an open picture, and turn it upright.

    Parameters
    ----------
    image : Image
        A picture from `open_image`.
    side : int
        A larger picture is downscaled to a longer side of about this many pixels, by
        averaging.

    Raises
    ------
    CorruptImage
    """
    try:
        return decoded(image, side)
    except MemoryError:
        raise
    except Exception as error:  # as in `errors_of_headers`
        cause = str(error).strip() or type(error).__name__
        raise CorruptImage(f"The picture is cut off or damaged: {cause}.") from error


def decoded(image: Image.Image, side: int) -> Picture:
    """Decode a picture as `decode_image` does; raise what Pillow raises."""
    width, height = image.size
    factor = max(1, round(max(image.size) / side))
    # Decode JPEGs at down to 1/8 of their size.
    image.draft(None, (math.ceil(width / factor), math.ceil(height / factor)))
    image.load()
    orientation = orientation_of(image)
    if orientation in TRANSPOSITIONS:
        image = image.transpose(TRANSPOSITIONS[orientation])
    image = reduced(plain(image), side)
    scale = max(width, height) / max(image.size)
    if orientation in SIDEWAYS:
        width, height = height, width
    return without_margins(Picture(image, width, height, scale))


def page_count(data: bytes) -> int:
    """Count the pages of a file, including damaged ones.

    Parameters
    ----------
    data : bytes
        A picture file.

    Returns
    -------
    int
        At least 1; always 1 if the format is not one with pages.

    Raises
    ------
    NotAnImage, CorruptImage
    """
    file_format = file_format_of(data)
    if file_format is PDF:
        from app.picture import pdf  # takes long to load

        with pdf.opened(data) as document:
            return len(document)
    if file_format is None or not file_format.has_pages:
        return 1
    prepare_plugins()
    with errors_of_headers():
        return frames_of_tiff(Image.open(BytesIO(data), formats=["TIFF"]))


@contextmanager
def errors_of_headers() -> Iterator[None]:
    """Raise NotAnImage or CorruptImage if Pillow cannot read a header."""
    try:
        yield
    except UnidentifiedImageError as error:
        known = ", ".join(FILE_FORMATS)
        raise NotAnImage(
            f"The file is not a picture in one of these formats: {known}, PDF."
        ) from error
    except (MemoryError, NoSuchPage):
        raise
    # Pillow's parsers raise any kind of exception on broken bytes.
    except Exception as error:
        raise CorruptImage(f"The picture's header is damaged: {error}.") from error


def frames_of_tiff(image: Image.Image) -> int:
    """Count the pages of a TIFF; Pillow's `n_frames` fails at the first damaged one."""
    count = 1
    while True:
        try:
            image.seek(count)
        except EOFError:
            return count
        except MemoryError:
            raise
        except Exception:  # as in `errors_of_headers`
            if image.tell() < count:  # it does not say where the next one is
                return count + 1
        count += 1


def index_of(page: int | None, count: int) -> int:
    """Return the index of the chosen page of so many; raise NoSuchPage."""
    if count > 1 and page is None:
        raise NoSuchPage(
            f"The file has {count} pages: choose one, with ?page=1 or --page 1."
        )
    if page and page > count:
        raise NoSuchPage(f"There is no page {page}: the last one is {count}.")
    return (page or 1) - 1


def without_text(data: bytes) -> bytes:
    """Remove texts and colour profiles from a PNG: 7 kB may inflate to 28 MB."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    view = memoryview(data)
    kept = []
    kept_until = 0
    start = len(PNG_SIGNATURE)
    while start < len(data):
        length = int.from_bytes(view[start : start + 4], "big")
        name = data[start + 4 : start + 8]
        end = start + 12 + length
        if name == b"IEND":
            break
        if name in PNG_TEXTS:
            kept.append(view[kept_until:start])
            kept_until = end
        start = end
    return b"".join([*kept, view[kept_until:]]) if kept else data


@cache
def prepare_plugins() -> None:
    """Register the HEIF plugin, and limit HEIF and AVIF decoding to one thread.

    `open_image` limits the pixels, so Pillow need not. Its warnings are ignored: a
    picture may cause hundreds, which Python remembers for ever.
    """
    warnings.filterwarnings("ignore", module="PIL")
    Image.MAX_IMAGE_PIXELS = None
    pi_heif.register_heif_opener()
    pi_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


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
    return picture._replace(image=image, left=left - 1, top=top - 1)
