"""What a field knows of its texts: a list, bounds, decimals, and check digits."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.conditions import Bounded, Listed
from app.text.field import Field, InvalidField
from app.text.reading import TextOptions, read_text
from app.text.transcription import Transcription
from networks import line_network
from pictures import POINT, encode, number

LIST = "1204\n\r\n  7.5 \n031\n7.5\n"
NINE_LIKE_4 = 459  # of the sheet of digits
# From the standards and the pages that explain them.
RIGHT = """
luhn 79927398713
luhn 4111-1111-1111-1111
mod97 79444
mod97 3214282912345698765432161182
mod11 0306406152
mod11 03785955
ean 4006381333931
ean 73513537
ean 012345678905
"""


def meanings(field: Field, texts: str) -> list[str | None]:
    found = [field.rules.meaning(text) for text in texts.split()]
    return [meaning and meaning.value for meaning in found]


def test_a_list_has_its_lines_without_spaces_and_blank_ones():
    field = Field(values=LIST)
    assert meanings(field, "1204 7.5 031 31 120 75") == [
        "1204",
        "7.5",
        "031",
        *[None] * 3,
    ]
    begins = [
        text
        for text in "1 12 1204 12041 0 03 2 7. 75".split()
        if field.rules.can_begin(text)
    ]
    assert begins == "1 12 1204 0 03 7.".split()


@given(
    st.lists(st.text("0189.", min_size=1, max_size=5), min_size=1),
    st.text("0189.", max_size=6),
)
def test_a_prefix_of_a_list_is_what_one_of_it_begins_with(texts, text):
    listed = Listed("\n".join(texts))
    assert listed.can_begin(text) == any(each.startswith(text) for each in texts)
    assert listed.is_met(text, "") == (text in texts)


def test_a_number_in_between_has_a_value_whatever_it_is_written_like():
    field = Field(min=-5, max=1250.5)
    texts = "1250 1250.5 1250,50 1250.51 007 .5 -5 -5.1 1e3 1,250,000"
    values = ["1250", "1250.5", "1250.50", None, "007", "0.5", "-5", None, None, None]
    assert meanings(field, texts) == values
    assert meanings(Field(min=0.1, max=0.3), "0.1 0.3 0.09") == ["0.1", "0.3", None]


def test_bounds_and_decimals_decide_what_a_mark_means():
    decimal = Field(format="decimal", min=1000)
    assert decimal.rules.meaning("1.234")[:2] == ("1234", 1)
    assert Field(format="decimal", digits=3).rules.meaning("1.234")[:2] == ("1.234", 1)
    assert meanings(Field(format="decimal", digits=0), "1.234 12.5 7") == [
        "1234",
        None,
        "7",
    ]
    assert meanings(Field(digits=2), "12.50 12.5 1250") == ["12.50", None, None]


@pytest.mark.parametrize("text", "99 1000 -1 (1 -0.5".split())
def test_digits_that_no_number_in_between_begins_with_are_dropped(text):
    bounded = Bounded(Decimal(120), Decimal(980))
    assert not bounded.can_begin(text)


@given(
    st.decimals(-(10**6), 10**6, places=2),
    st.decimals(-(10**6), 10**6, places=2),
    st.integers(-(10**8), 10**8),
    st.integers(0, 3),
)
def test_all_that_a_number_in_between_begins_with_can_be_completed(
    one, other, number, places
):
    bounded = Bounded(*sorted((one, other)))
    text = f"{Decimal(number).scaleb(-places):f}"
    if bounded.is_met(text, text):
        assert all(map(bounded.can_begin, (text[:end] for end in range(len(text) + 1))))


@pytest.mark.parametrize(
    ("check", "text"), [row.split() for row in RIGHT.strip().splitlines()]
)
def test_a_check_digit_finds_each_single_wrong_digit(check, text):
    rules = Field(check=check).rules
    assert rules.meaning(text).value == "".join(filter(str.isdigit, text))
    for place, right in enumerate(text):
        for wrong in set("0123456789") - {right}:
            if right != "-":
                assert rules.meaning(text[:place] + wrong + text[place + 1 :]) is None


def test_all_that_is_known_of_a_field_holds():
    field = Field(format="integer", values="18\n26\n34\n1,234", max=30, check="luhn")
    assert meanings(field, "18 26 34 1,234 59") == ["18", "26", None, None, None]


def read(signs: list, **known: object) -> Transcription:
    options = TextOptions(Field(**known), alternatives=3)
    return read_text(encode(number(signs)), line_network(), options=options)


def test_what_is_in_the_list_is_read_and_is_surer_if_nothing_else_is_like_it(digits):
    signs = [*digits[[350, 120]], digits[NINE_LIKE_4]]
    free = read(signs)
    both = read(signs, values="724\n729\n31")
    only = read(signs, values="729\n31")
    assert (free.text, both.value, only.value) == ("724", "724", "729")
    assert free.confidence < both.confidence < 0.8 < only.confidence
    ((other, confidence),) = both.lines[0].alternatives
    assert other == "729"
    assert both.lines[0].confidence + confidence == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "known",
    [
        {"values": "71\n82"},
        {"min": 800},
        {"max": 1.5},
        {"digits": 1},
        {"check": "luhn"},
    ],
)
def test_what_is_clearly_written_otherwise_is_returned_without_a_value(digits, known):
    free, text = read([*digits[[350, 120]]]), read([*digits[[350, 120]]], **known)
    assert (text.text, text.has_format, text.value) == ("72", False, None)
    assert text.confidence < free.confidence


def test_bounds_decide_between_two_digits(digits):
    signs = [*digits[[350, 120]], digits[NINE_LIKE_4]]
    assert read(signs, min=700, max=724.5).value == "724"
    assert read(signs, min=725).value == "729"


def test_a_list_may_have_marks_and_other_signs_of_the_network(digits):
    picture = [digits[350], POINT, *digits[[120, 120]]]
    assert read(picture, values="7.22\n722\n+7").value == "7.22"
    assert "+" in Field(values="+7").signs(line_network().spec)


@pytest.mark.parametrize(
    ("known", "detail"),
    [
        ({"values": " \n"}, "values must be 1 to 100,000."),
        ({"values": "1\n" * 100_001}, "values must be 1 to 100,000."),
        ({"values": "12\nA7\nB8"}, "values must consist of {signs}, and not be 'A7'."),
        (
            {"values": "12\n7.5", "characters": "0123456789"},
            "values must consist of 0123456789, and not be '7.5'.",
        ),
        ({"min": 2, "max": 1}, "min must not be greater than max."),
        ({"min": math.nan}, "min and max must be numbers."),
        (
            {"max": 1, "format": "time"},
            "min and max need format=integer, decimal or am",
        ),
        ({"digits": -1}, "digits must be 0 to 6."),
        ({"digits": 7}, "digits must be 0 to 6."),
        (
            {"digits": 2, "format": "amount"},
            "digits needs format=decimal, or no format.",
        ),
        (
            {"check": "ean", "format": "date"},
            "check needs format=integer, or no format",
        ),
        ({"check": "ean", "digits": 2}, "check needs format=integer, or no format"),
    ],
)
def test_what_contradicts_itself_is_refused(known, detail):
    spec = line_network().spec
    with pytest.raises(InvalidField) as refused:
        Field(**known).require_possible(spec)
    assert str(refused.value).startswith(detail.format(signs=spec.signs))
