"""Lines of CSV: no text is run as a formula, and each is found again as it was."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import CELLS
from app.answers.spreadsheet import escaped, formula_of, line_of, quantity_of, unescaped

MARKS = "=+-@\t\r\n'\",.7a"


@pytest.mark.parametrize(("text", "cell"), CELLS.items())
def test_a_text_that_would_be_run_as_a_formula_has_an_apostrophe_before_it(text, cell):
    assert escaped(text) == cell


def test_a_formula_stays_one_only_if_it_is_a_text():
    assert escaped(formula_of('007"')) == '="007"""'
    for text in ('="7"&A1', '="7""', '="7"+1', "=7"):
        assert escaped(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", "0 1234.5 -12.50 -0.05 007.50 123456789012345 2026-11-24 14:30:05".split()
)
def test_a_spreadsheet_computes_with_numbers_dates_and_times(text):
    assert line_of([quantity_of(text)]) == text


@pytest.mark.parametrize(
    "text",
    "007|-007|1234567890123456|+43664123|1.250,00|12.50 13.00|24/11/26|=1+1".split("|"),
)
def test_of_other_texts_a_spreadsheet_keeps_each_character(text):
    assert quantity_of(text) == f'="{text}"'


def test_an_empty_text_is_an_empty_cell():
    assert quantity_of("") == formula_of("") == ""


@given(st.lists(st.text(MARKS), min_size=2))
def test_texts_are_found_again_as_they_were(texts):
    (cells,) = csv.reader(StringIO(f"{line_of(texts)}\n", newline=""), strict=True)
    assert [*map(unescaped, cells)] == texts
