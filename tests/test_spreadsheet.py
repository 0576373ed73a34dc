"""Lines of CSV: no text is run as a formula, and each is found again as it was."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.spreadsheet import escaped, formula_of, line_of, unescaped
from support import CELLS

MARKS = "=+-@\t\r\n'\",.7a"


@pytest.mark.parametrize(("text", "cell"), CELLS.items())
def test_a_text_that_would_be_run_as_a_formula_has_an_apostrophe_before_it(text, cell):
    assert escaped(text) == cell


def test_a_formula_stays_one_only_if_it_is_a_text():
    assert escaped(formula_of('007"')) == '="007"""'
    for text in ('="7"&A1', '="7""', '="7"+1', "=7"):
        assert escaped(text) == f"'{text}"


@given(st.lists(st.text(MARKS), min_size=2))
def test_texts_are_found_again_as_they_were(texts):
    (cells,) = csv.reader(StringIO(f"{line_of(texts)}\n", newline=""), strict=True)
    assert [*map(unescaped, cells)] == texts
