"""Answers → lines for programs: JSON and CSV, in which a picture without an answer has its line too.

Ignores: where answers come from.
"""

import csv
import json
from io import StringIO
from typing import Any

from app.cli.answers import Answer, TextAnswer

COLUMNS = {
    "digit": ("file", "digit", "confidence", *(f"p{digit}" for digit in range(10)), "legibility", "model", "error"),
    "text": ("file", "text", "confidence", "model", "error"),
}


class Json:
    """An object a picture, on a line of its own."""

    def answer(self, name: str, answer: Answer | TextAnswer) -> str:
        """The line of a picture that was read."""
        return json.dumps({"file": name, **answer._asdict()})

    def failure(self, name: str, why: str) -> str:
        """The line of one that was not."""
        return json.dumps({"file": name, "error": why})


class Csv:
    """A row a picture, below the names of the columns."""

    def __init__(self, what: str) -> None:
        self.lines = StringIO()
        self.writer = csv.DictWriter(self.lines, COLUMNS[what], extrasaction="ignore", lineterminator="\n")
        self.writer.writeheader()

    def answer(self, name: str, answer: Answer | TextAnswer) -> str:
        """The row of a picture that was read."""
        cells: dict[str, Any] = {"file": name, **answer._asdict()}
        shares = {f"p{digit}": share for digit, share in enumerate(cells.get("probabilities", []))}
        return self.row({**cells, **shares})

    def failure(self, name: str, why: str) -> str:
        """The row of one that was not."""
        return self.row({"file": name, "error": why})

    def row(self, cells: dict[str, Any]) -> str:
        """A row; the first one below the columns' names."""
        self.writer.writerow(cells)
        row = self.lines.getvalue().removesuffix("\n")
        self.lines.seek(0)
        self.lines.truncate()
        return row
