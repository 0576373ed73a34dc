"""Answers → lines for programs: JSON or CSV, with a line for each picture that could
not be read.
"""

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from app.answers.columns import Kind, Row, columns_of, is_unsure, rows_of, widest
from app.answers.responses import Prediction, Text
from app.answers.spreadsheet import line_of, unescaped
from app.many.answers import Unanswered
from app.many.pictures import Picture
from app.printable import printable

Answer = Prediction | Text
Key = tuple[str, str]


class Written(NamedTuple):
    """A line of results, and what it says about its picture."""

    file: str
    page: str  # empty if it has none
    has_error: bool
    problem: str
    state: tuple[str, str]  # size and modified; empty if they are not known
    line: str

    @property
    def key(self) -> Key:
        """What tells its picture from others, as of `Picture`."""
        return self.file, self.page


def written_of(record: Mapping[str, Any], line: str) -> Written:
    """Return the line of a record; those of earlier versions have fewer fields."""
    names = "file", "page", "problem", "size", "modified"
    values = map(record.get, names)
    file, page, problem, size, modified = (
        "" if value is None else str(value) for value in values
    )
    has_error = bool(record.get("error"))
    return Written(file, page, has_error, problem, (size, modified), line)


def named(picture: Picture) -> dict[str, Any]:
    """Return the file name of a picture, and its page if it has one."""
    return {"file": picture.name} | ({"page": picture.page} if picture.page else {})


def state_in(picture: Picture) -> dict[str, Any]:
    """Return the size of a file and when it was modified, as far as they are known."""
    return picture.state._asdict() if picture.state else {}


def error_in(error: Unanswered) -> dict[str, Any]:
    """Return why a picture was not read."""
    return {"error": str(error), "problem": error.problem}


class Json:
    """One JSON object per line and picture."""

    header = ""

    def __init__(self, least: float) -> None:
        self.least = least

    def answer(self, picture: Picture, answer: Answer) -> str:
        """Return the line of a picture that was read."""
        values = named(picture) | answer.model_dump()
        if self.least:
            values["unsure"] = is_unsure(values, self.least)
        return json.dumps(values | state_in(picture))

    def failure(self, picture: Picture, error: Unanswered) -> str:
        """Return the line of a picture that was not read."""
        return json.dumps(named(picture) | error_in(error) | state_in(picture))

    @staticmethod
    def parsed(text: str) -> list[Written]:
        """Return the complete lines."""
        lines = StringIO(text, newline="")
        whole = (line for line in lines if line.endswith(("}\n", "}\r\n")))
        return [written_of(json.loads(line), line) for line in whole]


class Csv:
    """A header, and one row per picture, or per line of writing.

    The columns are as many as the widest table so far needs. With `for_spreadsheet`, a
    text is a formula.
    """

    def __init__(self, kind: Kind, least: float, for_spreadsheet: bool) -> None:
        self.kind: Kind = kind
        self.least = least
        self.for_spreadsheet = for_spreadsheet
        self.widen(0)

    def widen(self, cells: int) -> None:
        """Have so many columns of cells."""
        self.cells = cells
        self.columns = columns_of(self.kind, cells)
        self.header = f"{line_of(self.columns)}\n"

    def answer(self, picture: Picture, answer: Answer) -> str | None:
        """Return the rows of a picture that was read."""
        record = named(picture) | answer.model_dump() | state_in(picture)
        if (cells := widest([record])) > self.cells:
            self.widen(cells)
        return self.lines(rows_of(record, self.least, self.for_spreadsheet))

    def failure(self, picture: Picture, error: Unanswered) -> str | None:
        """Return the row of a picture that was not read."""
        record = named(picture) | error_in(error) | state_in(picture)
        return self.lines(rows_of(record, self.least))

    def lines(self, rows: Sequence[Row]) -> str | None:
        """Return rows as lines."""
        return "\n".join(line_of(map(row.get, self.columns)) for row in rows)

    def parsed(self, text: str) -> list[Written]:
        """Return the complete rows, with all columns.

        A file of an earlier version has fewer; its width is kept.
        """
        whole = text[: text.rfind("\n") + 1]
        rows = csv.reader(StringIO(whole, newline=""))
        header = next(rows, [])
        cells = sum(1 for name in header if re.fullmatch("cell[0-9]+", name))
        self.widen(max(self.cells, cells))
        written: list[Written] = []
        for row in rows:
            if len(row) == len(header):
                record = dict(zip(header, map(unescaped, row), strict=True))
                line = f"{line_of(map(record.get, self.columns))}\n"
                written.append(written_of(record, line))
        return written


class PrintedCsv(Csv):
    """CSV for standard output: of texts only at the end, since the width of the widest
    table is not known before.
    """

    def __init__(self, kind: Kind, least: float, for_spreadsheet: bool) -> None:
        super().__init__(kind, least, for_spreadsheet)
        self.rows: list[Row] = []
        self.has_header = True

    def lines(self, rows: Sequence[Row]) -> str | None:
        """Return the rows of digits; keep those of texts."""
        self.rows += rows
        return self.rest() if self.kind == "digit" else None

    def rest(self) -> str | None:
        """Return the rows that were kept, preceded by the header if they are the first.

        On a terminal, a file name cannot control it.
        """
        if not self.rows:
            return None
        header = self.header if self.has_header else ""
        lines = f"{header}{super().lines(self.rows)}"
        self.rows = []
        self.has_header = False
        at_terminal = sys.stdout and sys.stdout.isatty()
        return printable(lines, kept="\n") if at_terminal else lines
