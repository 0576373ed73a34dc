"""Picture bytes → an open picture, whose header is read and checked.

Of a TIFF or PDF, one page is opened.
"""

import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO

import pi_heif
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from app.picture.errors import (
    CorruptImage,
    EmptyFile,
    NoSuchPage,
    NotAnImage,
    TooManyPixels,
)
from app.picture.file_formats import FILE_FORMATS, MAX_PIXELS, PDF, file_format_of

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # types of chunks that may inflate
# An `infe` item entry of type `iovl`, image overlay.
HEIF_OVERLAY = re.compile(rb"infe.{8,10}iovl", re.DOTALL)


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
