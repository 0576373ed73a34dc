"""What a user says of a field: its length, its characters and its format."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.text.formats import (
    DATE_FORMATS,
    DIGITS,
    FORMATS,
    DateOrder,
    FormatName,
    FormatRules,
)

# It would import ONNX Runtime, which a client of a service does not need.
if TYPE_CHECKING:
    from app.text.line_spec import LineSpec

MAX_CHARACTERS = 100  # requested characters; all that are known are about half as many


class InvalidField(Exception):
    """There is no such field, or nothing fits into it; the message says why."""


@dataclass(frozen=True)
class Field:
    """What may be written in a picture.

    Attributes
    ----------
    length : int, optional
        Number of digits in the whole picture, if known.
    characters : str, optional
        The digits and signs that may stand in the text, of `LineSpec.signs`; by default
        digits, marks and the signs of the format.
    format : str, optional
        The format of each number.
    date : str, optional
        The order of day, month and year, if the format is that of dates; by default
        any.
    """

    length: int | None = None
    characters: str | None = None
    format: FormatName | None = None
    date: DateOrder | None = None

    @property
    def rules(self) -> FormatRules | None:
        """The rules of the format."""
        if self.date:
            return DATE_FORMATS[self.date]
        return FORMATS[self.format] if self.format else None

    def signs(self, spec: "LineSpec") -> str:
        """Return the digits and signs that may stand in the text."""
        if self.characters is not None:
            return self.characters
        return DIGITS + spec.marks + (self.rules.signs if self.rules else "")

    def require_possible(self, spec: "LineSpec") -> None:
        """Raise InvalidField unless a line network can read something in it."""
        if self.date and self.format != "date":
            raise InvalidField("date needs format=date.")
        if self.characters is not None:
            require_characters(self.characters, spec)
        if self.rules:
            self.require_consistent(self.rules)

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
