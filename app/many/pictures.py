"""Names on the command line → pictures and their bytes: files and their pages, folders,
`-` for standard input.

A folder stands for the files in it and its subfolders that have a picture's extension,
sorted by name, without hidden files and folders. For `digits predict`, PDFs do not
count.
"""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from app.answers.responses import UNREADABLE
from app.many.errors import Unanswered
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


class State(NamedTuple):
    """What tells that a file has changed: its size in bytes, and when it was modified,
    in microseconds since 1970. None is unknown.
    """

    size: int | None = None
    modified: int | None = None


UNKNOWN = State()


class Picture(NamedTuple):
    """A picture to be read: a file, a row of a table, or one page of it.

    Attributes
    ----------
    path : str
        The path of the file, or of a table followed by # and the row number.
    page, pages : int or None
        Of a document: the number of the page, or of the first one of the sheet, and of
        all pages.
    key : str or None
        What a table says of it, in the column of keys.
    state : State or None
        That of the file before it was first opened, so that any later change counts;
        None if there is no such file.
    data : bytes or Unanswered or None
        Its bytes, or why it has none; None if the file has not been read.
    """

    path: str
    page: int | None = None
    pages: int | None = None
    key: str | None = None
    state: State | None = None
    data: bytes | Unanswered | None = None

    def __str__(self) -> str:
        return f"{self.path}, page {self.page}" if self.page else self.path

    @property
    def location(self) -> tuple[str, int | None]:
        """What tells it from other pictures."""
        return self.path, self.page

    def read(self) -> bytes:
        """Return its bytes; raise Unanswered if they cannot be read."""
        if isinstance(self.data, Unanswered):
            raise self.data
        return read(self.path) if self.data is None else self.data

    def split(self, pages: int, of_sheet: int = 1) -> list["Picture"]:
        """Return each page, or sheet of several pages, of a document; or else the
        picture.
        """
        if pages <= of_sheet:
            return [self]
        numbers = range(1, pages + 1, of_sheet)
        return [self._replace(page=number, pages=pages) for number in numbers]


def whole_files(names: Iterable[str], page: int | None) -> list[Picture]:
    """Return each file, or a page of it, as a picture; PDFs in folders are left out."""
    found = expand(names, PICTURE_ENDINGS)
    return [picture._replace(page=page) for picture in found]


def all_pages(
    names: Iterable[str], page: int | None, of_sheet: int = 1
) -> list[Picture]:
    """Return a picture for each page of each file, or for each sheet of several pages;
    or only for the chosen page.
    """
    pictures: list[Picture] = []
    for picture in expand(names):
        if page:
            pictures.append(picture._replace(page=page))
        else:
            pictures += pages_of(picture, of_sheet)
    return pictures


def expand(names: Iterable[str], endings: tuple[str, ...] = ENDINGS) -> list[Picture]:
    """Return the files, and for each folder its files with these extensions, or the
    folder if it has none.
    """
    found: list[Picture] = []
    for name in names:
        files = list(pictures_in(name, endings)) if os.path.isdir(name) else []
        state = None if name == STDIN else state_of(name)
        found += files or [Picture(name, state=state)]
    return found


def pictures_in(folder: str, endings: tuple[str, ...]) -> Iterator[Picture]:
    """Yield the files with these extensions in a folder, then the subfolders that
    cannot be opened.
    """
    errors: list[OSError] = []
    for path, state in files_in(folder, errors.append):
        if names_a_picture(os.path.basename(path), endings):
            yield Picture(path, state=state)
    for error in errors:
        yield Picture(str(error.filename))


def files_in(
    folder: str, on_error: Callable[[OSError], None]
) -> Iterator[tuple[str, State]]:
    """Yield the visible files in a folder and its subfolders, except linked folders,
    and what would be read without end, such as pipes.
    """
    for parent, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if not name.startswith(".") and (state := state_of(path)) is not None:
                yield path, state


def state_of(path: str) -> State | None:
    """Return the state of a file; None if it is something else, or is gone.

    It is unknown if the file cannot be reached, such as behind a link to nothing:
    reading it will say why.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError) and not os.path.islink(path)
        return None if is_gone else UNKNOWN
    if not stat.S_ISREG(status.st_mode):
        return None
    return State(status.st_size, status.st_mtime_ns // 1000)


def pages_of(picture: Picture, of_sheet: int) -> list[Picture]:
    """Return the pages or sheets of a file with several, or else the file; if it cannot
    be opened, to read it will say why.
    """
    try:
        if picture.state is None:  # a pipe can be read only once
            picture = picture._replace(data=picture.read())
        return picture.split(page_count(picture), of_sheet)
    except (Unanswered, OSError, PictureError):
        return [picture]


def page_count(picture: Picture) -> int:
    """Count the pages of a file; raise Unanswered, OSError or PictureError."""
    data = picture.data
    if data is None:
        with open(picture.path, "rb") as file:
            data = file.read(FIRST_BYTES)
    if isinstance(data, bytes) and not has_pages(data):
        return 1
    from app.picture import opening

    return opening.page_count(picture.read())


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
    content = bounded(data, max_bytes)
    if isinstance(content, Unanswered):
        raise content
    return content


def bounded(data: bytes, max_bytes: int) -> bytes | Unanswered:
    """Return a picture's bytes, or that there are too many."""
    if len(data) <= max_bytes:
        return data
    return Unanswered(
        f"The file is larger than {max_bytes:,} bytes: send a smaller picture.",
        "upload-too-large",
    )
