"""Names on the command line → pictures and their bytes: files and their pages, folders,
`-` for standard input.

A folder stands for the files in it and its subfolders that have a picture's extension,
sorted by name, without hidden files and folders. For `digits predict`, PDFs do not
count.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.cli.answers import Unanswered
from app.picture.errors import PreprocessError
from app.picture.formats import ENDINGS, PICTURE_ENDINGS, has_pages, names_a_picture

STDIN = "-"
FIRST_BYTES = 16  # which tell the format
# No picture of a digit is larger, and several are in memory at once.
MAX_BYTES = 100_000_000


class Picture(NamedTuple):
    """A file to be read, or one page of it; with its bytes if it is a pipe, which can
    be read only once.
    """

    name: str
    page: int | None = None
    data: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other pictures in a file of results."""
        return self.name, str(self.page or "")

    def __str__(self) -> str:
        return f"{self.name}, page {self.page}" if self.page else self.name

    def read(self) -> bytes:
        """Return its bytes; raise Unanswered if they cannot be read."""
        return self.data or read(self.name)


def whole_files(names: Iterable[str], page: int | None) -> list[Picture]:
    """Return a picture for each file, without the PDFs in folders; of files with pages,
    the chosen page.
    """
    return [Picture(name, page) for name in expand(names, PICTURE_ENDINGS)]


def all_pages(names: Iterable[str], page: int | None) -> list[Picture]:
    """Return a picture for each page of each file, or only for the chosen page."""
    files = expand(names)
    return (
        [Picture(name, page) for name in files]
        if page
        else [each for name in files for each in pages_of(name)]
    )


def pages_of(name: str) -> list[Picture]:
    """Return the pages of a file with several, or else the file; if it cannot be
    opened, to read it will say why.
    """
    picture = Picture(name)
    try:
        if name == STDIN or is_pipe(name):
            picture = Picture(name, data=read(name))
        count = page_count(picture)
    except (Unanswered, OSError, PreprocessError):
        count = 1
    return (
        [picture]
        if count == 1
        else [picture._replace(page=page) for page in range(1, count + 1)]
    )


def page_count(picture: Picture) -> int:
    """Count the pages of a file; raise Unanswered, OSError or PreprocessError."""
    if not has_pages(picture.data or first_bytes(picture.name)):
        return 1
    from app.picture import decode

    return decode.page_count(picture.read())


def first_bytes(name: str) -> bytes:
    """Return the first bytes of a file; raise OSError."""
    with Path(name).open("rb") as file:
        return file.read(FIRST_BYTES)


def expand(names: Iterable[str], endings: tuple[str, ...] = ENDINGS) -> list[str]:
    """Replace each folder by its files with these extensions; a folder without any
    stays.
    """
    found: list[str] = []
    for name in names:
        found += (list(walk(name, endings)) if os.path.isdir(name) else []) or [name]
    return found


def walk(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the files with these extensions in a folder, then of the
    subfolders that cannot be opened.
    """
    closed: list[str] = []
    for parent, folders, files in os.walk(
        folder, onerror=lambda error: closed.append(str(error.filename))
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            # Which may never end.
            if names_a_picture(name, endings) and not is_pipe(path):
                yield path
    yield from closed


def is_pipe(path: str) -> bool:
    """Return whether a file is a named pipe."""
    try:
        return Path(path).is_fifo()
    except OSError:  # reading it will say why
        return False


def read(name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a picture; raise Unanswered if they cannot be read."""
    try:
        if name == STDIN:
            return content_of(stdin(), max_bytes)
        with Path(name).open("rb") as file:
            return content_of(file, max_bytes)
    except IsADirectoryError as error:
        raise Unanswered(
            "The folder has no pictures: no file name ends in "
            f"{', '.join(PICTURE_ENDINGS)}."
        ) from error
    except OSError as error:
        raise Unanswered(f"{error.strerror}.") from error


def stdin() -> BinaryIO:
    """Return standard input; raise Unanswered if it is a terminal."""
    if not sys.stdin or sys.stdin.isatty():
        raise Unanswered(
            "Standard input is a terminal, or closed: write - < picture.png"
        )
    return sys.stdin.buffer


def content_of(file: BinaryIO, max_bytes: int) -> bytes:
    """Return all bytes of a file; raise Unanswered if it is empty or too large."""
    data = file.read(max_bytes + 1)
    if not data:
        raise Unanswered("The file is empty: send a picture.")
    if len(data) > max_bytes:
        raise Unanswered(
            f"The file is larger than {max_bytes:,} bytes: send a smaller picture."
        )
    return data
