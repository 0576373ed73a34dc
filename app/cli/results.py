"""A file of results, to which a later run of the same command adds what is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from app.cli.answers import NoService
from app.cli.records import Record


def opened(
    path: Path, parsed: Callable[[str], list[Record]], is_resumed: bool
) -> tuple[TextIO, set[tuple[str, str]]]:
    """Open a file of results to add to; return it, and the keys of the pictures in it.

    The last picture in it is read again, since its results may be incomplete. Raises
    NoService if the file exists and is not to be resumed.
    """
    if path.exists() and not is_resumed:
        raise NoService(f"{path} exists: go on with --resume, or choose another file.")
    kept: list[Record] = []
    if path.exists():
        # Newlines in names stay as they are.
        found = parsed(path.read_bytes().decode(errors="surrogateescape"))
        kept = [(key, line) for key, line in found if key != found[-1][0]]
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_bytes(
            "".join(line for _, line in kept).encode(errors="surrogateescape")
        )
        unfinished.replace(path)
    return path.open("a", encoding="utf-8", errors="surrogateescape", newline=""), {
        key for key, _ in kept
    }
