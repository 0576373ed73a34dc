"""A file of results, to which a later run of the same command adds what is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from app.cli.answers import NoService
from app.cli.records import Record

LENIENT = "surrogateescape"  # file names need not be valid text


def opened(
    path: Path, parsed: Callable[[str], list[Record]], is_resumed: bool
) -> tuple[TextIO, set[tuple[str, str]]]:
    """Open a file of results to add to; return it, and the keys of the pictures in it.

    The last picture in it is read again, since its results may be incomplete. Raises
    NoService if the file exists and is not to be resumed.
    """
    done = set[tuple[str, str]]()
    if path.exists():
        if not is_resumed:
            raise NoService(
                f"{path} exists: go on with --resume, or choose another file."
            )
        records = parsed(path.read_bytes().decode(errors=LENIENT))
        kept = [(key, line) for key, line in records if key != records[-1][0]]
        done.update(key for key, _ in kept)
        unfinished = path.with_name(f"{path.name}.new")
        content = "".join(line for _, line in kept)
        unfinished.write_bytes(content.encode(errors=LENIENT))
        unfinished.replace(path)
    # Newlines in names stay as they are.
    return path.open("a", encoding="utf-8", errors=LENIENT, newline=""), done
