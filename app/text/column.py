"""The cells of a column → each once more, by what it has in common with the others."""

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from app.text.ctc import Span, Symbols, likeliest, spans_along
from app.text.format_search import FieldReading, fields_in, saying
from app.text.formats import DIGITS
from app.text.hypothesis import Hypothesis
from app.text.table import in_columns, words_of
from app.text.transcript import Transcript

# Probability that what is written in a cell is not among what the network sees there,
# such as a point that a digit hides. With less, less than 99 % of the sure are right.
UNSEEN = 0.01
Trait = tuple[str, Hashable]  # its kind, and what it is
Traits = dict[Trait, float]
LEAST_OTHERS = 4  # cells of a column from which they say something of one more


class Reading(NamedTuple):
    """A likely reading of a cell.

    Attributes
    ----------
    symbols : tuple of int
        Its digits and marks, if any.
    text : str
        The same as text.
    share : float
        Its probability.
    field : FieldReading, optional
        The same with what it means, if a format is known.
    """

    symbols: Symbols
    text: str
    share: float
    field: FieldReading | None = None

    @property
    def traits(self) -> tuple[Trait, Trait]:
        """What it may have in common with others: the number of digits before its
        first mark, and what follows, whichever digits these are.
        """
        rest = self.text.lstrip(DIGITS)
        length = len(self.text) - len(rest)
        return ("length", length), ("marks", re.sub("[0-9]", "0", rest))


def agreed(found: Hypothesis) -> Hypothesis:
    """Read what is alone in the cells of columns once more, given the others there."""
    again = dict[Transcript, Transcript]()
    for column in columns_in(found):
        again |= zip(column, agreeing(column), strict=True)
    return found.with_rows(lambda row: tuple(again.get(each, each) for each in row))


def columns_in(found: Hypothesis) -> list[list[Transcript]]:
    """Return what is alone in the cells of each column."""
    if found.table:
        cells = [[cell.read for cell in row] for row in found.table]
    else:
        rows = [tuple(each for each in row if each.signs) for row in found.rows]
        words = in_columns(words_of([row for row in rows if row]))
        cells = [[cell.transcripts for cell in row] for row in words]
    columns = zip(*cells, strict=True)
    return [[cell[0] for cell in column if len(cell) == 1] for column in columns]


def agreeing(cells: Sequence[Transcript]) -> list[Transcript]:
    """Read the cells of a column once more, given what is likely by the others.

    A trait that k of n others have is (k + 1) / (n + 1) as likely as one that all have:
    Laplace's rule of succession, so that a few cells say little. The others count by
    the probability of their readings.

    Parameters
    ----------
    cells : sequence of Transcript
        What is read in each.

    Returns
    -------
    list of Transcript
        In their order; as they are if they are few.
    """
    if len(cells) <= LEAST_OTHERS:
        return [*cells]
    found = [readings_of(cell) for cell in cells]
    traits = [traits_of(readings) for readings in found]
    sums = defaultdict[Trait, float](float)
    for each in traits:
        for trait, share in each.items():
            sums[trait] += share
    agreed = []
    for cell, readings, own in zip(cells, found, traits, strict=True):
        likely = {
            trait: (share - own.get(trait, 0) + 1) / len(cells)
            for trait, share in sums.items()
        }
        agreed.append(likeliest_of(cell, readings, likely))
    return agreed


def readings_of(cell: Transcript) -> list[Reading]:
    """Return the likely readings of a cell; in a format, those that have it."""
    spelled = cell.spec.spelled
    if cell.rules is None:
        found = likeliest(cell.emissions.of_signs)
        return [Reading(symbols, spelled(symbols), share) for symbols, share in found]
    if len(cell.meanings) != 1:
        return []
    fields = fields_in(cell.emissions, cell.rules)
    return [
        Reading(each.symbols, spelled(each.symbols), each.share, each)
        for each in fields
    ]


def traits_of(readings: Iterable[Reading]) -> Traits:
    """Add up the probabilities of the traits of readings."""
    sums = defaultdict[Trait, float](float)
    for reading in readings:
        for trait in reading.traits:
            sums[trait] += reading.share
    return sums


def likeliest_of(
    cell: Transcript, readings: Sequence[Reading], likely: Traits
) -> Transcript:
    """Return the likeliest reading of a cell, given how likely each trait is."""
    if not readings:
        return cell
    # The log-odds of a confidence are multiplied by this scale later.
    power = 1 / cell.spec.confidence_scale
    shares = []
    for reading in readings:
        prior = math.prod(likely[trait] for trait in reading.traits)
        shares.append(reading.share * prior**power)
    unseen = max(UNSEEN, 1 - sum(reading.share for reading in readings))
    total = sum(shares) + unseen * prior_of_all(likely) ** power
    share, reading = max(zip(shares, readings, strict=True))
    share /= total
    if reading.field and cell.rules:
        return saying(cell, cell.rules, [reading.field._replace(share=share)])
    spans: Sequence[Span] = cell.spans
    if [*reading.symbols] != cell.signs:
        spans = spans_along(cell.emissions.of_signs, reading.symbols)
    return replace(cell, spans=spans, given=share)


def prior_of_all(likely: Traits) -> float:
    """Return how likely a reading with the commonest trait of each kind is."""
    kinds = {kind for kind, _ in likely}
    return math.prod(
        max(share for (kind, _), share in likely.items() if kind == each)
        for each in kinds
    )
