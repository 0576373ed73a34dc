"""Supported picture formats, in one table, and limits.

Imports little, so that the command line starts quickly.
"""

import re
from typing import NamedTuple

MAX_PIXELS = 50_000_000  # of a picture, by default
# Maximum size of a small picture's file: sending it takes longer than reading it.
SMALL_BYTES = 8192


class Format(NamedTuple):
    """A file format.

    Attributes
    ----------
    endings : tuple of str
        Its file extensions, the usual one first.
    magic : bytes
        A pattern that the first bytes of its files match.
    has_pages : bool
        Whether its files may have several pages.
    """

    endings: tuple[str, ...]
    magic: bytes
    has_pages: bool = False


FORMATS = {  # by Pillow's name
    "PNG": Format((".png",), rb"\x89PNG"),
    "JPEG": Format((".jpg", ".jpeg"), rb"\xff\xd8"),
    "WEBP": Format((".webp",), rb"RIFF"),
    "HEIF": Format((".heic", ".heif"), rb"(?s:....)ftyp(?!avi)"),
    "AVIF": Format((".avif",), rb"(?s:....)ftypavi"),
    "GIF": Format((".gif",), rb"GIF8"),
    "BMP": Format((".bmp",), rb"BM"),
    "TIFF": Format((".tif", ".tiff"), rb"II|MM", has_pages=True),
}
PDF = Format((".pdf",), rb"%PDF-", has_pages=True)  # which Pillow cannot read
PICTURE_ENDINGS = tuple(  # without PDFs
    ending for format in FORMATS.values() for ending in format.endings
)
ENDINGS = (*PICTURE_ENDINGS, *PDF.endings)


def names_a_picture(name: str, endings: tuple[str, ...] = ENDINGS) -> bool:
    """Return whether a file that is not hidden has one of these extensions."""
    return name.lower().endswith(endings) and not name.startswith(".")


def format_of(data: bytes) -> Format | None:
    """Return the format of a file, by its first bytes."""
    for format in (*FORMATS.values(), PDF):
        if re.match(format.magic, data):
            return format
    return None


def has_pages(data: bytes) -> bool:
    """Return whether a file is in a format that has pages."""
    format = format_of(data)
    return format is not None and format.has_pages
