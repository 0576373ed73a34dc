"""Rows → lines for programs: JSON or CSV, with a line for each picture that could not
be read.
"""

import csv
import json
import sys
from collections.abc import Sequence
from io import StringIO

from app.answers.columns import (
    CELL,
    Kind,
    Record,
    columns_of,
    is_unsure,
    rows_of,
    unsure_fields,
    widest,
)
from app.answers.spreadsheet import line_of, unescaped
from app.many.errors import CannotGoOn, Unanswered
from app.many.pictures import Picture
from app.many.resume import Written
from app.many.rows import Answer, row_of, values_of, written_in
from app.printable import printable

Line = tuple[Written, str]  # with its line terminator


class Json:
    """One JSON object per line and picture."""

    header = ""
    may_lack_rows = True  # of the last picture

    def __init__(self, least: float) -> None:
        self.least = least

    def shown(self, picture: Picture, outcome: Answer | Unanswered) -> str:
        """Return the line of a picture."""
        values = values_of(outcome)
        if self.least and "error" not in values:
            values["unsure"] = (
                unsure_fields(values, self.least)
                if "fields" in values
                else is_unsure(values, self.least)
            )
        return json.dumps(row_of(picture, values))

    @staticmethod
    def parsed(text: str) -> list[Line]:
        """Return the complete lines."""
        lines = StringIO(text, newline="")
        whole = (line for line in lines if line.endswith(("}\n", "}\r\n")))
        return [(written_in(json.loads(line)), line) for line in whole]


class Csv:
    """A header, and one row per picture, or per line of writing.

    The columns are as many as the widest table so far needs. With `for_spreadsheet`, a
    text is a formula.
    """

    def __init__(
        self,
        kind: Kind,
        least: float,
        for_spreadsheet: bool,
        fields: Sequence[str] = (),
    ) -> None:
        self.kind: Kind = kind
        self.may_lack_rows = kind != "sheet"  # of the last picture
        self.fields = fields
        self.least = least
        self.for_spreadsheet = for_spreadsheet
        self.rows: list[Record] = []  # that are kept for the end
        self.widen(0)

    def widen(self, cells: int) -> None:
        """Have so many columns of cells."""
        self.cells = cells
        self.columns = columns_of(self.kind, cells, self.fields)
        self.header = f"{line_of(self.columns)}\n"

    def shown(self, picture: Picture, outcome: Answer | Unanswered) -> str | None:
        """Return the lines of a picture."""
        row = row_of(picture, values_of(outcome))
        if (cells := widest([row])) > self.cells:
            self.widen(cells)
        return self.put(row)

    def put(self, row: Record) -> str | None:
        """Return the lines of a row, or keep it for the end."""
        return self.text_of(row)

    def text_of(self, row: Record) -> str:
        """Return the lines of a row."""
        rows = rows_of(row, self.least, self.for_spreadsheet)
        return "\n".join(line_of(map(each.get, self.columns)) for each in rows)

    def parsed(self, text: str) -> list[Line]:
        """Return the complete rows, with all columns.

        A file of an earlier version has fewer; its width is kept.
        """
        whole = text[: text.rfind("\n") + 1]
        rows = csv.reader(StringIO(whole, newline=""))
        header = next(rows, [])
        cells = sum(1 for name in header if CELL.fullmatch(name))
        self.widen(max(self.cells, cells))
        if self.fields and (others := {*header} - {*self.columns}):
            raise CannotGoOn(
                "The file has columns that the forms lack, such as "
                f"{min(others)}: choose another file."
            )
        lines: list[Line] = []
        for cells_of_row in rows:
            if len(cells_of_row) == len(header):
                row = dict(zip(header, map(unescaped, cells_of_row), strict=True))
                line = line_of(map(row.get, self.columns))
                lines.append((written_in(row), f"{line}\n"))
        return lines


class PrintedCsv(Csv):
    """CSV for standard output: of texts only at the end, since the width of the widest
    table is not known before.
    """

    has_header = True

    def put(self, row: Record) -> str | None:
        """Return the line of a digit or a sheet; keep the row of a text."""
        self.rows.append(row)
        return None if self.kind == "text" else self.rest()

    def rest(self) -> str | None:
        """Return the rows that were kept, preceded by the header if they are the first.

        On a terminal, a file name cannot control it.
        """
        if not self.rows:
            return None
        header = self.header if self.has_header else ""
        text = header + "\n".join(map(self.text_of, self.rows))
        self.rows = []
        self.has_header = False
        at_terminal = sys.stdout and sys.stdout.isatty()
        return printable(text, kept="\n") if at_terminal else text
