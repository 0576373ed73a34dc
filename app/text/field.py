"""What a user says of a field: its length, its characters, its format, and what may
stand there.
"""

import csv
import math
import reprlib
from dataclasses import dataclass, replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from app.text.conditions import (
    Bounded,
    Checked,
    CheckName,
    Condition,
    Listed,
    WithDecimals,
    characters_in,
    sorted_lines,
)
from app.text.formats import (
    ANY_TEXT,
    CODE,
    DATE_FORMATS,
    DIGITS,
    FORMATS,
    NUMBER,
    DateOrder,
    FormatName,
    FormatRules,
)

# It would import ONNX Runtime, which a client of a service does not need.
if TYPE_CHECKING:
    from app.text.line_spec import LineSpec

MAX_CHARACTERS = 100  # requested characters; all that are known are about half as many
MAX_VALUES = 100_000
MAX_DECIMALS = 6
# The formats of which bounds may be known.
NUMBERS = "integer", "decimal", "amount"


class InvalidField(Exception):
    """There is no such field, or nothing fits into it; the message says why."""


@dataclass(frozen=True)
class Field:
    """What may be written in a picture.

    Attributes
    ----------
    length : int, optional
        Number of digits in a line, if known: others are not read.
    characters : str, optional
        The digits and signs that may stand in the text, of `LineSpec.signs`; by default
        digits, marks and the signs of the format.
    format : str, optional
        The format of each number.
    date : str, optional
        The order of day, month and year, if the format is that of dates; by default
        any.
    values : str, optional
        What may be written, as it is written, a value a line.
    min, max : float, optional
        The lowest and the highest number.
    digits : int, optional
        The number of digits after the point.
    check : str, optional
        How the check digit of each number is computed.
    """

    length: int | None = None
    characters: str | None = None
    format: FormatName | None = None
    date: DateOrder | None = None
    values: str | None = None
    min: float | None = None
    max: float | None = None
    digits: int | None = None
    check: CheckName | None = None

    @property
    def rules(self) -> FormatRules | None:
        """The rules of its texts, if something is known of them."""
        rules = self.format_rules
        if rules and self.conditions:
            return replace(rules, conditions=self.conditions)
        return rules

    @property
    def format_rules(self) -> FormatRules | None:
        """The rules of the format, or those of numbers or texts if it has none."""
        if self.date:
            return DATE_FORMATS[self.date]
        if self.format == "decimal" and self.digits == 0:
            return FORMATS["integer"]
        if self.format:
            return FORMATS[self.format]
        if self.is_bounded or self.digits is not None:
            return NUMBER
        if self.check:
            return CODE
        return None if self.values is None else ANY_TEXT

    @property
    def is_bounded(self) -> bool:
        """Whether the lowest or the highest number is known."""
        return self.min is not None or self.max is not None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What its texts and values meet beside the format."""
        conditions: list[Condition] = []
        if self.values is not None:
            conditions.append(Listed(self.values))
        if self.is_bounded:
            low = -math.inf if self.min is None else self.min
            high = math.inf if self.max is None else self.max
            conditions.append(Bounded(Decimal(str(low)), Decimal(str(high))))
        if self.digits is not None:
            conditions.append(WithDecimals(self.digits))
        if self.check:
            conditions.append(Checked(self.check))
        return tuple(conditions)

    def signs(self, spec: "LineSpec") -> str:
        """Return the digits and signs that may stand in the text."""
        if self.characters is not None:
            return self.characters
        needed = self.rules.signs if self.rules else ""
        return DIGITS + spec.marks + needed + "".join(characters_in(self.values or ""))

    def require_possible(self, spec: "LineSpec") -> None:
        """Raise InvalidField unless a line network can read something in it."""
        if self.date and self.format != "date":
            raise InvalidField("date needs format=date.")
        if self.characters is not None:
            require_characters(self.characters, spec)
        if self.values is not None:
            require_values(self.values, self.characters or spec.signs)
        self.require_of_number()
        if self.format and self.rules:
            self.require_consistent(self.rules)

    def require_of_number(self) -> None:
        """Raise InvalidField if what is said of a number fits no number, or a format
        that has none.
        """
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if not all(map(math.isfinite, bounds)):
            raise InvalidField("min and max must be numbers.")
        if bounds != sorted(bounds):
            raise InvalidField("min must not be greater than max.")
        if self.digits is not None and not 0 <= self.digits <= MAX_DECIMALS:
            raise InvalidField(f"digits must be 0 to {MAX_DECIMALS}.")
        if bounds and self.format not in (None, *NUMBERS):
            raise InvalidField(
                "min and max need format=integer, decimal or amount, or no format."
            )
        if self.digits is not None and self.format not in (None, "decimal"):
            raise InvalidField("digits needs format=decimal, or no format.")
        if self.check and (self.digits or self.format not in (None, "integer")):
            raise InvalidField(
                "check needs format=integer, or no format, and no digits after the "
                "point."
            )

    def require_consistent(self, rules: FormatRules) -> None:
        """Raise InvalidField if the format contradicts the characters or the length."""
        fewest, most = rules.digits
        if self.length is not None and not fewest <= self.length <= most:
            raise InvalidField(
                f"length must be {fewest} to {most} with format={self.format}, or be "
                "left out."
            )
        if self.characters is None:
            return
        for needed in (DIGITS, rules.needed):
            if needed and not {*needed} & {*self.characters}:
                raise InvalidField(
                    f"characters must have one of {needed} with format={self.format}; "
                    "leave them out, and it brings those that it needs."
                )


ANYTHING = Field()


def require_characters(characters: str, spec: "LineSpec") -> None:
    """Raise InvalidField unless a text of these characters can be requested."""
    if not 1 <= len(characters) <= MAX_CHARACTERS:
        raise InvalidField(
            f"characters must have 1 to {MAX_CHARACTERS} digits and signs."
        )
    if " " in characters:
        raise InvalidField(
            "characters must not have a space: gaps are read in any case. In a URL, "
            "+ means a space: write %2B for it."
        )
    if unknown := first_other(characters, spec.signs):
        raise InvalidField(
            f"characters must be among {spec.signs}, and not {unknown!r}."
        )


def require_values(values: str, known: str) -> None:
    """Raise InvalidField unless a list has values, and all consist of these signs."""
    lines = values.count("\n")
    if lines > MAX_VALUES or not 1 <= len(sorted_lines(values)) <= MAX_VALUES:
        raise InvalidField(f"values must be 1 to {MAX_VALUES:,}.")
    others = characters_in(values) - {*known}
    if others:
        listed = map(str.strip, values.split("\n"))
        value = next(each for each in listed if others & {*each})
        raise InvalidField(
            f"values must consist of {known}, and not be {reprlib.repr(value)}."
        )


def values_in(file: Path) -> list[str]:
    """Return the lines of a file, or the first column of a .csv, without those that are
    blank; raise ValueError if it cannot be read.
    """
    try:
        text = file.read_text("utf-8-sig")
        is_table = file.suffix.lower() == ".csv"
        rows = csv.reader(StringIO(text)) if is_table else zip(text.splitlines())
        values = [row[0].strip() for row in rows if row]
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name} must be a text in UTF-8") from error
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", error)
        raise ValueError(f"{file.name} cannot be read: {why}") from error
    return [value for value in values if value]


def require_readable(label: str, spec: "LineSpec") -> None:
    """Raise InvalidField unless a label consists of characters that are read."""
    if unknown := first_other(label, spec.characters + "\n"):
        raise InvalidField(
            f"label must be none, or consist of {spec.signs}, spaces and newlines, "
            f"and not {unknown!r}."
        )


def first_other(text: str, known: str) -> str | None:
    """Return the first character of a text that is not among those known."""
    return next((character for character in text if character not in known), None)
