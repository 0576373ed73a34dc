"""Names on the command line → pictures' bytes: files, folders, `-` for standard input.

Of a folder, what has a picture's ending is taken, and what is in its folders too, in the order of the names; hidden
files and folders are left out. Ignores: what the bytes are.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from app.cli.answers import Unanswered
from app.inference.thresholds import SMALL_BYTES
from app.preprocess.formats import ENDINGS, names_a_picture

STDIN = "-"
MAX_BYTES = 100_000_000  # no picture of a digit is larger, and several are in memory at once


def expand(names: Iterable[str]) -> list[str]:
    """The names, each folder's replaced by those of its pictures; one without any stays."""
    return [name for given in names for name in (list(walk(given)) or [given] if os.path.isdir(given) else [given])]


def walk(folder: str) -> Iterator[str]:
    """Names of the pictures in a folder, and of the folders in it that cannot be opened."""
    closed: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if names_a_picture(name):
                yield os.path.join(parent, name)
    yield from closed


def groups(names: Iterable[str], most: int) -> Iterator[list[str]]:
    """The names in their order: those of small files that follow each other together, up to `most`, others alone."""
    for are_small, some in groupby(names, is_small):
        run, size = list(some), most if are_small else 1
        yield from (run[start : start + size] for start in range(0, len(run), size))


def is_small(name: str) -> bool:
    """Whether a name is that of a small file."""
    try:
        return os.path.getsize(name) <= SMALL_BYTES
    except OSError:
        return False


def read(name: str) -> bytes:
    """A picture's bytes; Unanswered where there are none to be had."""
    try:
        if name == STDIN:
            return whole(stdin())
        with Path(name).open("rb") as file:
            return whole(file)
    except IsADirectoryError as error:
        raise Unanswered(f"There is no picture in the folder: none ends in {', '.join(ENDINGS)}.") from error
    except OSError as error:
        raise Unanswered(f"{error.strerror}.") from error


def stdin() -> BinaryIO:
    """Standard input, unless that is a person."""
    if sys.stdin.isatty():
        raise Unanswered("A picture is read from standard input: write - < picture.png")
    return sys.stdin.buffer


def whole(file: BinaryIO) -> bytes:
    """All bytes of a file that has any, and no more than a picture may have."""
    data = file.read(MAX_BYTES + 1)
    if not data:
        raise Unanswered("The file is empty: send the bytes of a picture.")
    if len(data) > MAX_BYTES:
        raise Unanswered(f"The file is larger than {MAX_BYTES:,} bytes: send a smaller picture.")
    return data


def printable(text: str) -> str:
    """A name, or what else others chose, without letters that would do something to a terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
