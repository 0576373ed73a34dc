"""Words with their places → a table, only where they stand in a grid."""

import pytest

from app.picture.maps import PixelBox
from app.text.table import Cell, PlacedWord, table_of

WIDE = 40  # of a word


def word(text: str, left: float, right: float, **known) -> PlacedWord:
    box = PixelBox(10, 30, int(left), int(right))
    return PlacedWord(
        text,
        left,
        right,
        **({"certainty": 0.9, "value": None} | known),
        box=box,
        transcript=None,
    )


def texts_of(table) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table]


def rows_of(*rows: dict[int, str]) -> list[list[PlacedWord]]:
    """Make rows of words, each with its left end."""
    found = []
    for row in rows:
        found.append([word(text, left, left + WIDE) for left, text in row.items()])
    return found


TABLES = [
    ([{0: "1", 100: "2"}, {5: "3", 95: "4"}], [("1", "2"), ("3", "4")]),
    (
        [{0: "1", 100: "2"}, {100: "4"}, {2: "5", 98: "6"}],
        [("1", "2"), ("", "4"), ("5", "6")],
    ),
    (
        [{0: "12", 45: "30", 200: "7"}, {0: "1", 205: "8"}, {3: "2", 201: "9"}],
        [("12", "30", "7"), ("1", "", "8"), ("2", "", "9")],
    ),
    ([{0: "1"}, {0: "2"}, {0: "3"}], []),  # one column
    ([{0: "1", 100: "2", 200: "3"}], []),  # one row
    # Staircases; in the longer one, no column is filled at all.
    ([{50 * row: "1"} for row in range(4)], []),
    ([{50 * row: "1"} for row in range(12)], []),
    ([], []),
]


@pytest.mark.parametrize(("rows", "table"), TABLES)
def test_words_in_a_grid_are_a_table_with_empty_cells_in_place(rows, table):
    assert texts_of(table_of(rows_of(*rows))) == table


def test_a_word_that_crosses_a_gap_in_one_of_many_rows_does_not_join_the_columns():
    rows = rows_of(*[{0: str(row), 100: str(row)} for row in range(12)])
    rows[3] = [word("12345", 20, 120)]
    found = texts_of(table_of(rows))
    assert {len(row) for row in found} == {2}
    assert found[3] in (("12345", ""), ("", "12345"))
    assert found[4] == ("4", "4")


def test_a_cell_has_the_words_of_one_column():
    first = word("12", 0, 40, certainty=0.9, value="12")
    second = word("30", 45, 80, certainty=0.5, value="30")
    cell = Cell((first, second))
    assert (cell.text, cell.value) == ("12 30", "12 30")
    assert cell.certainty == pytest.approx(0.45)
    assert cell.box == PixelBox(10, 30, 0, 80)
    assert Cell((first, second._replace(value=None))).value is None
    assert Cell().text == ""
