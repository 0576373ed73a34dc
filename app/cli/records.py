"""Answers → lines for programs: JSON and CSV, in which a picture without an answer has its line too.

Ignores: where answers come from.
"""

import csv
import json
from collections.abc import Sequence
from io import StringIO

from app.cli.answers import Answer

COLUMNS = ("file", "digit", "confidence", *(f"p{digit}" for digit in range(10)), "legibility", "model", "error")


class Json:
    """An object a picture, on a line of its own."""

    def answer(self, name: str, answer: Answer) -> str:
        """The line of a picture that was read."""
        return json.dumps({"file": name, **answer._asdict()})

    def failure(self, name: str, why: str) -> str:
        """The line of one that was not."""
        return json.dumps({"file": name, "error": why})


class Csv:
    """A row a picture, below the names of the columns."""

    def __init__(self) -> None:
        self.above = [COLUMNS]

    def answer(self, name: str, answer: Answer) -> str:
        """The row of a picture that was read."""
        digit, confidence, probabilities, legibility, model = answer
        return self.rows(name, digit, confidence, *probabilities, legibility, model, "")

    def failure(self, name: str, why: str) -> str:
        """The row of one that was not."""
        return self.rows(name, *[""] * (len(COLUMNS) - 2), why)

    def rows(self, *cells: object) -> str:
        """A row; the first one below the columns' names."""
        lines = StringIO()
        rows: Sequence[Sequence[object]] = [*self.above, cells]
        csv.writer(lines, lineterminator="\n").writerows(rows)
        self.above = []
        return lines.getvalue().removesuffix("\n")
