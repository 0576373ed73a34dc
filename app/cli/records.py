"""Answers → lines for programs: JSON or CSV, including those of pictures that could not
be read.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping
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

Record = tuple[tuple[str, str], str]  # the key of a picture, and a line of its results
END = "unsure", "model", "error", "page"
BOX = "left", "top", "width", "height"
COLUMNS = {
    "digit": (
        "file",
        "digit",
        "confidence",
        *(f"p{digit}" for digit in range(10)),
        "legibility",
        *END,
    ),
    "text": (
        "file",
        "line",
        "text",
        "confidence",
        "legibility",
        *BOX,
        *END,
        "format",
        "value",
        "alternatives",
    ),
}


def is_unsure(answer: Prediction | Text | Line, least: float) -> bool:
    """Return whether the confidence, or the legibility of a digit, is below the least
    that is wanted.
    """
    return min(answer.confidence, legibility(answer)) < least


def legibility(answer: Prediction | Text | Line) -> float:
    """Return the lowest legibility of a digit in an answer; 1 if it has none."""
    if isinstance(answer, Prediction):
        return answer.legibility
    lines = answer.lines if isinstance(answer, Text) else [answer]
    return min(
        (digit.legibility for line in lines for digit in line.digits), default=1.0
    )


def named(picture: Picture) -> dict[str, Any]:
    """Return what tells a picture from others: the name of its file, and the page if
    there is one.
    """
    return {"file": picture.name} | ({"page": picture.page} if picture.page else {})


def key_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key of the picture in a record, as of `Picture`."""
    return str(record["file"]), str(record.get("page") or "")


class Json:
    """One JSON object per line and picture."""

    def __init__(self, least: float = 0.0) -> None:
        self.least = least

    def answer(self, picture: Picture, answer: Prediction | Text) -> str:
        """Return the line of a picture that was read."""
        unsure = {"unsure": is_unsure(answer, self.least)} if self.least else {}
        return json.dumps(
            {**named(picture), **answer.model_dump(exclude_unset=True), **unsure}
        )

    def failure(self, picture: Picture, why: str) -> str:
        """Return the line of a picture that was not read."""
        return json.dumps({**named(picture), "error": why})

    @staticmethod
    def parsed(text: str) -> list[Record]:
        """Return the picture in each line, and the line; an incomplete one is left out."""
        lines = [
            line
            for line in StringIO(text, newline="")
            if line.endswith(("}\n", "}\r\n"))
        ]
        return [(key_of(json.loads(line)), line) for line in lines]


class Csv:
    """A header and one row per picture, or per line of writing.

    For a spreadsheet, a text is written as a formula, ="007", since it would otherwise
    lose its zeros or become a date. A value that is a number, a date or a time is
    written as it is.
    """

    def __init__(
        self,
        kind: str,
        least: float = 0.0,
        for_spreadsheet: bool = False,
        with_header: bool = True,
    ) -> None:
        self.least = least
        self.text_cell: Callable[[str], str] = formula_of if for_spreadsheet else str
        self.value_cell: Callable[[str], str] = quantity_of if for_spreadsheet else str
        self.columns = COLUMNS[kind]
        self.header = [line_of(self.columns)] if with_header else []

    def answer(self, picture: Picture, answer: Prediction | Text) -> str:
        """Return the rows of a picture that was read."""
        if isinstance(answer, Prediction):
            shares = {
                f"p{digit}": share for digit, share in enumerate(answer.probabilities)
            }
            return self.rows(
                [
                    {
                        **named(picture),
                        **answer.model_dump(),
                        **shares,
                        **self.unsure(answer),
                    }
                ]
            )
        own = {**named(picture), "model": answer.model}
        lines = [
            self.cells(number, line) for number, line in enumerate(answer.lines, 1)
        ]
        empty = {"confidence": answer.confidence, **self.unsure(answer)}
        return self.rows([{**own, **cells} for cells in lines or [empty]])

    def cells(self, number: int, line: Line) -> dict[str, Any]:
        """Return the cells of a line of writing."""
        return {
            "line": number,
            "text": self.text_cell(line.text),
            "confidence": line.confidence,
            "legibility": legibility(line),
            **line.box.model_dump(),
            **self.unsure(line),
            "format": YES_OR_NO[line.format],
            "value": self.value_cell(line.value or ""),
            "alternatives": self.text_cell(
                "|".join(other.text for other in line.alternatives or [])
            ),
        }

    def unsure(self, answer: Prediction | Text | Line) -> dict[str, str]:
        """Return the cell that says whether a person should look at the picture."""
        return {"unsure": "yes" if is_unsure(answer, self.least) else ""}

    def failure(self, picture: Picture, why: str) -> str:
        """Return the row of a picture that was not read."""
        return self.rows([{**named(picture), "error": why}])

    def rows(self, rows: list[dict[str, Any]]) -> str:
        """Return rows, preceded by the header if they are the first; a file name cannot
        control a terminal.
        """
        lines = [*self.header, *(line_of(map(row.get, self.columns)) for row in rows)]
        self.header = []
        written = "\n".join(lines)
        return (
            printable(written, kept="\n")
            if sys.stdout and sys.stdout.isatty()
            else written
        )

    def parsed(self, text: str) -> list[Record]:
        """Return the picture in each row, and the row, with all columns; incomplete
        rows are left out.

        The header is the first. A file of an earlier version has fewer columns.
        """
        whole = text[: text.rfind("\n") + 1]
        header, *rows = [
            [*map(unescaped, cells)]
            for cells in csv.reader(StringIO(whole, newline=""))
        ] or [[]]
        found = [
            dict(zip(header, cells, strict=True))
            for cells in rows
            if len(cells) == len(header)
        ]
        every = [dict(zip(self.columns, self.columns, strict=True)), *found]
        return [
            (key_of(row), f"{line_of(map(row.get, self.columns))}\n") for row in every
        ]
