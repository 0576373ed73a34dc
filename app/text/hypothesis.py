"""Hypotheses: what may be written in a picture, and how much speaks for each."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.picture.maps import PixelBox
from app.text.transcript import Transcript

SURE = 0.95  # probability of a reading from which no further one is tried
# How many times as much has to speak for another direction as for the first one.
CLEARLY = 1.25
Row = tuple[Transcript, ...]  # beside each other, from left to right


class RuledCell(NamedTuple):
    """A cell of a ruled table.

    Attributes
    ----------
    read : Row
        What is read in its lines of writing.
    box : PixelBox, optional
        The cell, in pixels of the upright picture; None if it is part of another.
    emptiness : float
        The probability that nothing is written there, if it has no lines.
    """

    read: Row = ()
    box: PixelBox | None = None
    emptiness: float = 1.0


TableCells = tuple[tuple[RuledCell, ...], ...]


@dataclass(frozen=True)
class Hypothesis:
    """What may be written in a picture.

    Attributes
    ----------
    rows : tuple of Row
        From top to bottom.
    is_beside_ink : bool
        Whether there is other ink in the picture, which may be smaller writing.
    table : tuple of tuple of RuledCell
        The rows of a ruled table.
    """

    rows: tuple[Row, ...] = ()
    is_beside_ink: bool = False
    table: TableCells = ()

    @property
    def transcripts(self) -> list[Transcript]:
        """What is read in each strip."""
        return [transcript for row in self.rows for transcript in row]

    def with_rows(self, change: Callable[[Row], Row]) -> "Hypothesis":
        """Return the hypothesis with changed rows and cells, without empty rows."""
        rows = filter(None, map(change, self.rows))
        table = tuple(
            tuple(cell._replace(read=change(cell.read)) for cell in row)
            for row in self.table
        )
        return replace(self, rows=tuple(rows), table=table)

    @property
    def of_length(self) -> "Hypothesis":
        """The lines that are likely to have the length of the field; or else the
        likeliest one.
        """
        read = [each for each in self.transcripts if each.signs]
        likely = {each for each in read if each.gain > 0}
        if not likely and read:
            likely = {max(read, key=lambda each: each.gain)}
        return self.with_rows(lambda row: tuple(each for each in row if each in likely))

    @property
    def rows_of_table(self) -> dict[Transcript, int]:
        """The row of the table in which each transcript is."""
        return {
            transcript: place
            for place, row in enumerate(self.table)
            for cell in row
            for transcript in cell.read
        }

    @property
    def signs(self) -> list[list[int]]:
        """The digits and marks in each row that has some."""
        rows = [[sign for each in row for sign in each.signs] for row in self.rows]
        return [row for row in rows if row]

    @property
    def score(self) -> float:
        """How much speaks for it."""
        return sum(each.score for each in self.transcripts)

    @property
    def certainty(self) -> float:
        """The probability that it has all that is written, and nothing else.

        Of the strips where nothing was read, such as words, the least certain one
        counts.
        """
        empty = [each.emptiness for each in self.transcripts if not each.signs]
        read = [each.certainty for each in self.transcripts if each.signs]
        return min(empty, default=1.0) * math.prod(read)


def count_of(row: Row) -> int:
    """Return the number of digits in a row."""
    return sum(each.digit_count for each in row)


def best_of(found: Sequence[Hypothesis]) -> Hypothesis:
    """Return the hypothesis for which most speaks; if empty, the least certain."""
    return min(
        found, key=lambda each: (-each.score, each.certainty), default=Hypothesis()
    )


def upright(found: Mapping[int, Hypothesis]) -> int:
    """Return the turn for which most speaks; the first if none is clearly better.

    A single digit does not show which way is up, as 6 and 9; a row of several does.
    """
    first = next(iter(found))
    scores = {first: found[first].score}
    for turn, hypothesis in found.items():
        if any(count_of(row) > 1 for row in hypothesis.rows):
            scores[turn] = hypothesis.score
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] > CLEARLY * scores[first] else first


def is_sure(found: Sequence[Hypothesis]) -> bool:
    """Return whether further hypotheses are unlikely to be better.

    Then one is sure, or several agree.
    """
    best = best_of(found)
    if (
        not best.signs
        or best.is_beside_ink
        or not all(each.has_format for each in best.transcripts)
    ):
        return False
    doubts = [1 - each.certainty for each in found if each.signs == best.signs]
    return agreement(best, found) * (1 - math.prod(doubts)) >= SURE


def agreement(best: Hypothesis, found: Sequence[Hypothesis]) -> float:
    """Return the share of the best text in all that speaks for the hypotheses."""
    others = [max(0.0, each.score) for each in found if each.signs != best.signs]
    return share(best.score, sum(others))


def share(best: float, others: float) -> float:
    """Return the share of the best score among all; 1 if there is nothing to share."""
    return best / (best + others) if others > 0 else 1.0
