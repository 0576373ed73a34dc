"""A file of results, to which a later run of the same command adds what is missing."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from app.answers.responses import TRANSIENT
from app.many.answers import NoService
from app.many.messages import say
from app.many.pictures import Picture, State
from app.many.records import Csv, Json, Key, Written

LENIENT = "surrogateescape"  # file names need not be valid text


class Results:
    """An open file of results; one that exists is replaced in one step.

    Raises NoService if it exists and is not to be resumed.
    """

    def __init__(self, path: Path, format: Csv | Json, is_resumed: bool) -> None:
        if path.exists() and not is_resumed:
            raise NoService(
                f"{path} exists: go on with --resume, or choose another file."
            )
        self.path = path.resolve()
        self.format = format
        self.header = ""
        self.open()

    def open(self) -> None:
        """Open the file to add to it; newlines in names stay as they are."""
        self.file = self.path.open("a", encoding="utf-8", errors=LENIENT, newline="")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        if not self.path.stat().st_size:  # such as after an invalid option
            self.path.unlink()

    def add(self, lines: str | None) -> None:
        """Add the lines of a picture; the header first becomes as wide as they are."""
        if self.format.header != self.header:
            self.replace(self.written())
        say(lines, self.file)

    def written(self) -> list[Written]:
        """Return the complete lines in the file."""
        return self.format.parsed(self.path.read_bytes().decode(errors=LENIENT))

    def replace(self, lines: Iterable[Written]) -> None:
        """Replace all lines."""
        self.header = self.format.header
        content = self.header + "".join(each.line for each in lines)
        self.file.close()
        unfinished = self.path.with_name(f"{self.path.name}.new")
        unfinished.write_bytes(content.encode(errors=LENIENT))
        unfinished.replace(self.path)
        self.open()

    def resume(self, pictures: Sequence[Picture]) -> dict[Key, str]:
        """Remove the lines of pictures that have to be read again; return the pictures
        in the others, each with the problem that it had, or "".

        The last picture in the file is read again if it is asked for, since its lines
        may be incomplete.
        """
        if not self.path.stat().st_size:
            return {}
        written = self.written()
        last = written[-1].key if written else None
        states = {picture.name: picture.state for picture in pictures}
        keys = {picture.key for picture in pictures}
        changed = {each.file for each in written if has_changed(each, states)}
        kept: list[Written] = []
        for each in written:
            is_asked = each.key in keys or (each.file in states and not each.page)
            is_tried_again = is_asked and (each.key == last or is_of_the_moment(each))
            if each.file not in changed and not is_tried_again:
                kept.append(each)
        self.replace(kept)
        return {each.key: each.problem for each in kept}


def has_changed(written: Written, states: dict[str, State | None]) -> bool:
    """Return whether a file has changed since a line about it was written.

    An answer outlives its file. The lines of earlier versions have no state.
    """
    if written.file not in states or not any(written.state):
        return False
    state = states[written.file]
    if state is None:
        return written.has_error
    return written.state != (str(state.size), state.modified)


def is_of_the_moment(written: Written) -> bool:
    """Return whether a picture has an error that another try may not have."""
    problem = written.problem  # none in files of earlier versions
    return written.has_error and (not problem or problem in TRANSIENT)
