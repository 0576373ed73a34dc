"""Rows → lines of CSV, in which no text is a formula that a spreadsheet would run."""

import csv
import re
from collections.abc import Iterable
from io import StringIO

FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # its beginning; with apostrophes, since one more is put before it
HARMLESS = re.compile(r'[+-][0-9.,]+|="([^"]|"")*"')  # a number, or a formula that is a text


def escaped(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{text}" if FORMULA.match(text) and not HARMLESS.fullmatch(text) else text


def unescaped(text: str) -> str:
    """Return the text that was escaped."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def line_of(cells: Iterable[object]) -> str:
    """Return a row of CSV, without its line terminator."""
    line = StringIO()
    # Python 3.11 quotes a cell with \r or \n only if the character is in the line terminator, by default \r\n.
    csv.writer(line).writerow(escaped(cell) if isinstance(cell, str) else cell for cell in cells)
    return line.getvalue().removesuffix("\r\n")


def formula_of(text: str) -> str:
    """Return a formula that is a text."""
    quoted = text.replace('"', '""')
    return f'="{quoted}"'
