"""Picture → hypotheses: ways to read it, as one line or as a page of lines, and how
much speaks for each.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, islice, pairwise

import numpy as np
from numpy.typing import NDArray

from app.picture.budget import UNLIMITED, Budget
from app.picture.decode import Picture
from app.picture.errors import MAX_DIGITS, TooMuchWriting
from app.picture.maps import Map
from app.text.ctc import BLANK, best_path, best_path_with, spans_of
from app.text.field import ANYTHING, Field
from app.text.forms import Grammar
from app.text.layout import ELONGATED, Line, in_rows, joined
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from app.text.strips import WIDER, Sheet, Strip, whole_strips
from app.text.transcript import LEAST, FieldReading, Transcript

SURE = 0.95  # probability of a reading from which no further one is tried
EMPTY = 0.5  # probability of nothing from which a line is not read once more
# Of all strips that are read of a page, in pixels: 4 s on one core of a small server.
MAX_WIDTH = 80_000
# Width of a line over its height; memory grows with the square of its width.
MAX_SHAPE = 80
# How many times as much has to speak for another direction as for the first one.
CLEARLY = 1.25
# Width of the strips that are read to find out which way is up, in pixels.
SAMPLE = 5_000
Row = tuple[Transcript, ...]  # lines that stand beside each other, from left to right
Hypothesis = tuple[Row, ...]  # from top to bottom


@dataclass(frozen=True)
class LineReader:
    """Reads lines with the line network.

    Attributes
    ----------
    network : LineNetwork
        The line network.
    field : Field
        What may be written.
    budget : Budget
        What reading the lines may cost.
    """

    network: LineNetwork
    field: Field = ANYTHING
    budget: Budget = UNLIMITED

    def read(
        self, picture: Picture, pages: PageNetwork | None, turns: Sequence[int]
    ) -> dict[int, list[Hypothesis]]:
        """Read a picture in several ways until one is sure, turned by each of these
        turns.

        If it has several lines, these are the only way to read it: from afar, they may
        look like one.
        """
        found: dict[int, list[Hypothesis]] = {turn: [] for turn in turns}
        for ways in self.ways(picture, pages, turns):
            for turn, hypothesis in ways:
                if len(hypothesis) > 1:
                    return {turn: [hypothesis]}
                found[turn].append(hypothesis)
            if any(map(is_sure, found.values())):
                break
        return found

    def ways(
        self, picture: Picture, pages: PageNetwork | None, turns: Sequence[int]
    ) -> Iterator[list[tuple[int, Hypothesis]]]:
        """Yield ways to read a picture, with turns: all of it as one line, then its
        lines, then all in other ways.
        """
        height = self.network.spec.height
        views = {turn: whole_strips(picture.turned(turn), height) for turn in turns}
        yield [*self.whole(views)]
        if pages:
            yield [self.page(picture, pages, turns)]
        while following := [*self.whole(views)]:
            yield following

    def whole(
        self, views: Mapping[int, Iterator[Strip]]
    ) -> Iterator[tuple[int, Hypothesis]]:
        """Read the next strip of each view, as one line; leave out those that are too
        long.
        """
        for turn, strips in views.items():
            for strip in islice(strips, 1):
                line = self.strip(strip)
                if line and line.digits <= MAX_DIGITS:
                    yield turn, ((line,),)

    def page(
        self, picture: Picture, pages: PageNetwork, turns: Sequence[int]
    ) -> tuple[int, Hypothesis]:
        """Find the lines of a picture and read them, turned by the one of these turns
        that most speaks for.
        """
        sheet = Sheet.of(picture)
        writing = pages.writing(sheet.grey)
        turn = (
            self.direction(sheet, writing, pages, turns) if len(turns) > 1 else turns[0]
        )
        if turn:  # it finds lines that are level better
            sheet = sheet.turned(turn)
            writing = pages.writing(sheet.grey)
        lines = pages.lines(writing, sheet.grey.size)
        if not lines and pages.lines_at_full_size(sheet):
            raise TooMuchWriting
        return turn, self.rows(sheet, lines)

    def direction(
        self, sheet: Sheet, writing: Map, pages: PageNetwork, turns: Sequence[int]
    ) -> int:
        """Return the one of these turns after which a sample of the lines is read best."""
        seen = dict[int, tuple[Sheet, list[Line]]]()
        for turn in turns:
            turned = sheet.turned(turn)
            seen[turn] = (
                turned,
                pages.lines(np.rot90(writing, turn // 90), turned.grey.size),
            )
        longest = max(shape_of(lines) for _, lines in seen.values())
        # So that the lines themselves show which sides are at the top and the bottom.
        if longest >= ELONGATED:
            seen = {
                turn: (sheet, lines)
                for turn, (sheet, lines) in seen.items()
                if shape_of(lines) >= 1
            }
        return upright({turn: self.evidence(*each) for turn, each in seen.items()})

    def evidence(self, sheet: Sheet, lines: Sequence[Line]) -> float:
        """Return how much speaks for some lines, from all over a page: not all of them
        names, nor all numbers.
        """
        widths = self.widths(lines)
        order = np.random.default_rng(0).permutation(len(lines))
        some = order[widths[order].cumsum() <= SAMPLE]
        self.budget.check_writing(float(widths[some].sum()))
        strips = (sheet.strip(lines[each], self.network.spec.height) for each in some)
        return score((tuple(map(self.one, strips)),))

    def rows(self, sheet: Sheet, lines: Sequence[Line]) -> Hypothesis:
        """Read the lines of a page; raise TooMuchWriting if there are too many, or one
        is too long.
        """
        rows = in_rows(lines)
        if len(rows) == 1:  # its cells may be digits of one number
            rows = [[joined(rows[0])]]
        width = float(self.widths([line for row in rows for line in row]).sum())
        if width > MAX_WIDTH:
            raise TooMuchWriting
        twice = (1 + WIDER) * width
        has_room = twice <= MAX_WIDTH
        self.budget.check_writing(twice if has_room else width)
        if self.field.length is None or not rows:
            read = [
                tuple(self.line(sheet, line, len(rows) > 1, has_room) for line in row)
                for row in rows
            ]
        else:
            strips = [
                sheet.strip(line, self.network.spec.height)
                for row in rows
                for line in row
            ]
            found = iter(self.several(strips, self.field.length))
            read = [tuple(islice(found, len(row))) for row in rows]
        if any(sum(line.digits for line in row) > MAX_DIGITS for row in read):
            raise TooMuchWriting
        return tuple(read)

    def widths(self, lines: Sequence[Line]) -> NDArray[np.float64]:
        """Return the widths of the strips of lines; raise TooMuchWriting if one is too
        long.
        """
        shapes = np.array([line.length / line.height for line in lines])
        if (shapes > MAX_SHAPE).any():
            raise TooMuchWriting
        height, padding = self.network.spec.height, self.network.spec.padding
        widths: NDArray[np.float64] = padding * np.ceil(height * shapes / padding)
        return widths

    def line(
        self, sheet: Sheet, line: Line, is_of_page: bool, has_room: bool
    ) -> Transcript:
        """Read a line of a page; if that is not sure, and there is room for it, read it
        once more.
        """
        height = self.network.spec.height
        first = self.one(sheet.strip(line, height), is_of_page)
        if not has_room or first.confidence >= (SURE if first.signs else EMPTY):
            return first
        second = self.one(sheet.strip(line, height, WIDER), is_of_page)
        best, other = sorted((first, second), key=lambda each: each.score, reverse=True)
        return (
            best
            if best.signs == other.signs
            else replace(best, agreed=share(best.score, other.score))
        )

    def strip(self, strip: Strip) -> Transcript | None:
        """Read a strip; return None if no reading has the length."""
        if self.field.length is None:
            return self.one(strip)
        return next(iter(self.several([strip], self.field.length)), None)

    def one(self, strip: Strip, is_of_page: bool = False) -> Transcript:
        """Read a strip, of any length."""
        output = self.output(strip)
        line = Transcript(
            strip, output, self.network.spec, spans_of(best_path(output)), is_of_page
        )
        if self.field.characters is None:
            line = line.without_marks_of_words()
        if line.score <= 0:
            return replace(line, spans=[])
        return line.of_form(self.field.grammar) if self.field.grammar else line

    def several(self, strips: Sequence[Strip], length: int) -> list[Transcript]:
        """Read strips that have so many digits together, and the form if possible;
        return [] if none has.
        """
        spec = self.network.spec
        outputs = [self.output(strip) for strip in strips]
        if self.field.grammar:
            lines = [
                Transcript(*each, spec, [])
                for each in zip(strips, outputs, strict=True)
            ]
            if found := of_length(lines, length, self.field.grammar):
                return found
        blank = np.eye(1, spec.classes, BLANK)
        # A blank between lines.
        columns = np.concatenate(
            [part for output in outputs for part in (output, blank)]
        )
        path = best_path_with(columns, spec.digits, length)
        ends = accumulate((len(output) + 1 for output in outputs), initial=0)
        paths = [path[begin : end - 1] for begin, end in pairwise(ends)] if path else []
        parts = zip(strips, outputs, paths, strict=bool(path))
        return [
            Transcript(strip, output, spec, spans_of(own), grammar=self.field.grammar)
            for strip, output, own in parts
        ]

    @cached_property
    def signs(self) -> str:
        """The digits and signs that may stand in the text."""
        return self.field.signs(self.network.spec)

    def output(self, strip: Strip) -> NDArray[np.float32]:
        """Compute the probabilities of the characters that may stand in a strip."""
        return self.network.spec.only(self.network([strip.pixels])[0], self.signs)


def of_length(
    lines: Sequence[Transcript], length: int, grammar: Grammar
) -> list[Transcript]:
    """Return the most probable readings of lines that have so many digits together; []
    if there are none.

    A line has the form, or is empty.
    """
    best: dict[int, tuple[float, list[list[FieldReading]]]] = {0: (1.0, [])}
    for line in lines:
        readings = [(line.confidence, list[FieldReading](), 0)]
        for field in line.fields(grammar, 0, len(line.output)):
            readings.append(
                (
                    field.likelihood,
                    [field],
                    sum(symbol in line.spec.digits for symbol in field.symbols),
                )
            )
        longer = dict[int, tuple[float, list[list[FieldReading]]]]()
        for digits, (before, read) in best.items():
            for likelihood, fields, more in readings:
                total, share = digits + more, before * likelihood
                if total <= length and share > longer.get(total, (0.0, []))[0]:
                    longer[total] = share, [*read, fields]
        best = longer
    likelihood, found = best.get(length, (0.0, []))
    if lines[0].spec.calibrated(likelihood) < LEAST:
        return []
    return [
        line.saying(grammar, fields) for line, fields in zip(lines, found, strict=True)
    ]


def shape_of(lines: Sequence[Line]) -> float:
    """Return the mean length of lines over their mean height; 0 if there are none."""
    height = sum(line.height for line in lines)
    return sum(line.length for line in lines) / height if height else 0.0


def upright(scores: Mapping[int, float]) -> int:
    """Return the turn with the highest score; the first one unless another is clearly
    better.
    """
    first = next(iter(scores))
    best = max(scores, key=lambda turn: scores[turn])
    return best if scores[best] > CLEARLY * scores[first] else first


def is_sure(found: Sequence[Hypothesis]) -> bool:
    """Return whether further ways to read a picture are unlikely to be better: one is
    sure, or several agree.
    """
    best = best_of(found)
    if not signs_in(best) or not all(line.has_form for row in best for line in row):
        return False
    doubts = [1 - certainty(each) for each in found if signs_in(each) == signs_in(best)]
    return agreement(best, found) * (1 - math.prod(doubts)) >= SURE


def best_of(found: Sequence[Hypothesis]) -> Hypothesis:
    """Return the hypothesis for which most speaks; if nothing was read, the least
    certain one.
    """
    return min(found, key=lambda each: (-score(each), certainty(each)), default=())


def score(hypothesis: Hypothesis) -> float:
    """Return how much speaks for a hypothesis: the sum of its lines' scores."""
    return sum(line.score for row in hypothesis for line in row)


def certainty(hypothesis: Hypothesis) -> float:
    """Return the probability that a hypothesis reads all that is written, and nothing
    else.

    Of the lines where nothing was read, such as words, the least certain one counts.
    """
    lines = [line for row in hypothesis for line in row]
    nothing_missed = min(
        (line.confidence for line in lines if not line.signs), default=1.0
    )
    return nothing_missed * math.prod(line.certainty for line in lines if line.signs)


def agreement(best: Hypothesis, found: Sequence[Hypothesis]) -> float:
    """Return the share of what speaks for all hypotheses that speaks for what the best
    one reads: 1 if none differs.
    """
    others = sum(
        max(0.0, score(each)) for each in found if signs_in(each) != signs_in(best)
    )
    return share(score(best), others)


def share(best: float, others: float) -> float:
    """Return the share of the best score among all; 1 if there is nothing to share."""
    return best / (best + others) if others > 0 else 1.0


def signs_in(hypothesis: Hypothesis) -> list[list[int]]:
    """Return the digits and marks in each row that has some."""
    rows = [[sign for line in row for sign in line.signs] for row in hypothesis]
    return [row for row in rows if row]
