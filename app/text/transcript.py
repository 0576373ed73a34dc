"""What is written in a strip, and how certainly: its digits, marks and words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from app.text.ctc import Span, best_path, spans_of
from app.text.emissions import Emissions
from app.text.formats import FormatRules, Meaning
from app.text.line_spec import LineSpec
from app.text.places import Place, places_of

GAP = 0.9  # width of a space, in digit heights
# Prior probability of texts without the format of their field. With 1, only 41 % of
# written fields have a confidence of 0.9 or more, in place of 64 %; in both cases, less
# than 1 % of these have a wrong value.
LEAST = 0.05
Word = list[Span]


@dataclass(frozen=True, eq=False)
class Transcript:
    """What is written in a strip.

    Attributes
    ----------
    emissions : Emissions
        What the network sees in the strip.
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
        What its words, or all of them together, mean in that format; none if they do
        not have it.
    given : float, optional
        The probability of what is read, given the other cells of its column.
    """

    emissions: Emissions
    spans: Sequence[Span] = ()
    is_of_page: bool = False
    agreed: float = 1.0
    rules: FormatRules | None = None
    meanings: tuple[Meaning, ...] = ()
    given: float | None = None

    @classmethod
    def likeliest(cls, emissions: Emissions, is_of_page: bool) -> "Transcript":
        """Read what is most probable."""
        spans = spans_of(best_path(emissions.probabilities))
        return cls(emissions, spans, is_of_page)

    @property
    def spec(self) -> LineSpec:
        """What the network's file says of it."""
        return self.emissions.spec

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

    @cached_property
    def confidence(self) -> float:
        """The probability of the digits and marks."""
        return self.emissions.likelihood(self.signs)

    @property
    def emptiness(self) -> float:
        """The probability that there is nothing, if nothing is read."""
        return self.confidence if self.given is None else self.given

    @property
    def certainty(self) -> float:
        """The probability that this is written and meant, judging by all readings."""
        if self.given is not None:
            return self.agreed * self.given
        if self.meanings:
            return self.agreed * math.prod(meaning.share for meaning in self.meanings)
        return self.certainty_given(self.confidence)

    def certainty_given(self, probability: float) -> float:
        """Return how certain a text without a meaning is, given its probability."""
        likely = self.prior * probability
        return self.agreed * likely / (likely + 1 - probability)

    @property
    def certainties(self) -> list[float]:
        """How certain each word is, by itself."""
        if self.given is not None:
            return [self.certainty] * len(self.words)
        if len(self.meanings) == len(self.words):
            return [self.agreed * meaning.share for meaning in self.meanings]
        if self.meanings:  # one, of all words together
            return [self.certainty] * len(self.words)
        ends = [(word[0].first, word[-1].last) for word in self.words]
        cuts = [(last + first + 1) // 2 for (_, last), (first, _) in pairwise(ends)]
        edges = [0, *cuts, len(self.emissions.probabilities)]
        likely = []
        for word, (begin, end) in zip(self.words, pairwise(edges), strict=True):
            part = self.emissions.part(begin, end)
            likely.append(part.likelihood([span.symbol for span in word]))
        return [*map(self.certainty_given, likely)]

    @property
    def values(self) -> list[str | None]:
        """What each word means in the format, if it does so by itself."""
        if len(self.meanings) == len(self.words):
            return [meaning.value for meaning in self.meanings]
        return [None] * len(self.words)

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
        if not self.signs:
            return 0.0
        score = self.prior * len(self.signs) * self.gain
        if not self.has_format:
            return LEAST * score
        return max(LEAST, score) if self.rules else score

    @property
    def gain(self) -> float:
        """How much speaks for each of the digits and marks: g² - threshold."""
        mean_squared: float = self.confidence ** (2 / len(self.signs))
        return mean_squared - self.spec.threshold

    @cached_property
    def places(self) -> dict[Span, Place]:
        """Where each symbol is in the strip."""
        return places_of(self.spans, self.emissions.strip.pixels, self.spec)

    @property
    def digit_height(self) -> float:
        """The median height of the digits in pixels of the strip; infinite of none."""
        boxes = [self.places[span].box for span in self.spans if self.is_digit(span)]
        heights = [box.bottom - box.top for box in boxes]
        return float(np.median(heights)) if heights else math.inf

    @property
    def text(self) -> str:
        """The words, with spaces between them."""
        return " ".join(map(self.word_text, self.words))

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
            is_gap = self.is_of_page and self.emissions.has_gap(before, after)
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

    def without_marks_of_words(self) -> "Transcript":
        """Beside words, count marks that are not part of a number as something else."""
        other = self.spec.other
        if all(span.symbol != other for span in self.spans):
            return self
        words = self.grouped(self.emissions.has_gap)
        lone = {span for word in words if not self.has_digit(word) for span in word}
        spans = [
            span._replace(symbol=other) if span in lone else span for span in self.spans
        ]
        return replace(self, emissions=self.emissions.discounting(lone), spans=spans)

    def is_digit(self, span: Span) -> bool:
        """Return whether a symbol is a digit."""
        return span.symbol in self.spec.digits

    def has_digit(self, word: Word) -> bool:
        """Return whether a word has digits."""
        return any(map(self.is_digit, word))

    def word_text(self, word: Word) -> str:
        """Return the digits and marks of a word."""
        return self.spec.spelled([span.symbol for span in word])
