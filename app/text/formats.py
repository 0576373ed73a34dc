"""The formats of fields: which texts an amount or a date may have, and what they mean.

A format is a table of regular expressions. They are also matched in part: a search for
texts of a format goes on only with what some text of it begins with.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import regex

from app.text.conditions import Condition

FormatName = Literal["integer", "decimal", "amount", "date", "time", "phone"]
DateOrder = Literal["dmy", "mdy", "ymd"]  # of day, month and year
# Of a text that matches; it may raise ValueError.
Value = Callable[[regex.Match[str]], str]

DIGITS = "0123456789"
WHOLE = 0.05  # prior probability of a number without decimals where some are expected
# A year with two digits is at most so many years ahead, and within 100 years.
YEARS_AHEAD = 19
CENTURY = 100
PLAIN = r"(?P<whole>\d+)"
BY_POINTS = r"(?P<whole>[1-9]\d{0,2}(?:\.\d{3})+)"  # groups of thousands
BY_COMMAS = r"(?P<whole>[1-9]\d{0,2}(?:,\d{3})+)"
BY_APOSTROPHES = r"(?P<whole>[1-9]\d{0,2}(?:'\d{3})+)"
DECIMALS = r"(?P<fraction>\d+)"
CENTS = r"(?:(?P<fraction>\d\d)|--?|=)"  # or a dash instead of two zeros
PARTS = {
    "d": r"(?P<day>0?[1-9]|[12]\d|3[01])",
    "m": r"(?P<month>0?[1-9]|1[0-2])",
    "y": r"(?P<year>([12]\d)?\d\d)",
}
HOUR_AND_MINUTE = r"(?P<hour>[01]?\d|2[0-3])(?P<sign>[:.])(?P<minute>[0-5]\d)"
TIME = HOUR_AND_MINUTE + r"((?P=sign)(?P<second>[0-5]\d))?"
PHONE = r"\+?(\d*\(\d{1,5}\)[-./]?)?\d+([-./]\d+)*"


class Meaning(NamedTuple):
    """What a text means.

    Attributes
    ----------
    value : str
        The likeliest value.
    share : float
        Its probability, given the text; in a transcript, given what the network sees.
    prior : float
        How likely texts like this one are in a field of this format, at most 1.
    """

    value: str
    share: float
    prior: float


@dataclass(frozen=True)
class FormatRules:
    """The rules of a format.

    Attributes
    ----------
    patterns : mapping of str to float
        Regular expressions that its texts match, and how likely they are, also where a
        text matches several.
    value : callable
        Match → what the text means.
    signs : str
        The characters of its texts beside the digits.
    needed : str
        Signs of which each text has one; none if empty.
    digits : tuple of int
        The fewest and the most digits of a text.
    is_spaced : bool
        Whether there may be spaces in a text.
    conditions : tuple of Condition
        What else is known of its texts.
    """

    patterns: Mapping[str, float]
    value: Value
    signs: str
    needed: str = ""
    digits: tuple[int, int] = (1, 64)
    is_spaced: bool = False
    conditions: tuple[Condition, ...] = ()

    @cached_property
    def compiled(self) -> dict[regex.Pattern[str], float]:
        """The patterns, compiled."""
        rows = self.patterns.items()
        return {regex.compile(pattern): weight for pattern, weight in rows}

    def can_begin(self, text: str) -> bool:
        """Return whether some text in this format begins like this."""
        if not all(each.can_begin(text) for each in self.conditions):
            return False
        return any(pattern.fullmatch(text, partial=True) for pattern in self.compiled)

    def meaning(self, text: str) -> Meaning | None:
        """Return what a text means; None if it does not have this format."""
        fewest, most = self.digits
        if not fewest <= sum(map(str.isdigit, text)) <= most:
            return None
        weights = defaultdict[str, float](float)
        for pattern, weight in self.compiled.items():
            if match := pattern.fullmatch(text):
                with suppress(ValueError):
                    value = self.value(match)
                    if all(each.is_met(text, value) for each in self.conditions):
                        weights[value] += weight
        if not weights:
            return None
        likeliest = max(weights, key=weights.__getitem__)
        total = sum(weights.values())
        return Meaning(likeliest, weights[likeliest] / total, min(1.0, total))


def number(match: regex.Match[str]) -> str:
    """Return a number without separators, with a point before its decimals."""
    parts = match.groupdict()
    sign = "-" if parts["negative"] else ""
    whole = "".join(filter(str.isdigit, parts["whole"])) or "0"
    fraction = f".{parts['fraction']}" if parts.get("fraction") else ""
    return sign + whole + fraction


def iso_date(match: regex.Match[str]) -> str:
    """Return a date as in ISO 8601; raise ValueError if there is no such day."""
    year, month, day = map(int, match.group("year", "month", "day"))
    if year < CENTURY:
        latest = date.today().year + YEARS_AHEAD
        year = latest - (latest - year) % CENTURY
    return date(year, month, day).isoformat()


def iso_time(match: regex.Match[str]) -> str:
    """Return a time as in ISO 8601, with seconds if there are some."""
    parts = match.group("hour", "minute", "second")
    return ":".join(part.zfill(2) for part in parts if part)


def digits_of(match: regex.Match[str]) -> str:
    """Return the digits of a text."""
    return "".join(filter(str.isdigit, match.group()))


def dialled(match: regex.Match[str]) -> str:
    """Return the digits of a telephone number; after a plus sign, drop (0)."""
    text = match.group()
    if text.startswith("+"):
        text = text.replace("(0)", "")
    return "".join(each for each in text if each.isdigit() or each == "+")


def with_decimals(decimals: str) -> dict[str, float]:
    """Return the patterns of numbers: 1.234 is likelier to have decimals than 1,234."""
    return {
        PLAIN: WHOLE,
        rf"(?P<whole>\d*)\.{decimals}": 2,
        rf"(?P<whole>\d*),{decimals}": 1,
        rf"{BY_POINTS}(?:,{decimals})?": 1,
        rf"{BY_COMMAS}(?:\.{decimals})?": 2,
        rf"{BY_APOSTROPHES}(?:[.,]{decimals})?": 1,
    }


def signed(
    patterns: Mapping[str, float], sign: str = "-?", end: str = ""
) -> dict[str, float]:
    """Return the patterns of numbers after a sign that makes them negative."""
    negative = f"(?P<negative>{sign})"
    return {negative + pattern + end: weight for pattern, weight in patterns.items()}


def dates(*orders: DateOrder) -> FormatRules:
    """Return the rules of dates, in one of these orders."""
    patterns = dict[str, float]()
    for first, second, third in orders:
        begin = rf"{PARTS[first]}(?P<sign>[./-]){PARTS[second]}"
        patterns[rf"{begin}(?P=sign){PARTS[third]}"] = 1
    return FormatRules(patterns, iso_date, "./-", needed="./-", digits=(4, 8))


INTEGER = dict.fromkeys((PLAIN, BY_POINTS, BY_COMMAS, BY_APOSTROPHES), 1.0)
AMOUNT = with_decimals(CENTS)
FORMATS: dict[FormatName, FormatRules] = {
    "integer": FormatRules(signed(INTEGER), number, ".,'-"),
    "decimal": FormatRules(
        signed(with_decimals(DECIMALS)), number, ".,'-", needed=".,"
    ),
    "amount": FormatRules(
        # In parentheses, it is negative, as accountants write it.
        signed(AMOUNT) | signed(AMOUNT, r"\(", r"\)"),
        number,
        ".,'-()=",
        needed=".,",
    ),
    "date": dates("dmy", "mdy", "ymd"),
    "time": FormatRules({TIME: 1}, iso_time, ":.", needed=":.", digits=(3, 6)),
    "phone": FormatRules({PHONE: 1}, dialled, "+()./-", digits=(3, 15), is_spaced=True),
}
DATE_FORMATS: dict[DateOrder, FormatRules] = {
    order: dates(order) for order in get_args(DateOrder)
}
# Of fields without a format of which something else is known.
NUMBER = FormatRules(
    signed({PLAIN: 1, rf"(?P<whole>\d*)[.,]{DECIMALS}": 1}), number, ".,-"
)
CODE = FormatRules({r"\d+([-./]\d+)*": 1}, digits_of, "-./")
ANY_TEXT = FormatRules({".+": 1}, regex.Match.group, "", digits=(0, 64))
