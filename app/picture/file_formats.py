"""Supported picture formats, in one table, and limits.

Imports little, so that the command line starts quickly.
"""

import re
from typing import NamedTuple

MAX_PIXELS = 50_000_000  # of a picture, by default
# Maximum size of a small picture's file: sending it takes longer than reading it.
SMALL_BYTES = 8192


class FileFormat(NamedTuple):
    """A file file_format.

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


FILE_FORMATS = {  # by Pillow's name
    "PNG": FileFormat((".png",), rb"\x89PNG"),
    "JPEG": FileFormat((".jpg", ".jpeg"), rb"\xff\xd8"),
    "WEBP": FileFormat((".webp",), rb"RIFF"),
    "HEIF": FileFormat((".heic", ".heif"), rb"(?s:....)ftyp(?!avi)"),
    "AVIF": FileFormat((".avif",), rb"(?s:....)ftypavi"),
    "GIF": FileFormat((".gif",), rb"GIF8"),
    "BMP": FileFormat((".bmp",), rb"BM"),
    "TIFF": FileFormat((".tif", ".tiff"), rb"II|MM", has_pages=True),
}
PDF = FileFormat((".pdf",), rb"%PDF-", has_pages=True)  # which Pillow cannot read
PICTURE_ENDINGS = tuple(  # without PDFs
    ending for file_format in FILE_FORMATS.values() for ending in file_format.endings
)
ENDINGS = (*PICTURE_ENDINGS, *PDF.endings)


def names_a_picture(name: str, endings: tuple[str, ...] = ENDINGS) -> bool:
    """Return whether a file that is not hidden has one of these extensions."""
    return name.lower().endswith(endings) and not name.startswith(".")


def file_format_of(data: bytes) -> FileFormat | None:
    """Return the format of a file, by its first bytes."""
    for file_format in (*FILE_FORMATS.values(), PDF):
        if re.match(file_format.magic, data):
            return file_format
    return None


def has_pages(data: bytes) -> bool:
    """Return whether a file is in a format that has pages."""
    file_format = file_format_of(data)
    return file_format is not None and file_format.has_pages
