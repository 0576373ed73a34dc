"""What the line network sees in a strip → the most probable readings in a format."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from app.text.ctc import Span, Symbols, likeliest, spans_along
from app.text.emissions import Emissions
from app.text.formats import FormatRules, Meaning
from app.text.transcript import LEAST, Transcript


class FieldReading(NamedTuple):
    """A likely reading of some columns that has the format of a field."""

    likelihood: float
    symbols: Symbols
    meaning: Meaning
    begin: int
    end: int


# By the number of digits: the probability, and the fields of each strip so far.
Best = dict[int, tuple[float, list[list[FieldReading]]]]


def fields_in(
    emissions: Emissions, rules: FormatRules, begin: int = 0, end: int | None = None
) -> Iterator[FieldReading]:
    """Yield the readings of some columns, or all, that have a format."""
    end = len(emissions.probabilities) if end is None else end
    spelled = emissions.spec.spelled

    def can_begin(symbols: Symbols) -> bool:
        return rules.can_begin(spelled(symbols))

    for symbols, probability in likeliest(emissions.of_signs[begin:end], can_begin):
        meaning = rules.meaning(spelled(symbols))
        if probability and meaning:
            likelihood = probability * meaning.prior
            yield FieldReading(likelihood, symbols, meaning, begin, end)


def saying(
    transcript: Transcript, rules: FormatRules, fields: Sequence[FieldReading]
) -> Transcript:
    """Return the transcript that consists of fields, which have a format."""
    spans = []
    for each in fields:
        columns = transcript.emissions.of_signs[each.begin : each.end]
        for symbol, first, last in spans_along(columns, each.symbols):
            spans.append(Span(symbol, first + each.begin, last + each.begin))
    meanings = tuple(each.meaning for each in fields)
    return replace(transcript, spans=spans, rules=rules, meanings=meanings)


def in_format(transcript: Transcript, rules: FormatRules) -> Transcript:
    """Return the most probable reading that has a format; or else the transcript.

    In a row of a page, each word is a field if it can be. Otherwise, all of it is one
    if it can be; if each word can be one, too, that is in doubt.
    """
    end = len(transcript.emissions.probabilities)
    cuts = []
    for before, after in pairwise(transcript.words):
        cuts.append((before[-1].last + after[0].first + 1) // 2)
    by_words = None
    if cuts and not rules.is_spaced:
        by_words = in_fields(transcript, rules, [0, *cuts, end])
        if by_words and transcript.is_of_page:
            return by_words
    whole = in_fields(transcript, rules, [0, end])
    if whole and by_words:
        (meaning,) = whole.meanings
        in_doubt = meaning._replace(share=meaning.share / 2)
        return replace(whole, meanings=(in_doubt,))
    return whole or by_words or replace(transcript, rules=rules)


def in_fields(
    transcript: Transcript, rules: FormatRules, edges: Sequence[int]
) -> Transcript | None:
    """Return the most probable reading with a field from each edge to the next."""
    fields = []
    for begin, end in pairwise(edges):
        found = fields_in(transcript.emissions, rules, begin, end)
        field = max(found, default=None)
        if field is None:
            return None
        fields.append(field)
    read = saying(transcript, rules, fields)
    return read if read.spec.calibrated(read.certainty) >= LEAST else None


def in_format_of_length(
    strips: Sequence[Emissions], rules: FormatRules, length: int
) -> list[Transcript] | None:
    """Return the most probable readings that have so many digits together, if any.

    A strip has the format, or is empty.
    """
    spec = strips[0].spec
    best: Best = {0: (1.0, [])}
    for emissions in strips:
        readings = [(0, emissions.likelihood([]), list[FieldReading]())]
        for field in fields_in(emissions, rules):
            count = sum(symbol in spec.digits for symbol in field.symbols)
            readings.append((count, field.likelihood, [field]))
        longer: Best = {}
        for before, (probability, read) in best.items():
            for count, likelihood, fields in readings:
                total = before + count
                together = probability * likelihood
                if total <= length and together > longer.get(total, (0.0,))[0]:
                    longer[total] = together, [*read, fields]
        best = longer
    probability, found = best.get(length, (0.0, []))
    if spec.calibrated(probability) < LEAST:
        return None
    pairs = zip(strips, found, strict=True)
    return [saying(Transcript(each), rules, fields) for each, fields in pairs]


def alternatives_to(transcript: Transcript, count: int) -> list[tuple[str, float]]:
    """Return the most probable other texts of a strip, and the probability of each.

    Spaces do not matter. If all of it is a field, they have its format.
    """
    emissions = transcript.emissions
    if transcript.rules and len(transcript.meanings) == 1:
        fields = fields_in(emissions, transcript.rules)
        found = [(field.symbols, field.likelihood) for field in fields]
    else:
        found = [each for each in likeliest(emissions.of_signs) if each[0]]
    found.sort(key=lambda each: each[1], reverse=True)
    own = tuple(transcript.signs)
    others = [each for each in found if each[0] != own][:count]
    return [(transcript.spec.spelled(symbols), share) for symbols, share in others]
