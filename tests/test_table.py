"""Words with their places → a table, only where they stand in a grid."""

import pytest

from app.text.table import PlacedWord, table_of

WIDE = 40  # of a word


def rows_of(*rows: dict[int, str]) -> list[list[PlacedWord]]:
    """Make rows of words, each with its left end."""
    found = []
    for row in rows:
        found.append(
            [PlacedWord(text, left, left + WIDE) for left, text in row.items()]
        )
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
    assert table_of(rows_of(*rows)) == tuple(table)


def test_a_word_that_crosses_a_gap_in_one_of_many_rows_does_not_join_the_columns():
    rows = rows_of(*[{0: str(row), 100: str(row)} for row in range(12)])
    rows[3] = [PlacedWord("12345", 20, 120)]
    found = table_of(rows)
    assert {len(row) for row in found} == {2}
    assert found[3] in (("12345", ""), ("", "12345"))
    assert found[4] == ("4", "4")
