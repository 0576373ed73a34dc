"""The lines of a page → what is written in its rows, and which way is up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.picture.maps import PixelBox
from app.text.column import agreed
from app.text.grid import OUTSIDE
from app.text.hypothesis import (
    SURE,
    Hypothesis,
    RuledCell,
    TableCells,
    count_of,
    share,
    upright,
)
from app.text.layout import ELONGATED, Floats, LineBox, in_rows, joined
from app.text.limits import MAX_DIGITS, TooMuchWriting
from app.text.line_reader import LineReader
from app.text.pages import PageLayout
from app.text.ruled_table import RuledTable
from app.text.strips import WIDER, Sheet, Strip
from app.text.transcript import Transcript

EMPTY = 0.5  # probability of nothing from which a line is not read once more
# Of all strips that are read of a page, in pixels: 4 s on one core of a small server.
MAX_WIDTH = 80_000
# Width of a line over its height; memory grows with the square of its width.
MAX_SHAPE = 80
# Width of the strips that are read to find out which way is up, in pixels.
SAMPLE = 5_000
# Confidence of a line that is likely to be right. Upside down, up to 42 % of the lines
# of a page have it.
LIKELY = 0.8
Read = dict[LineBox, Transcript]  # of lines of a page


@dataclass(frozen=True)
class PageReader:
    """Reads the lines of pages.

    Attributes
    ----------
    reader : LineReader
        Reads strips.
    on_lines : callable
        Called before lines are read, with the total width of their strips, in pixels;
        it may raise an exception.
    """

    reader: LineReader
    on_lines: Callable[[float], object]

    def read(self, page: PageLayout, sample: Read) -> Hypothesis:
        """Read the lines of a page; raise TooMuchWriting if it is too much.

        Those of the sample have been read.
        """
        if not page.lines and page.is_written_small:
            raise TooMuchWriting
        rows = page.rows
        if len(rows) == 1 and not page.table:  # its cells may be digits of one number
            rows = [[joined(rows[0])]]
        lines = [line for row in rows for line in row]
        can_read_twice = self.admitted_twice(lines)
        is_page = len(rows) > 1 and not page.table
        is_free = self.reader.field.length is None
        read = sample.copy() if is_page and is_free else {}
        others = [line for line in lines if line not in read]
        transcripts = self.reader.read(self.strips(page.sheet, others), is_page)
        read |= dict(zip(others, transcripts, strict=True))
        if can_read_twice:
            unsure = [line for line in lines if is_unsure(read[line])]
            wider = self.strips(page.sheet, unsure, WIDER)
            again = self.reader.read(wider, is_page)
            for line, second in zip(unsure, again, strict=True):
                read[line] = likelier(read[line], second)
        found = tuple(tuple(read[line] for line in row) for row in rows)
        if any(count_of(row) > MAX_DIGITS for row in found):
            raise TooMuchWriting
        table = cells_of(page.table, page, read) if page.table else ()
        hypothesis = Hypothesis(found, table=table)
        return agreed(hypothesis) if is_free else hypothesis

    def admitted_twice(self, lines: Sequence[LineBox]) -> bool:
        """Return whether lines may be read twice, and announce their width.

        Raises TooMuchWriting if they may not even be read once.
        """
        width = float(self.widths(lines).sum())
        if width > MAX_WIDTH:
            raise TooMuchWriting
        twice = (1 + WIDER) * width
        has_room = twice <= MAX_WIDTH
        self.on_lines(twice if has_room else width)
        return has_room

    def sample(self, sheet: Sheet, lines: Sequence[LineBox]) -> Read:
        """Read a sample of the lines of a page.

        They are from all over it: not all of them names, nor all numbers.
        """
        widths = self.widths(lines)
        order = np.random.default_rng(0).permutation(len(lines))
        some = order[widths[order].cumsum() <= SAMPLE]
        self.on_lines(float(widths[some].sum()))
        chosen = [lines[place] for place in some]
        read = self.reader.read_each(self.strips(sheet, chosen), is_of_page=True)
        return dict(zip(chosen, read, strict=True))

    def direction(self, page: PageLayout, sample: Read, turns: Sequence[int]) -> int:
        """Return the turn after which a sample of the lines is read best.

        The sample given is that of the page as it is.
        """
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

    def widths(self, lines: Sequence[LineBox]) -> Floats:
        """Return the widths of strips; raise TooMuchWriting if one is too long."""
        spec = self.reader.network.spec
        shapes = np.array([line.length / line.height for line in lines])
        if (shapes > MAX_SHAPE).any():
            raise TooMuchWriting
        return spec.padding * np.ceil(spec.height * shapes / spec.padding)

    def strips(
        self, sheet: Sheet, lines: Sequence[LineBox], stretch: float = 1.0
    ) -> list[Strip]:
        """Cut out lines."""
        height = self.reader.network.spec.height
        return [sheet.strip(line, height, stretch) for line in lines]


def cells_of(table: RuledTable, page: PageLayout, read: Read) -> TableCells:
    """Return what is read in the cells of a page's table."""
    lines = table.lines_by_cell(page.lines)

    def cell(number: int) -> RuledCell:
        if number == OUTSIDE:
            return RuledCell()
        corners = table.grid.corners(number).round().astype(int)
        left, top = corners.min(axis=0).tolist()
        right, bottom = corners.max(axis=0).tolist()
        return RuledCell(
            tuple(read[line] for line in lines.get(number, [])),
            page.sheet.picture.box(PixelBox(top, bottom, left, right)),
            1 - float(table.seen[number]),
        )

    return tuple(tuple(map(cell, row)) for row in table.grid.own_numbers)


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


def is_upright(sample: Read) -> bool:
    """Return whether half of the lines of a page are likely to be right.

    Upside down, some are read with confidence, but most are not read at all.
    """
    likely = 0
    for transcript in sample.values():
        confidence = transcript.spec.calibrated(transcript.certainty)
        likely += bool(transcript.signs) and confidence >= LIKELY
    return len(in_rows([*sample])) > 1 and 2 * likely >= len(sample)
