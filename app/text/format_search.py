"""What the line network sees in a strip → the most probable readings in a format."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from app.text.ctc import Span, Symbols, likeliest, spans_along
from app.text.emissions import Emissions
from app.text.formats import FormatRules, Meaning
from app.text.transcript import LEAST, Transcript

# Probability that a field has its format, from which it is read as such. With 0.5, 97 %
# of written ids are found in their list, not 98 %; with less, more of those in no list
# are taken for one of it.
LEAST_FOUND = 0.1


class FieldReading(NamedTuple):
    """A likely reading of some columns that has the format of a field.

    Attributes
    ----------
    likelihood : float
        How much speaks for it: its probability times the prior of its text.
    symbols : tuple of int
        Its digits and marks.
    meaning : Meaning
        What it means.
    begin, end : int
        Its columns.
    share : float
        The share of its likelihood among all readings, also those without the format.
    """

    likelihood: float
    symbols: Symbols
    meaning: Meaning
    begin: int
    end: int
    share: float = 1.0


def fields_in(
    emissions: Emissions, rules: FormatRules, begin: int = 0, end: int | None = None
) -> list[FieldReading]:
    """Return the readings of some columns, or all, that have a format, the most likely
    one first; none if others are much more probable.
    """
    end = len(emissions.probabilities) if end is None else end
    spelled = emissions.spec.spelled

    def can_begin(symbols: Symbols) -> bool:
        return rules.can_begin(spelled(symbols))

    fields = []
    left = 1.0  # probability of readings without the format
    for symbols, probability in likeliest(emissions.of_signs[begin:end], can_begin):
        meaning = rules.meaning(spelled(symbols))
        if probability and meaning:
            likelihood = probability * meaning.prior
            fields.append(FieldReading(likelihood, symbols, meaning, begin, end))
            left -= probability
    likely = sum(field.likelihood for field in fields)
    total = likely + LEAST * max(0.0, left)
    if likely < LEAST_FOUND * total:
        return []
    shares = [field._replace(share=field.likelihood / total) for field in fields]
    return sorted(shares, reverse=True)


def saying(
    transcript: Transcript, rules: FormatRules, fields: Sequence[FieldReading]
) -> Transcript:
    """Return the transcript that consists of fields, which have a format."""
    spans = []
    for each in fields:
        columns = transcript.emissions.of_signs[each.begin : each.end]
        for symbol, first, last in spans_along(columns, each.symbols):
            spans.append(Span(symbol, first + each.begin, last + each.begin))
    meanings = []
    for each in fields:
        share = each.meaning.share * each.share
        meanings.append(each.meaning._replace(share=share))
    return replace(transcript, spans=spans, rules=rules, meanings=tuple(meanings))


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
        if not found:
            return None
        fields.append(found[0])
    return saying(transcript, rules, fields)


def in_format_of_length(
    emissions: Emissions, rules: FormatRules, length: int
) -> Transcript | None:
    """Return the most probable reading that has so many digits, if any is likely."""
    spec = emissions.spec
    for field in fields_in(emissions, rules):
        if sum(symbol in spec.digits for symbol in field.symbols) == length:
            if spec.calibrated(field.likelihood) < LEAST:
                return None
            return saying(Transcript(emissions), rules, [field])
    return None


def alternatives_to(transcript: Transcript, count: int) -> list[tuple[str, float]]:
    """Return the most probable other texts of a strip, and the probability of each.

    Spaces do not matter. If all of it is a field, they have its format.
    """
    emissions = transcript.emissions
    if transcript.rules and len(transcript.meanings) == 1:
        fields = fields_in(emissions, transcript.rules)
        found = [(field.symbols, field.share) for field in fields]
    else:
        found = [each for each in likeliest(emissions.of_signs) if each[0]]
        found.sort(key=lambda each: each[1], reverse=True)
    own = tuple(transcript.signs)
    others = [each for each in found if each[0] != own][:count]
    return [(transcript.spec.spelled(symbols), share) for symbols, share in others]
