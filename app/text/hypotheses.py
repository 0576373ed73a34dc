"""A picture → hypotheses: ways to read it, as one line or as a page of lines, and how
much speaks for each.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from app.picture.decode import Picture
from app.picture.errors import MAX_DIGITS, TooMuchWriting
from app.text.ctc import BLANK, best_path, best_path_with, spans_of
from app.text.field import ANYTHING, Field
from app.text.formats import FormatRules
from app.text.layout import ELONGATED, Floats, LineBox, in_rows, joined
from app.text.line_network import LineNetwork
from app.text.pages import PageLayout, PageNetwork
from app.text.strips import WIDER, Sheet, Strip, small_pieces, whole_sheet, whole_strips
from app.text.transcript import LEAST, FieldReading, Transcript

SURE = 0.95  # probability of a reading from which no further one is tried
EMPTY = 0.5  # probability of nothing from which a line is not read once more
# Of all strips that are read of a page, in pixels: 4 s on one core of a small server.
MAX_WIDTH = 80_000
# Width of a line over its height; memory grows with the square of its width.
MAX_SHAPE = 80
# Height of small writing, over that of the digits beside it.
SMALL = 1 / 3
# How many times as much has to speak for another direction as for the first one.
CLEARLY = 1.25
# Width of the strips that are read to find out which way is up, in pixels.
SAMPLE = 5_000
# Confidence of a line that is likely to be right. Upside down, up to 42 % of the lines
# of a page have it.
LIKELY = 0.8
Row = tuple[Transcript, ...]  # beside each other, from left to right
Sample = dict[LineBox, Transcript]  # of the lines of a page
# By the number of digits: the probability, and the fields of each strip so far.
Best = dict[int, tuple[float, list[list[FieldReading]]]]


@dataclass(frozen=True)
class Hypothesis:
    """A way to read a picture.

    Attributes
    ----------
    rows : tuple of Row
        From top to bottom.
    is_beside_ink : bool
        Whether there is other ink in the picture, which may be smaller writing.
    """

    rows: tuple[Row, ...] = ()
    is_beside_ink: bool = False

    @property
    def transcripts(self) -> list[Transcript]:
        """What is read in each strip."""
        return [transcript for row in self.rows for transcript in row]

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
        empty = [each.confidence for each in self.transcripts if not each.signs]
        read = [each.certainty for each in self.transcripts if each.signs]
        return min(empty, default=1.0) * math.prod(read)


class View(NamedTuple):
    """A picture as one line, and its strips that are not yet read."""

    sheet: Sheet
    strips: Iterator[Strip]


def unheeded(width: float) -> None:
    """Let lines of any width be read."""


@dataclass(frozen=True)
class LineReader:
    """Reads pictures with the line network.

    Attributes
    ----------
    network : LineNetwork
        The line network.
    pages : PageNetwork, optional
        The network that finds the lines of a page. Without it, a picture is one line.
    field : Field
        What may be written.
    on_lines : callable
        Called before lines of a page are read, with the total width of their strips, in
        pixels; it may raise an exception.
    """

    network: LineNetwork
    pages: PageNetwork | None = None
    field: Field = ANYTHING
    on_lines: Callable[[float], object] = unheeded

    def read(
        self, picture: Picture, turns: Sequence[int]
    ) -> dict[int, list[Hypothesis]]:
        """Read a picture in several ways, with each turn, until one is sure.

        If it has several lines, these are the only way to read it: from afar, they may
        look like one.
        """
        found: dict[int, list[Hypothesis]] = {turn: [] for turn in turns}
        for ways in self.ways(picture, turns):
            for turn, hypothesis in ways:
                if len(hypothesis.rows) > 1:
                    return {turn: [hypothesis]}
                found[turn].append(hypothesis)
            if any(map(is_sure, found.values())):
                break
        return found

    def ways(
        self, picture: Picture, turns: Sequence[int]
    ) -> Iterator[Iterable[tuple[int, Hypothesis]]]:
        """Yield ways to read a picture, each with its turn.

        First, all of it is one line; then come its lines, then all of it in other ways.
        Further turns are only tried if it is in doubt with the first one.
        """
        first, *others = turns
        whole = whole_sheet(picture)
        views = {first: self.view(whole)}
        yield self.whole(views)
        page = PageLayout.of(Sheet.of(picture), self.pages) if self.pages else None
        sample = self.sample(page.sheet, page.lines) if page and others else {}
        if is_upright(sample):
            others = []
        if page and not others:
            yield [(first, self.rows(page, sample))]
        if others:
            further = {turn: self.view(whole.turned(turn)) for turn in others}
            yield self.whole(further)
            views |= further
        if page and others:
            yield [self.turned(page, sample, turns)]
        while following := [*self.whole(views)]:
            yield following

    def view(self, sheet: Sheet) -> View:
        """Begin to read a picture as one line."""
        return View(sheet, whole_strips(sheet, self.network.spec.height))

    def whole(self, views: Mapping[int, View]) -> Iterator[tuple[int, Hypothesis]]:
        """Read the next strip of each view, but leave out what is too long."""
        for turn, view in views.items():
            for transcript in self.transcripts([*islice(view.strips, 1)]):
                if transcript.digit_count <= MAX_DIGITS:
                    yield turn, self.one_line(view.sheet, transcript)

    def one_line(self, sheet: Sheet, transcript: Transcript) -> Hypothesis:
        """Return the hypothesis that this is all that is written on a sheet.

        Small writing above, below or beside large digits is noise in a strip. So if it
        is sure, more small pieces of ink than digits and marks are in its way.
        """
        alone = Hypothesis(((transcript,),))
        if self.pages is None or not is_sure([alone]):
            return alone
        scale = sheet.grey.height / self.network.spec.height
        pieces = small_pieces(sheet, SMALL * scale * transcript.digit_height)
        return replace(alone, is_beside_ink=pieces > len(transcript.signs))

    def turned(
        self, page: PageLayout, sample: Sample, turns: Sequence[int]
    ) -> tuple[int, Hypothesis]:
        """Read a page with the turn that fits best, and a sample of it as it is."""
        turn = self.direction(page, sample, turns)
        return turn, self.rows(page.turned(turn), {} if turn else sample)

    def direction(self, page: PageLayout, sample: Sample, turns: Sequence[int]) -> int:
        """Return the turn after which a sample of the lines is read best."""
        found = {turn: page.lines_turned(turn) for turn in turns}
        shapes = {turn: shape_of(lines) for turn, lines in found.items()}
        # Long lines themselves show which sides are at the top and the bottom.
        least = 1 if max(shapes.values()) >= ELONGATED else 0
        read = {}
        for turn in turns:
            if shapes[turn] >= least:
                sheet = page.sheet.turned(turn)
                some = self.sample(sheet, found[turn]) if turn else sample
                rows = [[some[line] for line in row] for row in in_rows([*some])]
                read[turn] = Hypothesis(tuple(map(tuple, rows)))
        return upright(read)

    def sample(self, sheet: Sheet, lines: Sequence[LineBox]) -> Sample:
        """Read a sample of the lines of a page.

        They are from all over it: not all of them names, nor all numbers.
        """
        widths = self.widths(lines)
        order = np.random.default_rng(0).permutation(len(lines))
        some = order[widths[order].cumsum() <= SAMPLE]
        self.on_lines(float(widths[some].sum()))
        chosen = [lines[place] for place in some]
        read = self.free(self.strips(sheet, chosen), is_of_page=True)
        return dict(zip(chosen, read, strict=True))

    def rows(self, page: PageLayout, sample: Sample) -> Hypothesis:
        """Read the lines of a page; raise TooMuchWriting if it is too much.

        Those of the sample have been read.
        """
        if not page.lines and page.is_written_small:
            raise TooMuchWriting
        rows = in_rows(page.lines)
        if len(rows) == 1:  # its cells may be digits of one number
            rows = [[joined(rows[0])]]
        ordered = [line for row in rows for line in row]
        width = float(self.widths(ordered).sum())
        if width > MAX_WIDTH:
            raise TooMuchWriting
        twice = (1 + WIDER) * width
        has_room = twice <= MAX_WIDTH
        self.on_lines(twice if has_room else width)
        is_page = len(rows) > 1
        if not is_page or self.field.length is not None:
            sample = {}
        others = [line for line in ordered if line not in sample]
        transcripts = self.transcripts(self.strips(page.sheet, others), is_page)
        read = sample | dict(zip(others, transcripts, strict=False))  # or none has it
        found = [read[line] for line in ordered if line in read]
        if has_room and self.field.length is None:
            unsure = [place for place, each in enumerate(found) if is_unsure(each)]
            wider = self.strips(page.sheet, [ordered[place] for place in unsure], WIDER)
            for place, second in zip(unsure, self.free(wider, is_page), strict=True):
                found[place] = likelier(found[place], second)
        following = iter(found)
        transcribed = [tuple(islice(following, len(row))) for row in rows]
        if any(count_of(row) > MAX_DIGITS for row in transcribed):
            raise TooMuchWriting
        return Hypothesis(tuple(transcribed))

    def widths(self, lines: Sequence[LineBox]) -> Floats:
        """Return the widths of strips; raise TooMuchWriting if one is too long."""
        spec = self.network.spec
        shapes = np.array([line.length / line.height for line in lines])
        if (shapes > MAX_SHAPE).any():
            raise TooMuchWriting
        return spec.padding * np.ceil(spec.height * shapes / spec.padding)

    def strips(
        self, sheet: Sheet, lines: Sequence[LineBox], stretch: float = 1.0
    ) -> list[Strip]:
        """Cut out lines."""
        height = self.network.spec.height
        return [sheet.strip(line, height, stretch) for line in lines]

    def transcripts(
        self, strips: Sequence[Strip], is_of_page: bool = False
    ) -> list[Transcript]:
        """Read strips together; return [] if no reading has the length."""
        if self.field.length is None or not strips:
            return self.free(strips, is_of_page)
        return self.of_length(strips, self.field.length)

    def free(
        self, strips: Sequence[Strip], is_of_page: bool = False
    ) -> list[Transcript]:
        """Read strips, each of any length."""
        transcripts = []
        for empty in self.empty(strips, is_of_page):
            read = replace(empty, spans=spans_of(best_path(empty.output)))
            if self.field.characters is None:
                read = read.without_marks_of_words()
            if read.score <= 0:
                read = replace(read, spans=[])
            elif self.field.rules:
                read = read.in_format(self.field.rules)
            transcripts.append(read)
        return transcripts

    def of_length(self, strips: Sequence[Strip], length: int) -> list[Transcript]:
        """Read strips that have so many digits together; return [] if they cannot.

        They have the format if possible.
        """
        spec = self.network.spec
        rules = self.field.rules
        empty = self.empty(strips)
        if rules:
            found = in_format_of_length(empty, rules, length)
            if found:
                return found
        blank = np.eye(1, spec.classes, BLANK)  # between lines
        parts = [part for each in empty for part in (each.output, blank)]
        path = best_path_with(np.concatenate(parts), spec.digits, length)
        if not path:
            return []
        transcripts = []
        for each in empty:
            end = len(each.output)
            spans = spans_of(path[:end])
            transcripts.append(replace(each, spans=spans, rules=rules))
            path = path[end + 1 :]
        return transcripts

    def empty(
        self, strips: Sequence[Strip], is_of_page: bool = False
    ) -> list[Transcript]:
        """Show strips to the network, with the characters that may stand in them."""
        spec = self.network.spec
        signs = self.field.signs(spec)
        transcripts = []
        outputs = self.network([strip.pixels for strip in strips])
        for strip, output in zip(strips, outputs, strict=True):
            wanted = spec.only(output, signs)
            transcripts.append(Transcript(strip, wanted, spec, is_of_page=is_of_page))
        return transcripts


def in_format_of_length(
    empty: Sequence[Transcript], rules: FormatRules, length: int
) -> list[Transcript]:
    """Return the most probable readings that have so many digits together, or [].

    A strip has the format, or is empty.
    """
    digits = empty[0].spec.digits
    best: Best = {0: (1.0, [])}
    for transcript in empty:
        readings = [(0, transcript.confidence, list[FieldReading]())]
        for field in transcript.fields(rules, 0, len(transcript.output)):
            count = sum(symbol in digits for symbol in field.symbols)
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
    if empty[0].spec.calibrated(probability) < LEAST:
        return []
    pairs = zip(empty, found, strict=True)
    return [transcript.saying(rules, fields) for transcript, fields in pairs]


def is_unsure(transcript: Transcript) -> bool:
    """Return whether a strip is read once more."""
    return transcript.confidence < (SURE if transcript.signs else EMPTY)


def likelier(first: Transcript, second: Transcript) -> Transcript:
    """Return the likelier of two readings of a line, in doubt if they differ."""
    other, best = sorted((second, first), key=lambda each: each.score)
    if best.signs == other.signs:
        return best
    return replace(best, agreed=share(best.score, other.score))


def shape_of(lines: Sequence[LineBox]) -> float:
    """Return the mean length of lines over their mean height; 0 if there are none."""
    height = sum(line.height for line in lines)
    return sum(line.length for line in lines) / height if height else 0.0


def count_of(row: Row) -> int:
    """Return the number of digits in a row."""
    return sum(each.digit_count for each in row)


def is_upright(sample: Sample) -> bool:
    """Return whether half of the lines of a page are likely to be right.

    Upside down, some are read with confidence, but most are not read at all.
    """
    likely = 0
    for transcript in sample.values():
        confidence = transcript.spec.calibrated(transcript.certainty)
        likely += bool(transcript.signs) and confidence >= LIKELY
    return len(in_rows([*sample])) > 1 and 2 * likely >= len(sample)


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
    """Return whether further ways to read a picture are unlikely to be better.

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


def best_of(found: Sequence[Hypothesis]) -> Hypothesis:
    """Return the hypothesis for which most speaks; if empty, the least certain."""
    return min(
        found, key=lambda each: (-each.score, each.certainty), default=Hypothesis()
    )


def agreement(best: Hypothesis, found: Sequence[Hypothesis]) -> float:
    """Return the share of the best text in all that speaks for the hypotheses."""
    others = [max(0.0, each.score) for each in found if each.signs != best.signs]
    return share(best.score, sum(others))


def share(best: float, others: float) -> float:
    """Return the share of the best score among all; 1 if there is nothing to share."""
    return best / (best + others) if others > 0 else 1.0
