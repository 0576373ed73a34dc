"""Answers → lines for programs: JSON or CSV, with a line for each picture that could
not be read.
"""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from app.answers.responses import Line, Prediction, Text
from app.answers.spreadsheet import (
    YES_OR_NO,
    formula_of,
    line_of,
    quantity_of,
    unescaped,
)
from app.cli.pictures import Picture
from app.printable import printable

Answer = Prediction | Text
Record = tuple[tuple[str, str], str]  # the key of a picture, and a line of its results
END = "unsure model error page"
OF_DIGIT = f"file digit confidence p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 legibility {END}"
OF_LINE = (
    f"file line text confidence legibility left top width height {END} format value "
    "alternatives"
)
COLUMNS = {"digit": OF_DIGIT.split(), "text": OF_LINE.split()}


def is_unsure(answer: Answer | Line, least: float) -> bool:
    """Return whether the confidence or the legibility is below the least wanted."""
    return min(answer.confidence, legibility(answer)) < least


def legibility(answer: Answer | Line) -> float:
    """Return the lowest legibility of a digit in an answer, 1 if it has no digit."""
    if isinstance(answer, Prediction):
        return answer.legibility
    lines = answer.lines if isinstance(answer, Text) else [answer]
    digits = [digit.legibility for line in lines for digit in line.digits]
    return min(digits, default=1.0)


def named(picture: Picture) -> dict[str, Any]:
    """Return the file name of a picture, and its page if it has one."""
    return {"file": picture.name} | ({"page": picture.page} if picture.page else {})


def key_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key of the picture in a record, as of `Picture`."""
    return str(record["file"]), str(record.get("page") or "")


class Json:
    """One JSON object per line and picture."""

    def __init__(self, least: float) -> None:
        self.least = least

    def answer(self, picture: Picture, answer: Answer) -> str:
        """Return the line of a picture that was read."""
        values = named(picture) | answer.model_dump(exclude_unset=True)
        if self.least:
            values["unsure"] = is_unsure(answer, self.least)
        return json.dumps(values)

    def failure(self, picture: Picture, why: str) -> str:
        """Return the line of a picture that was not read."""
        return json.dumps(named(picture) | {"error": why})

    @staticmethod
    def parsed(text: str) -> list[Record]:
        """Return the picture in each complete line, and the line."""
        lines = StringIO(text, newline="")
        whole = (line for line in lines if line.endswith(("}\n", "}\r\n")))
        return [(key_of(json.loads(line)), line) for line in whole]


class Csv:
    """A header and one row per picture, or per line of writing.

    For a spreadsheet, a text is written as a formula, ="007", since it would otherwise
    lose its zeros or become a date. A value that is a number, a date or a time is
    written as it is.
    """

    def __init__(self, kind: str, least: float, for_spreadsheet: bool) -> None:
        self.least = least
        self.text_cell = formula_of if for_spreadsheet else str
        self.value_cell = quantity_of if for_spreadsheet else str
        self.columns = COLUMNS[kind]
        self.has_header = True

    def answer(self, picture: Picture, answer: Answer) -> str:
        """Return the rows of a picture that was read."""
        own = named(picture) | {"model": answer.model, "confidence": answer.confidence}
        own |= self.unsure(answer)
        if isinstance(answer, Text):
            lines = [self.cells(*line) for line in enumerate(answer.lines, 1)]
            return self.rows([own | cells for cells in lines or [{}]])
        shares = {f"p{digit}": each for digit, each in enumerate(answer.probabilities)}
        return self.rows([own | answer.model_dump() | shares])

    def cells(self, number: int, line: Line) -> dict[str, Any]:
        """Return the cells of a line of writing."""
        others = "|".join(other.text for other in line.alternatives or [])
        return {
            "line": number,
            "text": self.text_cell(line.text),
            "confidence": line.confidence,
            "legibility": legibility(line),
            **line.box.model_dump(),
            **self.unsure(line),
            "format": YES_OR_NO[line.format],
            "value": self.value_cell(line.value or ""),
            "alternatives": self.text_cell(others),
        }

    def unsure(self, answer: Answer | Line) -> dict[str, str]:
        """Return the cell that says whether a person should look at the picture."""
        return {"unsure": "yes" if is_unsure(answer, self.least) else ""}

    def failure(self, picture: Picture, why: str) -> str:
        """Return the row of a picture that was not read."""
        return self.rows([named(picture) | {"error": why}])

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return rows, preceded by the header if they are the first.

        On a terminal, a file name cannot control it.
        """
        lines = [line_of(self.columns)] if self.has_header else []
        lines += [line_of(map(row.get, self.columns)) for row in rows]
        written = "\n".join(lines)
        self.has_header = False
        at_terminal = sys.stdout and sys.stdout.isatty()
        return printable(written, kept="\n") if at_terminal else written

    def parsed(self, text: str) -> list[Record]:
        """Return the picture in each complete row, and the row with all columns.

        The header is the first. A file of an earlier version has fewer columns.
        """
        whole = text[: text.rfind("\n") + 1]
        rows = csv.reader(StringIO(whole, newline=""))
        header = next(rows, [])
        records: list[Record] = [(("file", "page"), f"{line_of(self.columns)}\n")]
        for row in rows:
            if len(row) == len(header):
                record = dict(zip(header, map(unescaped, row), strict=True))
                line = line_of(map(record.get, self.columns))
                records.append((key_of(record), f"{line}\n"))
        return records
