"""Names on the command line → bytes of pictures: files, folders, `-` for standard input.

A folder stands for the files in it and its subfolders that have a picture's extension, sorted by name, without hidden
files and folders.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from app.cli.answers import Unanswered
from app.preprocess.formats import PICTURE_ENDINGS, names_a_picture

STDIN = "-"
MAX_BYTES = 100_000_000  # no picture of a digit is larger, and several are in memory at once


def expand(names: Iterable[str]) -> list[str]:
    """Replace each folder by its pictures; a folder without pictures stays."""
    return [name for given in names for name in (list(walk(given)) or [given] if os.path.isdir(given) else [given])]


def walk(folder: str) -> Iterator[str]:
    """Yield the names of the pictures in a folder, then of the subfolders that cannot be opened."""
    closed: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            if names_a_picture(name, PICTURE_ENDINGS) and not is_pipe(path):  # which may never end
                yield path
    yield from closed


def is_pipe(path: str) -> bool:
    """Return whether a file is a named pipe."""
    try:
        return Path(path).is_fifo()
    except OSError:  # reading it will say why
        return False


def read(name: str) -> bytes:
    """Return the bytes of a picture; raise Unanswered if they cannot be read."""
    try:
        if name == STDIN:
            return content_of(stdin())
        with Path(name).open("rb") as file:
            return content_of(file)
    except IsADirectoryError as error:
        raise Unanswered(f"The folder has no pictures: no file name ends in {', '.join(PICTURE_ENDINGS)}.") from error
    except OSError as error:
        raise Unanswered(f"{error.strerror}.") from error


def stdin() -> BinaryIO:
    """Return standard input; raise Unanswered if it is a terminal."""
    if not sys.stdin or sys.stdin.isatty():
        raise Unanswered("Standard input is a terminal, or closed: write - < picture.png")
    return sys.stdin.buffer


def content_of(file: BinaryIO) -> bytes:
    """Return all bytes of a file; raise Unanswered if it is empty or too large."""
    data = file.read(MAX_BYTES + 1)
    if not data:
        raise Unanswered("The file is empty: send a picture.")
    if len(data) > MAX_BYTES:
        raise Unanswered(f"The file is larger than {MAX_BYTES:,} bytes: send a smaller picture.")
    return data
