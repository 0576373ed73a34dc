"""Rows → lines of CSV, in which no text is a formula that a spreadsheet would run."""

import csv
import re
from collections.abc import Iterable
from io import StringIO

# How it begins. Apostrophes may precede it, since one more is put before them.
FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
# A number, or a formula that is a text.
HARMLESS = re.compile(r'[+-][0-9.,]+|="([^"]|"")*"')
QUANTITY = re.compile(
    # A number; a zero may precede others only if it has decimals.
    r"-?(0|[1-9][0-9]*|[0-9]+\.[0-9]+)"
    r"|[0-9]{4}(-[0-9]{2}){2}"  # a date
    r"|[0-9]{2}(:[0-9]{2}){1,2}"  # a time
)
MOST_DIGITS = 15  # a spreadsheet replaces further ones by zeros
YES_OR_NO = {True: "yes", False: "no", None: ""}


def line_of(cells: Iterable[object]) -> str:
    """Return a row of CSV, without its line terminator."""
    line = StringIO()
    # Python 3.11 quotes a cell with \r or \n only if the line terminator has that
    # character; it is \r\n by default.
    csv.writer(line).writerow(
        escaped(cell) if isinstance(cell, str) else cell for cell in cells
    )
    return line.getvalue().removesuffix("\r\n")


def escaped(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{text}" if FORMULA.match(text) and not HARMLESS.fullmatch(text) else text


def unescaped(text: str) -> str:
    """Return the text that was escaped."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def formula_of(text: str) -> str:
    """Return a formula that is a text; an empty text stays empty."""
    quoted = text.replace('"', '""')
    return f'="{quoted}"' if text else ""


def quantity_of(text: str) -> str:
    """Return a number, a date or a time as it is, and a formula for any other text.

    >>> quantity_of("-12.50"), quantity_of("2026-11-24"), quantity_of("007")
    ('-12.50', '2026-11-24', '="007"')
    """
    is_exact = sum(map(str.isdigit, text)) <= MOST_DIGITS
    return text if is_exact and QUANTITY.fullmatch(text) else formula_of(text)
