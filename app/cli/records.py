"""Answers → lines for programs: JSON or CSV, including a line for each picture that could not be read."""

import csv
import json
from io import StringIO
from typing import Any

from app.web.answers import Prediction, Text

COLUMNS = {
    "digit": ("file", "digit", "confidence", *(f"p{digit}" for digit in range(10)), "legibility", "model", "error"),
    "text": ("file", "text", "confidence", "model", "error"),
}


class Json:
    """One JSON object per line and picture."""

    def answer(self, name: str, answer: Prediction | Text) -> str:
        """Return the line of a picture that was read."""
        return json.dumps({"file": name, **answer.model_dump(exclude_unset=True)})

    def failure(self, name: str, why: str) -> str:
        """Return the line of a picture that was not read."""
        return json.dumps({"file": name, "error": why})


class Csv:
    """A header and one row per picture."""

    def __init__(self, kind: str) -> None:
        self.lines = StringIO()
        self.lines.write(",".join(COLUMNS[kind]) + "\n")
        # Python 3.11 quotes a cell with \r or \n only if the character is in the line terminator, by default \r\n.
        self.writer = csv.DictWriter(self.lines, COLUMNS[kind], extrasaction="ignore")

    def answer(self, name: str, answer: Prediction | Text) -> str:
        """Return the row of a picture that was read."""
        cells: dict[str, Any] = {"file": name, **answer.model_dump(exclude_unset=True)}
        shares = {f"p{digit}": share for digit, share in enumerate(cells.get("probabilities", []))}
        return self.row({**cells, **shares})

    def failure(self, name: str, why: str) -> str:
        """Return the row of a picture that was not read."""
        return self.row({"file": name, "error": why})

    def row(self, cells: dict[str, Any]) -> str:
        """Return a row, preceded by the header if it is the first one."""
        self.writer.writerow(cells)
        row = self.lines.getvalue().removesuffix("\r\n")
        self.lines.seek(0)
        self.lines.truncate()
        return row
