"""The formats of fields: which texts have them, and what these mean and begin with."""

from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.formats import DATE_FORMATS, DIGITS, FORMATS, FormatName
from training.writing.alphabet import CHARACTERS

SIGNS = "".join(sorted({*"".join(rules.signs for rules in FORMATS.values())}))
MEANINGS = """
integer 1234 1234
integer -1'234 -1234
integer 1.234 1234
integer 12,345,678 12345678
integer 007 007
decimal 7,8 7.8
decimal .57 0.57
decimal -1.234.567,8 -1234567.8
decimal 0.234 0.234
amount 1,234.50 1234.50
amount 1.234,50 1234.50
amount (12.50) -12.50
amount -.50 -0.50
amount 25.000 25000
amount 12,- 12
amount 500 500
date 13/4/2024 2024-04-13
time 9:05 09:05
time 14.30.05 14:30:05
phone +43(0)664/123-45 +4366412345
phone 0664123 0664123
"""
WITHOUT = """
integer 1.23
integer 1.234,567
integer 12/34
decimal 19.0.56
decimal -
amount 12.5
amount 1,234,5
amount (12.50
amount -(12.50)
amount .-
date 30/2/2024
date 1/2-2024
date 1/2/124
time 24:00
time 9:60
time 14:30.05
phone 12
phone 1234567890123456
"""
NOT_BEGINNINGS = """
amount 19.0.
amount 1.23.
amount 1)
time 2:6
date 2024.13
"""


def rows_of(table: str) -> list[tuple[str, ...]]:
    return [tuple(row.split()) for row in table.strip().splitlines()]


def test_each_format_has_examples_and_signs_that_are_read():
    assert {*FORMATS} == {*get_args(FormatName)}
    for table in (MEANINGS, WITHOUT):
        assert {*FORMATS} == {row[0] for row in rows_of(table)}
    assert {*SIGNS} <= {*CHARACTERS}


@pytest.mark.parametrize(("format", "text", "value"), rows_of(MEANINGS))
def test_a_text_in_a_format_means_one_value(format, text, value):
    assert FORMATS[format].meaning(text)[:2] == (value, 1)


@pytest.mark.parametrize(("format", "text"), rows_of(WITHOUT))
def test_other_texts_do_not_have_the_format(format, text):
    assert FORMATS[format].meaning(text) is None


@pytest.mark.parametrize(
    ("order", "text", "value"),
    [
        ("dmy", "3/4/2024", "2024-04-03"),
        ("mdy", "3/4/2024", "2024-03-04"),
        ("ymd", "2024-3-4", "2024-03-04"),
        ("dmy", "29.2.24", "2024-02-29"),
    ],
)
def test_a_date_is_read_in_its_order(order, text, value):
    assert DATE_FORMATS[order].meaning(text) == (value, 1, 1)


def test_a_month_beyond_the_twelfth_is_none():
    assert DATE_FORMATS["dmy"].meaning("4/13/2024") is None
    assert not DATE_FORMATS["dmy"].can_begin("4/13")


def test_a_year_with_two_digits_is_at_most_80_years_back_or_19_on():
    today = date.today().year
    for year in range(today - 80, today + 20):
        assert (
            DATE_FORMATS["dmy"].meaning(f"1.2.{year % 100:02}").value == f"{year}-02-01"
        )


def test_a_text_with_several_meanings_has_the_likelier_one_with_a_doubt():
    assert FORMATS["decimal"].meaning("1.234")[:2] == ("1.234", pytest.approx(2 / 3))
    assert FORMATS["decimal"].meaning("1,234")[:2] == ("1234", pytest.approx(2 / 3))
    assert FORMATS["date"].meaning("3/4/2024")[:2] == ("2024-04-03", 0.5)


def test_a_number_without_decimals_is_less_likely_where_some_are_expected():
    for format in ("decimal", "amount"):
        whole, exact = map(FORMATS[format].meaning, ("1250", "12.50"))
        assert whole.prior < exact.prior == 1


@pytest.mark.parametrize(("format", "text", "_"), rows_of(MEANINGS))
def test_all_that_a_text_in_a_format_begins_with_can_be_completed(format, text, _):
    assert all(FORMATS[format].can_begin(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize(("format", "text"), rows_of(NOT_BEGINNINGS))
def test_what_no_text_in_a_format_begins_with_is_dropped(format, text):
    assert not FORMATS[format].can_begin(text)


@given(st.sampled_from(sorted(FORMATS)), st.text(DIGITS + SIGNS, max_size=80))
def test_any_text_has_a_finite_answer(format, text):
    rules = FORMATS[format]
    meaning = rules.meaning(text)
    if meaning:
        assert rules.can_begin(text)
        assert 0 < meaning.share <= 1
        assert 0 < meaning.prior <= 1
        assert set(text) <= {*DIGITS, *rules.signs}
