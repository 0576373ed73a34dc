"""The cells of a column: each is read by what it has in common with the others."""

import numpy as np
import pytest

from app.text.column import agreeing
from app.text.emissions import Emissions
from app.text.format_search import in_format
from app.text.formats import FORMATS
from app.text.strips import Strip
from app.text.transcript import Transcript
from networks import line_network


def seen(text: str, *others: tuple[int, str, float]) -> Transcript:
    """Read a text that is seen with certainty, but for these characters at these
    places, of which each has a share.
    """
    spec = line_network().spec
    columns = np.zeros((2 * len(text) + 1, spec.classes), np.float32)
    for place, character in enumerate(text):
        columns[2 * place + 1, spec.class_of(character)] = 1
    columns[::2, 0] = 1
    for place, character, share in others:
        column = columns[2 * place + 1]
        column *= 1 - share
        column[spec.class_of(character) if character else 0] += share
    pixels = np.zeros((spec.height, spec.stride * len(columns)), np.uint8)
    place = np.array([[1, 0, 0], [0, 1, 0]], float)
    strip = Strip(pixels, place, pixels.shape[::-1])
    return Transcript.likeliest(Emissions(strip, columns, spec), is_of_page=True)


def texts_of(cells: list[Transcript]) -> list[str]:
    return [cell.spec.spelled(cell.signs) for cell in cells]


POINTS = [seen(text) for text in ("2.5", "7.1", "8.0", "3.6", "12.4", "9.9")]


def test_a_point_that_is_hardly_seen_is_read_where_all_others_have_one():
    faint = seen("4.2", (1, "", 0.9))
    assert texts_of([faint]) == ["42"]
    assert texts_of(agreeing([*POINTS, faint]))[-1] == "4.2"
    assert texts_of(agreeing([*POINTS, seen("42")]))[-1] == "42"  # where none is seen


def test_a_number_that_is_like_no_other_is_less_certain():
    column = [seen(text) for text in ("51", "48", "77", "30", "65", "52")]
    odd = seen("151", (0, "", 0.02))
    like = seen("51", (0, "7", 0.02))
    before = odd.certainty
    *_, after, other = agreeing([*column, odd, like])
    assert texts_of([after, other]) == ["151", "51"]
    assert after.certainty < before - 0.1
    assert other.certainty > after.certainty


def test_a_slanted_1_is_no_slash_in_a_column_of_numbers():
    slanted = seen("2/4", (1, "1", 0.3))
    column = [seen(text) for text in ("213", "180", "977", "450", "226", "301")]
    assert texts_of(agreeing([*column, slanted]))[-1] == "214"
    dates = [seen(text) for text in ("3/4", "1/8", "9/7", "4/5", "2/6", "3/1")]
    assert texts_of(agreeing([*dates, slanted]))[-1] == "2/4"


def test_a_few_cells_say_nothing_of_each_other():
    faint = seen("4.2", (1, "", 0.9))
    column = [*POINTS[:3], faint]
    assert agreeing(column) == column


def test_in_a_format_a_reading_keeps_it():
    rules = FORMATS["amount"]
    faint = seen("4.20", (1, "", 0.9))
    column = [seen(text) for text in ("2.50", "7.10", "8.00", "3.65", "12.40", "9.99")]
    cells = [in_format(cell, rules) for cell in [*column, faint]]
    found = agreeing(cells)[-1]
    assert (found.text, *found.values) == ("4.20", "4.20")


@pytest.mark.parametrize("count", [0, 1, 9])
def test_cells_without_numbers_stay_empty(count):
    names = [seen("")] * count
    assert texts_of(agreeing(names)) == [""] * count
