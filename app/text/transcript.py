"""Strip and the line network's output for it → what is written, how certain that is,
and where each symbol lies.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Box, Map
from app.text.ctc import (
    BLANK,
    Span,
    Spans,
    Symbols,
    likeliest,
    log_probability,
    spans_along,
)
from app.text.forms import Grammar, Meaning
from app.text.line_spec import LineSpec, moved
from app.text.strips import Strip

# Maximum distance of a symbol's ink from its columns, in heights of the strip.
REACH = 0.75
GAP = 0.9  # width of a space, in digit heights
# Of a column between two signs, from which there is a space between them.
GAP_PROBABILITY = 0.1
# Confidence of a reading that has the form of its field, and prior probability of one
# that has not.
LEAST = 0.05
# Darkness up to which a pixel is background, and from which it is ink.
GROUND, INKED = 0.2, 0.5


class FieldReading(NamedTuple):
    """A reading of some columns that has the form of a field, how likely it is, and
    what it means.
    """

    likelihood: float
    symbols: Symbols
    meaning: Meaning
    begin: int
    end: int


@dataclass(frozen=True)
class Transcript:
    """What is written in a strip.

    Attributes
    ----------
    strip : Strip
        The strip.
    output : NDArray
        (T, C) float32: the network's probabilities; those of characters that are not
        wanted are 0.
    spec : LineSpec
        What the file says of the network.
    spans : list of tuple of int
        The class of each symbol that was read, from left to right, and its first and
        last column.
    is_of_page : bool
        Whether the strip is a row of a page, or a part of one; otherwise, it is all of
        a picture.
    agreed : float
        The share of what speaks for this reading and for others of the same line that
        speaks for this one.
    grammar : Grammar, optional
        The form of its field.
    meanings : tuple of Meaning
        What its words, or all of them together, mean in that form; none if they do not
        have it.
    """

    strip: Strip
    output: NDArray[np.float32]
    spec: LineSpec
    spans: Spans
    is_of_page: bool = False
    agreed: float = 1.0
    grammar: Grammar | None = None
    meanings: tuple[Meaning, ...] = ()

    @property
    def signs(self) -> list[int]:
        """The classes of the digits and marks."""
        return [symbol for symbol, _, _ in self.spans if self.spec.is_sign(symbol)]

    @property
    def digits(self) -> int:
        """The number of digits."""
        return sum(symbol in self.spec.digits for symbol, _, _ in self.spans)

    @property
    def certainty(self) -> float:
        """The probability that this is written and meant, judging by this reading and
        others of the same line.
        """
        meant = math.prod(meaning.share for meaning in self.meanings)
        likely = self.prior * self.confidence
        return self.agreed * meant * likely / (likely + 1 - self.confidence)

    @property
    def prior(self) -> float:
        """How likely texts like this one are in its field."""
        return (
            math.prod(meaning.prior for meaning in self.meanings)
            if self.has_form
            else LEAST
        )

    @property
    def has_form(self) -> bool:
        """Whether it has the form of its field, if that has one."""
        return self.grammar is None or bool(self.meanings)

    @property
    def score(self) -> float:
        """How much speaks for what is read: n (g² - threshold).

        There are n digits and marks, and g is the geometric mean of their
        probabilities. So one more counts for a text if it is likely enough, and against
        it otherwise. A text with the form of its field is preferred to any other.
        """
        count = len(self.signs)
        score = (
            count * (self.confidence ** (2 / count) - self.spec.threshold)
            if count
            else 0.0
        )
        if self.grammar is None:
            return score
        return (
            max(LEAST, self.prior * score)
            if self.has_form
            else LEAST * self.prior * score
        )

    def without_marks_of_words(self) -> "Transcript":
        """Count marks beside words, such as commas, as something else too: all that are
        not part of a number.
        """
        if all(symbol != self.spec.other for symbol, _, _ in self.spans):
            return self
        numbers = {
            span
            for word in self.grouped(self.has_gap)
            for span in word
            if self.is_number(word)
        }
        lone = [
            span
            for span in self.spans
            if self.spec.is_sign(span[0]) and span not in numbers
        ]
        output = self.output.copy()
        for symbol, first, last in lone:
            output[first : last + 1] = moved(
                output[first : last + 1], [symbol], self.spec.other
            )
        spans = [
            (self.spec.other, *span[1:]) if span in lone else span
            for span in self.spans
        ]
        return replace(self, output=output, spans=spans)

    @cached_property
    def words(self) -> list[Spans]:
        """The digits and marks without spaces between them, from left to right.

        There is a space where something else separates, and where a gap is about as
        wide as the digits are high. In a row of a page, where columns may be close,
        there is also one where the network sees a gap. Within a number that has a form,
        there is none.
        """
        if self.grammar and len(self.meanings) == 1 and not self.grammar.is_spaced:
            return [[span for span in self.spans if self.spec.is_sign(span[0])]]
        boxes = self.boxes
        heights = [
            boxes[span].bottom - boxes[span].top
            for span in self.spans
            if span[0] in self.spec.digits
        ]
        wide = GAP * float(np.median(heights)) if heights else math.inf

        def is_apart(before: Span, after: Span) -> bool:
            is_gap = self.is_of_page and self.has_gap(before, after)
            return is_gap or boxes[after].left - boxes[before].right >= wide

        return self.grouped(is_apart)

    def grouped(self, is_apart: Callable[[Span, Span], bool]) -> list[Spans]:
        """Group the digits and marks that follow each other, and are not apart."""
        groups = list[Spans]()
        before: Span | None = None
        for span in self.spans:
            if self.spec.is_sign(span[0]):
                if before is None or is_apart(before, span):
                    groups.append([])
                groups[-1].append(span)
                before = span
            elif span[0] == self.spec.other:
                before = None
        return groups

    def has_gap(self, before: Span, after: Span) -> bool:
        """Return whether the network sees a gap between two signs."""
        columns = self.output[before[2] + 1 : after[1], self.spec.gap]
        return bool(columns.max(initial=0) >= GAP_PROBABILITY)

    def is_number(self, word: Spans) -> bool:
        """Return whether a word has digits."""
        return any(symbol in self.spec.digits for symbol, _, _ in word)

    @cached_property
    def confidence(self) -> float:
        """The probability of the digits and marks."""
        return min(1.0, math.exp(log_probability(self.columns, self.signs)))

    @cached_property
    def columns(self) -> NDArray[np.float32]:
        """The probabilities, with something else and gaps counted as blank."""
        return moved(self.output, [self.spec.other, self.spec.gap], BLANK)

    def of_form(self, grammar: Grammar) -> "Transcript":
        """Return the most probable reading that has a form; or else itself.

        In a row of a page, each word is a field if it can be. Otherwise, all of it is
        one if it can be; if each word can be one, too, that is in doubt.
        """
        cuts = [
            (before[-1][2] + after[0][1] + 1) // 2
            for before, after in pairwise(self.words)
        ]
        last = len(self.output)
        by_words = (
            self.with_fields(grammar, [0, *cuts, last])
            if cuts and not grammar.is_spaced
            else None
        )
        if by_words and self.is_of_page:
            return by_words
        read = self.with_fields(grammar, [0, last])
        if read and by_words:
            (meaning,) = read.meanings
            return replace(read, meanings=(meaning._replace(share=meaning.share / 2),))
        return read or by_words or replace(self, grammar=grammar)

    def with_fields(
        self, grammar: Grammar, edges: Sequence[int]
    ) -> "Transcript | None":
        """Return the most probable reading in which all columns between two edges are a
        field; None if none is.
        """
        found = [
            max(self.fields(grammar, *edge), default=None) for edge in pairwise(edges)
        ]
        fields = [field for field in found if field]
        read = self.saying(grammar, fields)
        return (
            read
            if len(fields) == len(found)
            and self.spec.calibrated(read.certainty) >= LEAST
            else None
        )

    def fields(self, grammar: Grammar, begin: int, end: int) -> Iterator[FieldReading]:
        """Yield the readings of some columns that have a form."""

        def can_begin(symbols: Symbols) -> bool:
            return grammar.can_begin(self.spec.text_of(symbols))

        for symbols, probability in likeliest(self.columns[begin:end], can_begin):
            if probability and (meaning := grammar.meaning(self.spec.text_of(symbols))):
                yield FieldReading(
                    probability * meaning.prior, symbols, meaning, begin, end
                )

    def saying(self, grammar: Grammar, fields: Sequence[FieldReading]) -> "Transcript":
        """Return this reading of its fields, which have a form."""
        spans = [
            (symbol, first + field.begin, last + field.begin)
            for field in fields
            for symbol, first, last in spans_along(
                self.columns[field.begin : field.end], field.symbols
            )
        ]
        return replace(
            self,
            spans=spans,
            grammar=grammar,
            meanings=tuple(field.meaning for field in fields),
        )

    def alternatives(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable other texts, and the probability of each; spaces do
        not matter.

        If all of it is a field, they have its form.
        """
        if not count:
            return []
        if self.grammar and len(self.meanings) == 1:
            fields = self.fields(self.grammar, 0, len(self.output))
            found = [(field.symbols, field.likelihood) for field in fields]
        else:
            found = [
                (symbols, probability)
                for symbols, probability in likeliest(self.columns)
                if symbols
            ]
        others = [
            (self.spec.text_of(symbols), probability)
            for symbols, probability in sorted(found, key=lambda each: -each[1])
            if list(symbols) != self.signs
        ]
        return others[:count]

    @property
    def text(self) -> str:
        """The words, with spaces between them."""
        return " ".join(map(self.text_of, self.words))

    def text_of(self, word: Spans) -> str:
        """Return the digits and marks of a word."""
        return self.spec.text_of([symbol for symbol, _, _ in word])

    @property
    def boxes(self) -> dict[Span, Box]:
        """The box in the strip of each symbol."""
        return dict(zip(self.spans, (box for box, _ in self.places), strict=True))

    @cached_property
    def places(self) -> list[tuple[Box, Map]]:
        """The box in the strip of each symbol, and the ink in it, in [0, 1]: what
        differs from the median grey.

        Symbols are separated where there is least ink. Full ink is what is seen near
        them, since most of a strip may be empty.
        """
        if not self.spans:
            return []
        pixels = self.strip.pixels.astype(np.float32)
        away, (height, width) = np.abs(pixels - np.median(pixels)), pixels.shape
        edges = [
            (self.spec.stride * np.array([first, last + 1])).clip(0, width - 1)
            for _, first, last in self.spans
        ]
        reached = [
            (edge + REACH * height * np.array([-1, 1]))
            .astype(int)
            .clip(0, width)
            .tolist()
            for edge in edges
        ]
        near = np.concatenate([np.arange(left, right) for left, right in reached])
        ink = away / max(1.0, float(np.percentile(away[:, near], 95)))
        inked = ink >= INKED
        cuts = self.cuts(
            inked,
            [
                max(0, int(edge.mean() - self.spec.delay * self.spec.stride))
                for edge in edges
            ],
        )
        limits = zip(reached, [0, *cuts], [*cuts, width], strict=True)
        boxes = [
            box_in(inked, max(left, after), min(right, before))
            for (left, right), after, before in limits
        ]
        return [
            (box, ((ink[box.slices] - GROUND) / (1 - GROUND)).clip(0, 1))
            for box in boxes
        ]

    def cuts(self, inked: NDArray[np.bool_], middles: list[int]) -> list[int]:
        """Return the columns that separate symbols, given the middle of each: where
        there is least ink between them.

        Some ink lies before the cut that follows a digit or a mark, even where its
        column is late.
        """
        profile = inked.sum(axis=0)
        cuts = [0]
        for (symbol, _, _), (left, right) in zip(
            self.spans, pairwise(middles), strict=False
        ):
            before = cuts[-1]
            first = (
                before + int((profile[before:] > 0).argmax())
                if self.spec.is_sign(symbol)
                else left
            )
            begin = min(max(left, first), right)
            cuts.append(begin + int(profile[begin : right + 1].argmin()))
        return cuts[1:]


def box_in(inked: NDArray[np.bool_], left: int, right: int) -> Box:
    """Return the box around the ink in these columns; all of them if there is none."""
    rows, columns = np.nonzero(inked[:, left:right])
    if not len(rows):
        return Box(0, len(inked), left, right)
    return Box(
        int(rows.min()),
        int(rows.max()) + 1,
        left + int(columns.min()),
        left + int(columns.max()) + 1,
    )
