"""Words with their places → a table, if they stand in a grid."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BINS = 2_000  # over the width of all words
CROSSED = 0.1  # share of the rows whose words may cross the gap between two columns
FILLED = 0.5  # share of the cells that are not empty in a table


class Word(NamedTuple):
    """A word, and its left and right end on a level page."""

    text: str
    left: float
    right: float


def table_of(rows: Sequence[Sequence[Word]]) -> tuple[tuple[str, ...], ...]:
    """Put rows of words into columns.

    Parameters
    ----------
    rows : sequence of sequence of Word
        The words of each row, from left to right.

    Returns
    -------
    tuple of tuple of str
        Rows of cells, "" where a cell is empty. No rows unless there are two or more,
        and columns that most of them fill.
    """
    words = [word for row in rows for word in row]
    if len(rows) < 2 or not words:
        return ()
    columns = columns_of(rows)
    cells = [cells_of(row, columns) for row in rows]
    filled = sum(cell != "" for row in cells for cell in row)
    is_table = len(columns) > 1 and filled >= FILLED * len(rows) * len(columns)
    return tuple(cells) if is_table else ()


def columns_of(rows: Sequence[Sequence[Word]]) -> list[tuple[float, float]]:
    """Return the left and right end of each column: between them are gaps that hardly
    any row's words cross.
    """
    ends = np.array([word[1:] for row in rows for word in row])
    first, width = ends.min(), max(np.ptp(ends), 1e-9)
    bins = np.zeros(BINS + 2, np.int64)
    scaled = (BINS * (ends - first) / width).round().astype(int)
    np.add.at(bins, scaled[:, 0], 1)
    np.add.at(bins, np.maximum(scaled[:, 1], scaled[:, 0] + 1), -1)
    is_column = bins.cumsum() > CROSSED * len(rows)
    edges = np.flatnonzero(np.diff(is_column, prepend=False, append=False)).reshape(
        -1, 2
    )
    return [
        (first + width * left / BINS, first + width * right / BINS)
        for left, right in edges.tolist()
    ]


def cells_of(
    row: Sequence[Word], columns: Sequence[tuple[float, float]]
) -> tuple[str, ...]:
    """Put each word of a row into the column that it shares most with; those of one
    column are joined by a space.
    """
    cells = [list[str]() for _ in columns]
    for word in row:
        shared = [
            min(word.right, right) - max(word.left, left) for left, right in columns
        ]
        cells[int(np.argmax(shared))].append(word.text)
    return tuple(" ".join(cell) for cell in cells)
