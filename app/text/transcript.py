"""A strip and the line network's output → what is written, how certainly, and where."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Map, PixelBox
from app.text.ctc import (
    BLANK,
    Probabilities,
    Span,
    Symbols,
    likeliest,
    log_probability,
    spans_along,
)
from app.text.formats import FormatRules, Meaning
from app.text.line_spec import LineSpec, moved
from app.text.strips import Strip

# Maximum distance of a symbol's ink from its columns, in heights of the strip.
REACH = 0.75
GAP = 0.9  # width of a space, in digit heights
# Probability of a gap in a column between two signs from which there is a space.
GAP_PROBABILITY = 0.1
# Least confidence of a reading that has the format of its field, and prior probability
# of one that has not.
LEAST = 0.05
GROUND = 0.2  # darkness up to which a pixel is background
INKED = 0.5  # darkness from which it is ink
Word = list[Span]


class FieldReading(NamedTuple):
    """A likely reading of some columns that has the format of a field."""

    likelihood: float
    symbols: Symbols
    meaning: Meaning
    begin: int
    end: int


class Place(NamedTuple):
    """Where a symbol is in a strip, and its ink there, in [0, 1]."""

    box: PixelBox
    ink: Map


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
        What the network's file says of it.
    spans : sequence of Span
        The symbols that were read, from left to right.
    is_of_page : bool
        Whether the strip is a row of a page, or a part of one; otherwise, it is all of
        a picture.
    agreed : float
        The share of what speaks for this reading among all readings of the strip's
        line.
    rules : FormatRules, optional
        The rules of its field's format.
    meanings : tuple of Meaning
        What its words, or all of them together, mean in that formatat; none if they do
        not have it.
    """

    strip: Strip
    output: Probabilities
    spec: LineSpec
    spans: Sequence[Span] = ()
    is_of_page: bool = False
    agreed: float = 1.0
    rules: FormatRules | None = None
    meanings: tuple[Meaning, ...] = ()

    @property
    def sign_spans(self) -> list[Span]:
        """The digits and marks."""
        return [span for span in self.spans if self.spec.is_sign(span.symbol)]

    @property
    def signs(self) -> list[int]:
        """The classes of the digits and marks."""
        return [span.symbol for span in self.sign_spans]

    @property
    def digit_count(self) -> int:
        """The number of digits."""
        return sum(map(self.is_digit, self.spans))

    @property
    def certainty(self) -> float:
        """The probability that this is written and meant, judging by all readings."""
        meant = math.prod(meaning.share for meaning in self.meanings)
        likely = self.prior * self.confidence
        return self.agreed * meant * likely / (likely + 1 - self.confidence)

    @property
    def prior(self) -> float:
        """How likely texts like this one are in its field."""
        if not self.has_format:
            return LEAST
        return math.prod(meaning.prior for meaning in self.meanings)

    @property
    def has_format(self) -> bool:
        """Whether it has the format of its field, if that has one."""
        return self.rules is None or bool(self.meanings)

    @property
    def score(self) -> float:
        """How much speaks for what is read: n (g² - threshold).

        There are n digits and marks, and g is the geometric mean of their
        probabilities. So one more counts for a text if it is likely enough, and against
        it otherwise. A text with the format of its field is preferred to any other.
        """
        count = len(self.signs)
        if not count:
            return 0.0
        gain: float = self.confidence ** (2 / count) - self.spec.threshold
        score = self.prior * count * gain
        if not self.has_format:
            return LEAST * score
        return max(LEAST, score) if self.rules else score

    def without_marks_of_words(self) -> "Transcript":
        """Beside words, count marks that are not part of a number as something else."""
        other = self.spec.other
        if all(span.symbol != other for span in self.spans):
            return self
        words = self.grouped(self.has_gap)
        lone = {span for word in words if not self.has_digit(word) for span in word}
        output = self.output.copy()
        for symbol, first, last in lone:
            columns = output[first : last + 1]
            columns[:, other] += columns[:, symbol]
            columns[:, symbol] = 0
        spans = [
            span._replace(symbol=other) if span in lone else span for span in self.spans
        ]
        return replace(self, output=output, spans=spans)

    @property
    def digit_height(self) -> float:
        """The median height of the digits in pixels of the strip; infinite of none."""
        boxes = [self.places[span].box for span in self.spans if self.is_digit(span)]
        heights = [box.bottom - box.top for box in boxes]
        return float(np.median(heights)) if heights else math.inf

    @cached_property
    def words(self) -> list[Word]:
        """The digits and marks without spaces between them, from left to right.

        There is a space where something else separates, and where a gap is about as
        wide as the digits are high. In a row of a page, where columns may be close,
        there is also one where the network sees a gap. Within a number that has a
        format, there is none.
        """
        if self.rules and len(self.meanings) == 1 and not self.rules.is_spaced:
            return [self.sign_spans]
        boxes = {span: place.box for span, place in self.places.items()}
        wide = GAP * self.digit_height

        def is_apart(before: Span, after: Span) -> bool:
            is_gap = self.is_of_page and self.has_gap(before, after)
            return is_gap or boxes[after].left - boxes[before].right >= wide

        return self.grouped(is_apart)

    def grouped(self, is_apart: Callable[[Span, Span], bool]) -> list[Word]:
        """Group the digits and marks that follow each other, and are not apart."""
        groups = list[Word]()
        before: Span | None = None
        for span in self.spans:
            if self.spec.is_sign(span.symbol):
                if before is None or is_apart(before, span):
                    groups.append([])
                groups[-1].append(span)
                before = span
            elif span.symbol == self.spec.other:
                before = None
        return groups

    def has_gap(self, before: Span, after: Span) -> bool:
        """Return whether the network sees a gap between two signs."""
        columns = self.output[before.last + 1 : after.first, self.spec.gap]
        return bool(columns.max(initial=0) >= GAP_PROBABILITY)

    def is_digit(self, span: Span) -> bool:
        """Return whether a symbol is a digit."""
        return span.symbol in self.spec.digits

    def has_digit(self, word: Word) -> bool:
        """Return whether a word has digits."""
        return any(map(self.is_digit, word))

    @cached_property
    def confidence(self) -> float:
        """The probability of the digits and marks."""
        return min(1.0, math.exp(log_probability(self.columns, self.signs)))

    @cached_property
    def columns(self) -> Probabilities:
        """The probabilities (T, C), with something else and gaps counted as blank."""
        return moved(self.output, [self.spec.other, self.spec.gap], BLANK)

    def in_format(self, rules: FormatRules) -> "Transcript":
        """Return the most probable reading that has a format; or else itself.

        In a row of a page, each word is a field if it can be. Otherwise, all of it is
        one if it can be; if each word can be one, too, that is in doubt.
        """
        end = len(self.output)
        cuts = []
        for before, after in pairwise(self.words):
            cuts.append((before[-1].last + after[0].first + 1) // 2)
        by_words = None
        if cuts and not rules.is_spaced:
            by_words = self.with_fields(rules, [0, *cuts, end])
            if by_words and self.is_of_page:
                return by_words
        whole = self.with_fields(rules, [0, end])
        if whole and by_words:
            (meaning,) = whole.meanings
            in_doubt = meaning._replace(share=meaning.share / 2)
            return replace(whole, meanings=(in_doubt,))
        return whole or by_words or replace(self, rules=rules)

    def with_fields(
        self, rules: FormatRules, edges: Sequence[int]
    ) -> "Transcript | None":
        """Return the most probable reading with a field from each edge to the next."""
        fields = []
        for begin, end in pairwise(edges):
            field = max(self.fields(rules, begin, end), default=None)
            if field is None:
                return None
            fields.append(field)
        read = self.saying(rules, fields)
        return read if self.spec.calibrated(read.certainty) >= LEAST else None

    def fields(
        self, rules: FormatRules, begin: int, end: int
    ) -> Iterator[FieldReading]:
        """Yield the readings of some columns that have a formatat."""

        def can_begin(symbols: Symbols) -> bool:
            return rules.can_begin(self.spec.spelled(symbols))

        for symbols, probability in likeliest(self.columns[begin:end], can_begin):
            meaning = rules.meaning(self.spec.spelled(symbols))
            if probability and meaning:
                likelihood = probability * meaning.prior
                yield FieldReading(likelihood, symbols, meaning, begin, end)

    def saying(
        self, rules: FormatRules, fields: Sequence[FieldReading]
    ) -> "Transcript":
        """Return this reading of its fields, which have a formatat."""
        spans = []
        for each in fields:
            columns = self.columns[each.begin : each.end]
            for symbol, first, last in spans_along(columns, each.symbols):
                spans.append(Span(symbol, first + each.begin, last + each.begin))
        meanings = tuple(each.meaning for each in fields)
        return replace(self, spans=spans, rules=rules, meanings=meanings)

    def alternatives(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable other texts, and the probability of each.

        Spaces do not matter. If all of it is a field, they have its format.
        """
        if not count:
            return []
        if self.rules and len(self.meanings) == 1:
            fields = self.fields(self.rules, 0, len(self.output))
            found = [(field.symbols, field.likelihood) for field in fields]
        else:
            found = [each for each in likeliest(self.columns) if each[0]]
        found.sort(key=lambda each: each[1], reverse=True)
        own = tuple(self.signs)
        others = [each for each in found if each[0] != own][:count]
        return [(self.spec.spelled(symbols), share) for symbols, share in others]

    @property
    def text(self) -> str:
        """The words, with spaces between them."""
        return " ".join(map(self.word_text, self.words))

    def word_text(self, word: Word) -> str:
        """Return the digits and marks of a word."""
        return self.spec.spelled([span.symbol for span in word])

    @cached_property
    def places(self) -> dict[Span, Place]:
        """Where each symbol is in the strip; ink is what differs from the median grey.

        Symbols are separated where there is least ink. Full ink is what is seen near
        them, since most of a strip may be empty.
        """
        if not self.spans:
            return {}
        pixels = self.strip.pixels.astype(np.float32)  # (H, w)
        height, width = pixels.shape
        stride = self.spec.stride
        ends = np.array([(span.first, span.last + 1) for span in self.spans])  # (n, 2)
        edges = (stride * ends).clip(0, width - 1)
        reached = edges + REACH * height * np.array([-1, 1])
        reached = reached.astype(int).clip(0, width)
        near = np.concatenate([np.arange(left, right) for left, right in reached])
        away = np.abs(pixels - np.median(pixels))
        full = float(np.percentile(away[:, near], 95))
        ink = away / max(1.0, full)
        inked = ink >= INKED
        middles = edges.mean(axis=1) - self.spec.delay * stride
        cuts = self.cuts(inked, middles.astype(int).clip(0).tolist())
        limits = zip([0, *cuts], [*cuts, width], strict=True)
        places = {}
        for span, reach, limit in zip(self.spans, reached, limits, strict=True):
            left = max(int(reach[0]), limit[0])
            right = min(int(reach[1]), limit[1])
            box = box_in(inked, left, right)
            contrast = (ink[box.slices] - GROUND) / (1 - GROUND)
            places[span] = Place(box, contrast.clip(0, 1))
        return places

    def cuts(self, inked: NDArray[np.bool_], middles: Sequence[int]) -> list[int]:
        """Return the columns that separate symbols, given the middle of each.

        There is least ink between them. Some ink lies before the cut that follows a
        digit or a mark, even where its column is late.
        """
        profile = inked.sum(axis=0)
        cuts = []
        before = 0
        for span, (left, right) in zip(self.spans, pairwise(middles), strict=False):
            first = left
            if self.spec.is_sign(span.symbol):
                is_ink = profile[before:] > 0
                first = before + int(is_ink.argmax())
            begin = min(max(left, first), right)
            between = profile[begin : right + 1]
            before = begin + int(between.argmin())
            cuts.append(before)
        return cuts


def box_in(inked: NDArray[np.bool_], left: int, right: int) -> PixelBox:
    """Return the box around the ink in these columns; all of them if there is none."""
    rows, columns = np.nonzero(inked[:, left:right])
    if not len(rows):
        return PixelBox(0, len(inked), left, right)
    return PixelBox(
        int(rows.min()),
        int(rows.max()) + 1,
        left + int(columns.min()),
        left + int(columns.max()) + 1,
    )
