"""Words with their places → a table, if they stand in a grid."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from app.picture.maps import PixelBox
from app.text.layout import Floats
from app.text.transcript import Transcript

BINS = 2_000  # over the width of all words
CROSSED = 0.1  # share of the rows whose words may cross the gap between two columns
FILLED = 0.5  # share of the cells that are not empty in a table


class PlacedWord(NamedTuple):
    """A word of a page.

    Attributes
    ----------
    text : str
        As written.
    left, right : float
        Its ends on a level page.
    certainty : float
        How certain it is.
    value : str or None
        What it means in the format of its field, if it has one.
    box : PixelBox
        Its bounding box, in pixels of the upright picture.
    transcript : Transcript
        Where it was read.
    """

    text: str
    left: float
    right: float
    certainty: float
    value: str | None
    box: PixelBox
    transcript: Transcript


class Cell(NamedTuple):
    """The words in a cell of a table; none if it is empty."""

    words: tuple[PlacedWord, ...] = ()

    @property
    def text(self) -> str:
        """The words, with spaces between them."""
        return " ".join(word.text for word in self.words)

    @property
    def transcripts(self) -> tuple[Transcript, ...]:
        """Where they were read, if each has no other words."""
        read = [word.transcript for word in self.words]
        return tuple(each for each in read if len(each.words) == 1)

    @property
    def certainty(self) -> float:
        """How certain all of them are."""
        return math.prod(word.certainty for word in self.words)

    @property
    def value(self) -> str | None:
        """What they mean in the format of their field, if each means something."""
        values = [word.value for word in self.words]
        return None if None in values else " ".join(filter(None, values))

    @property
    def box(self) -> PixelBox:
        """Their bounding box."""
        return PixelBox.around(np.array([word.box for word in self.words]))


def table_of(rows: Sequence[Sequence[PlacedWord]]) -> tuple[tuple[Cell, ...], ...]:
    """Put rows of words into columns.

    Parameters
    ----------
    rows : sequence of sequence of PlacedWord
        The words of each row, from left to right.

    Returns
    -------
    tuple of tuple of Cell
        Rows of cells. No rows unless there are two or more, and columns that most of
        them fill.
    """
    cells = in_columns(rows)
    return cells if cells and len(cells[0]) > 1 else ()


def in_columns(rows: Sequence[Sequence[PlacedWord]]) -> tuple[tuple[Cell, ...], ...]:
    """Put rows of words into columns, or into one, that most of them fill."""
    if len(rows) < 2 or not any(rows):
        return ()
    columns = columns_of(rows)
    if not len(columns):
        return ()
    cells = [cells_of(row, columns) for row in rows]
    filled = sum(bool(cell.words) for row in cells for cell in row)
    least = FILLED * len(rows) * len(columns)
    return tuple(cells) if filled >= least else ()


def columns_of(rows: Sequence[Sequence[PlacedWord]]) -> Floats:
    """Return the left and right end (n, 2) of each column.

    Between them are gaps that hardly any row's words cross.
    """
    words = [word for row in rows for word in row]
    ends = np.array([(word.left, word.right) for word in words])  # (n, 2)
    first = ends.min()
    width = max(np.ptp(ends), 1e-9)
    scaled = BINS * (ends - first) / width
    left, right = scaled.round().astype(int).T
    bins = np.zeros(BINS + 2, np.int64)  # how many more words begin there than end
    right = np.maximum(right, left + 1)
    np.add.at(bins, left, 1)
    np.add.at(bins, right, -1)
    is_column = bins.cumsum() > CROSSED * len(rows)
    changes = np.diff(is_column, prepend=False, append=False)
    edges = np.flatnonzero(changes)
    columns: Floats = first + width * edges.reshape(-1, 2) / BINS
    return columns


def cells_of(row: Sequence[PlacedWord], columns: Floats) -> tuple[Cell, ...]:
    """Put each word of a row into the column that it shares most with."""
    cells = [list[PlacedWord]() for _ in columns]
    left, right = columns.T
    for word in row:
        ends = np.minimum(word.right, right)
        begins = np.maximum(word.left, left)
        shared = ends - begins
        cells[shared.argmax()].append(word)
    return tuple(Cell(tuple(words)) for words in cells)


def words_of(rows: Sequence[Sequence[Transcript]]) -> list[list[PlacedWord]]:
    """Return the words of each row, and where they are on the level page."""
    tilts = [transcript.emissions.strip.tilt for row in rows for transcript in row]
    tilt = float(np.median(tilts or [0]))
    return [[word for each in row for word in placed(each, tilt)] for row in rows]


def placed(transcript: Transcript, tilt: float) -> Iterator[PlacedWord]:
    """Yield the words of a transcript, and where they are on a page of this tilt."""
    strip = transcript.emissions.strip
    middle = len(strip.pixels) / 2
    words = zip(
        transcript.words, transcript.certainties, transcript.values, strict=True
    )
    for word, certainty, value in words:
        boxes = [transcript.places[span].box for span in word]
        left, right = boxes[0].left, boxes[-1].right
        x, y = strip.place @ [[left, right], [middle, middle], [1, 1]]
        first, last = (x * math.cos(tilt) + y * math.sin(tilt)).tolist()
        around = PixelBox.around(np.array([strip.box(*box) for box in boxes]))
        text = transcript.word_text(word)
        yield PlacedWord(text, first, last, certainty, value, around, transcript)
