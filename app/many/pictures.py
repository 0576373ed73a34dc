"""Names on the command line → pictures and their bytes: files and their pages, folders,
`-` for standard input.

A folder stands for the files in it and its subfolders that have a picture's extension,
sorted by name, without hidden files and folders. For `digits predict`, PDFs do not
count.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.answers.responses import UNREADABLE
from app.many.answers import Unanswered
from app.picture.errors import PictureError
from app.picture.file_formats import (
    ENDINGS,
    PICTURE_ENDINGS,
    has_pages,
    names_a_picture,
)

STDIN = "-"
FIRST_BYTES = 16  # which tell the format
# No picture of a digit is larger, and several are in memory at once.
MAX_BYTES = 100_000_000


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(NamedTuple):
    """What tells whether a file has changed."""

    size: int  # bytes
    modified: str  # ISO 8601, UTC


class Picture(NamedTuple):
    """A file to be read, or one page of it.

    It has the state of the file before it was first opened, so that any later change
    counts; and the bytes of a pipe, which can be read only once.
    """

    name: str
    page: int | None = None
    state: State | None = None
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
    """Return each file, or a page of it, as a picture; PDFs in folders are left out."""
    found = expand(names, PICTURE_ENDINGS)
    return [Picture(name, page, state_of(name)) for name in found]


def all_pages(names: Iterable[str], page: int | None) -> list[Picture]:
    """Return a picture for each page of each file, or only for the chosen page."""
    pictures: list[Picture] = []
    for name in expand(names):
        picture = Picture(name, page, state_of(name))
        pictures += [picture] if page else pages_of(picture)
    return pictures


def state_of(name: str) -> State | None:
    """Return the state of a file; None if there is none, or it is no regular file."""
    if name == STDIN:
        return None
    try:
        status = os.stat(name)
        if not stat.S_ISREG(status.st_mode):
            return None
        modified = EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    except (OSError, OverflowError):  # reading it will say why; or after the year 9999
        return None
    return State(status.st_size, modified.isoformat())


def pages_of(picture: Picture) -> list[Picture]:
    """Return the pages of a file with several, or else the file; if it cannot be
    opened, to read it will say why.
    """
    name = picture.name
    try:
        if name == STDIN or is_pipe(name):
            picture = picture._replace(data=read(name))
        count = page_count(picture)
    except (Unanswered, OSError, PictureError):
        return [picture]
    if count == 1:
        return [picture]
    return [picture._replace(page=page) for page in range(1, count + 1)]


def page_count(picture: Picture) -> int:
    """Count the pages of a file; raise Unanswered, OSError or PictureError."""
    data = picture.data
    if not data:
        with open(picture.name, "rb") as file:
            data = file.read(FIRST_BYTES)
    if not has_pages(data):
        return 1
    from app.picture import opening

    return opening.page_count(picture.read())


def expand(names: Iterable[str], endings: tuple[str, ...] = ENDINGS) -> list[str]:
    """Replace each folder by its files with these extensions, unless it has none."""
    found: list[str] = []
    for name in names:
        files = list(walk(name, endings)) if os.path.isdir(name) else []
        found += files or [name]
    return found


def walk(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the files with these extensions in a folder, then of the
    subfolders that cannot be opened.
    """
    errors: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            # A pipe may never end.
            if names_a_picture(name, endings) and not is_pipe(path):
                yield path
    for error in errors:
        yield str(error.filename)


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
            if not sys.stdin or sys.stdin.isatty():
                raise Unanswered(
                    "Standard input is a terminal, or closed: write - < picture.png",
                    UNREADABLE,
                )
            return content_of(sys.stdin.buffer, max_bytes)
        with open(name, "rb") as file:  # three times as fast as through a Path
            return content_of(file, max_bytes)
    except IsADirectoryError as error:
        raise Unanswered(
            "The folder has no pictures: no file name ends in "
            f"{', '.join(PICTURE_ENDINGS)}.",
            UNREADABLE,
        ) from error
    except OSError as error:
        raise Unanswered(f"{error.strerror}.", UNREADABLE) from error


def content_of(file: BinaryIO, max_bytes: int) -> bytes:
    """Return all bytes of a file; raise Unanswered if it is empty or too large."""
    data = file.read(max_bytes + 1)
    if not data:
        raise Unanswered("The file is empty: send a picture.", "empty-file")
    if len(data) > max_bytes:
        raise Unanswered(
            f"The file is larger than {max_bytes:,} bytes: send a smaller picture.",
            "upload-too-large",
        )
    return data
