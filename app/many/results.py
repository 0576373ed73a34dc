"""A file of results, to which a later run of the same command adds what is missing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from app.many.errors import CannotGoOn, Unanswered
from app.many.messages import say
from app.many.pictures import Picture
from app.many.records import Csv, Json, Line
from app.many.resume import Written, discard_for
from app.many.rows import Answer

LENIENT = "surrogateescape"  # file names need not be valid text


def require_new(path: Path, is_resumed: bool) -> None:
    """Raise CannotGoOn if a file exists and is not to be resumed."""
    if path.exists() and not is_resumed:
        raise CannotGoOn(f"{path} exists: go on with --resume, or choose another file.")


class Results:
    """An open file of results; one that exists is replaced in one step.

    Raises CannotGoOn if it exists and is not to be resumed.
    """

    def __init__(self, path: Path, format: Csv | Json, is_resumed: bool) -> None:
        require_new(path, is_resumed)
        self.path = path.resolve()
        self.format = format
        self.lines: list[Line] = []  # those of earlier runs
        self.open()
        self.header = self.header_in_file()

    def open(self) -> None:
        """Open the file to add to it; newlines in names stay as they are."""
        self.file = self.path.open("a", encoding="utf-8", errors=LENIENT, newline="")

    def header_in_file(self) -> str:
        """Return the header if the file has that of the format, else nothing."""
        with self.path.open(encoding="utf-8", errors=LENIENT, newline="") as file:
            first = file.readline()
        return first if first == self.format.header else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        if not self.path.stat().st_size:  # such as after an invalid option
            self.path.unlink()

    def add(self, picture: Picture, outcome: Answer | Unanswered) -> None:
        """Add the lines of a picture; the header first becomes as wide as they are."""
        lines = self.format.shown(picture, outcome)
        if self.format.header != self.header:
            self.replace(self.parsed())
        say(lines, self.file)

    def parsed(self) -> list[Line]:
        """Return the complete lines in the file."""
        return self.format.parsed(self.path.read_bytes().decode(errors=LENIENT))

    def replace(self, lines: Iterable[Line]) -> None:
        """Replace all lines."""
        self.header = self.format.header
        content = self.header + "".join(text for _, text in lines)
        self.file.close()
        unfinished = self.path.with_name(f"{self.path.name}.new")
        unfinished.write_bytes(content.encode(errors=LENIENT))
        unfinished.replace(self.path)
        self.open()

    def resume(self, pictures: Sequence[Picture]) -> dict[tuple[str, int | None], str]:
        """Remove the rows that are out of date, as far as their pictures are asked for;
        return the locations of all others, with the problem that each had, or "".
        """
        if not self.path.stat().st_size:
            return {}
        self.lines = self.parsed()
        discard_for(self, pictures)
        self.replace(self.lines)
        return {row.location: row.problem for row, _ in self.lines}

    def written(self) -> Iterator[Written]:
        """Yield what the rows of earlier runs say; of the last picture, they may be
        incomplete.
        """
        may_lack_rows = self.lines and self.format.may_lack_rows
        last = self.lines[-1][0].location if may_lack_rows else None
        for row, _ in self.lines:
            is_last = row.location == last
            yield row._replace(problem="interrupted") if is_last else row

    def discard(self, is_outdated: Callable[[Written], bool]) -> None:
        """Remove the rows that are out of date."""
        self.lines = [line for line in self.lines if not is_outdated(line[0])]
