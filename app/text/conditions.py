"""What a user knows of the texts of a field, beside their format: a list of them,
bounds, a number of decimals, or a check digit.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal, Protocol

CheckName = Literal["luhn", "mod97", "mod11", "ean"]
LISTS = 4  # that are kept sorted; one of 100,000 values takes 7 MB
INFINITE = Decimal("Infinity")
# A sign, digits, and what follows the first mark.
NUMBER = re.compile(r"([-(]?)(\d*)(.*)")


class Condition(Protocol):
    """A condition that the texts of a field meet."""

    def can_begin(self, text: str) -> bool:
        """Return whether some text that meets it may begin like this."""

    def is_met(self, text: str, value: str) -> bool:
        """Return whether a text meets it that means this value."""


@dataclass(frozen=True)
class Listed:
    """The text is in a list.

    Attributes
    ----------
    values : str
        The list, a text a line. One string is sent to another process in a hundredth
        of the time of 100,000.
    """

    values: str

    def can_begin(self, text: str) -> bool:
        """Return whether one of the list begins like this."""
        return self.first_from(text).startswith(text)

    def is_met(self, text: str, value: str) -> bool:
        """Return whether the list has a text."""
        return self.first_from(text) == text

    def first_from(self, text: str) -> str:
        """Return the first text of the sorted list that does not come before this one;
        "" if there is none.
        """
        listed = sorted_lines(self.values)
        place = bisect_left(listed, text)
        return listed[place] if place < len(listed) else ""


@dataclass(frozen=True)
class Bounded:
    """The value is a number between two, both included."""

    low: Decimal = -INFINITE
    high: Decimal = INFINITE

    def can_begin(self, text: str) -> bool:
        """Return whether a number in between may begin with these digits.

        Marks may separate groups or decimals, so that only the digits before the first
        mark are known to be whole.
        """
        sign, whole, rest = NUMBER.fullmatch(text).groups()  # type: ignore[union-attr]
        low, high = (-self.high, -self.low) if sign else (self.low, self.high)
        decimals = "".join(filter(str.isdigit, rest))
        digits = int(whole + decimals or "0")
        if not digits:  # zeros may precede any number
            return high >= 0 or not text
        unit = Decimal(1).scaleb(-len(decimals))
        while digits * unit <= high:
            if (digits + 1) * unit > low:
                return True
            unit *= 10
        return False

    def is_met(self, text: str, value: str) -> bool:
        """Return whether a number is in between."""
        return self.low <= Decimal(value) <= self.high


@dataclass(frozen=True)
class WithDecimals:
    """The value has so many digits after its point."""

    count: int

    def can_begin(self, text: str) -> bool:
        """Return True: what is a decimal is only known at the end."""
        return True

    def is_met(self, text: str, value: str) -> bool:
        """Return whether a number has so many."""
        return len(value.partition(".")[2]) == self.count


@dataclass(frozen=True)
class Checked:
    """The last digits of the value are a check of the others."""

    check: CheckName

    def can_begin(self, text: str) -> bool:
        """Return True: a check is the end of a number."""
        return True

    def is_met(self, text: str, value: str) -> bool:
        """Return whether the check of a number is right."""
        is_right = CHECKS[self.check]
        return len(value) > 1 and value.isdigit() and is_right([*map(int, value)])


def has_luhn(digits: list[int]) -> bool:
    """Return whether the last digit is that of Luhn's formula (ISO/IEC 7812-1)."""
    doubled = (divmod(2 * digit, 10) for digit in digits[-2::-2])
    return (sum(digits[::-2]) + sum(map(sum, doubled))) % 10 == 0


def has_mod97(digits: list[int]) -> bool:
    """Return whether the last two digits are those of ISO 7064, MOD 97-10."""
    return int("".join(map(str, digits))) % 97 == 1


def has_mod11(digits: list[int]) -> bool:
    """Return whether the last digit is one of ISBN-10: weights 1, 2, 3 from it on."""
    weighted = (place * digit for place, digit in enumerate(digits[::-1], 1))
    return sum(weighted) % 11 == 0


def has_ean(digits: list[int]) -> bool:
    """Return whether the last digit is that of an EAN, or of another number of GS1:
    weights 1, 3, 1, 3 from it on.
    """
    return (sum(digits[::-2]) + 3 * sum(digits[-2::-2])) % 10 == 0


CHECKS: dict[CheckName, Callable[[list[int]], bool]] = {
    "luhn": has_luhn,
    "mod97": has_mod97,
    "mod11": has_mod11,
    "ean": has_ean,
}


@lru_cache(LISTS)
def sorted_lines(text: str) -> list[str]:
    """Return the lines of a text, sorted, without those that are blank."""
    return sorted(filter(None, map(str.strip, text.split("\n"))))


@lru_cache(LISTS)
def characters_in(text: str) -> frozenset[str]:
    """Return the characters of the lines of a text."""
    return frozenset("".join(sorted_lines(text)))
