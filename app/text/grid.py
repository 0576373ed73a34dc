"""Printed lines of a page → the cells of its table, if they form one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Mask
from app.text.layout import Counts, Floats
from app.text.rules import Kind, Rules, rules_on
from app.text.strips import Sheet

FAINT = Kind(shortest=0.03, least_contrast=8, contrast=0.1, near=0.3)
OUTSIDE = -1  # the number of the cell of what is in none
NEAR = 0.006  # of the longer side of the page: lines that are nearer are one, or meet
SPREAD = 0.05  # the same, of rules that show how the slope changes over the page
LEAST_LINES = 3  # along, and across a table
MOST_CELLS = 2_000  # of a table; hatching has more
LEAST_MEETINGS = 2  # of a line with others
PRINTED = 0.5  # share of the table's width or height over which a line is printed
# Share of the side of a cell that is printed, below which it is one with the next cell.
OPEN = 0.3
Span = tuple[float, float]


class Pencil(NamedTuple):
    """Lines that are parallel, or as parallel lines look in a photo: all through one
    point. Each has an offset c: y = c + (slope + change c) (x - middle).
    """

    middle: float
    slope: float
    change: float

    @classmethod
    def through(cls, rules: Floats, spread: float) -> "Pencil":
        """Fit lines to rules (n, 4), as x1, y1, x2, y2 with x1 < x2.

        Rules that are spread less wide are taken for parallel.
        """
        x1, y1, x2, y2 = rules.T
        length = x2 - x1
        slopes = (y2 - y1) / length
        middle = float(np.average((x1 + x2) / 2, weights=length))
        y = (y1 + y2) / 2
        if np.ptp(y) < spread:
            return cls(middle, float(np.average(slopes, weights=length)), 0.0)
        change, slope = np.polyfit(y, slopes, 1, w=length)
        return cls(middle, float(slope), float(change))

    def offset(self, x: Floats, y: Floats) -> Floats:
        """Return the offsets of the lines through points."""
        away = x - self.middle
        offsets: Floats = (y - self.slope * away) / (1 + self.change * away)
        return offsets

    def slope_at(self, offset: float) -> float:
        """Return the slope of a line."""
        return self.slope + self.change * offset


class Line(NamedTuple):
    """A line of a table: its offset, and where it is printed, as offsets of lines that
    cross it.
    """

    offset: float
    spans: Sequence[Span]

    def is_at(self, offset: float, near: float) -> bool:
        """Return whether it is printed where another line crosses it."""
        return any(low - near <= offset <= high + near for low, high in self.spans)

    def share(self, begin: float, end: float) -> float:
        """Return over which share of a part of it it is printed."""
        printed = sum(
            max(0.0, min(end, high) - max(begin, low)) for low, high in self.spans
        )
        return printed / max(end - begin, 1e-9)


class Grid(NamedTuple):
    """A table on a page.

    Attributes
    ----------
    along, across : Pencil
        Its lines, on axes (x, y) and (y, x), in pixels of the sheet's image.
    tops, lefts : NDArray
        (rows + 1,), (columns + 1,) float64: their offsets.
    cells : NDArray
        (rows, columns) int: cells that are one have the same number, the index of the
        first.
    """

    along: Pencil
    across: Pencil
    tops: Floats
    lefts: Floats
    cells: Counts

    @classmethod
    def on(cls, sheet: Sheet) -> "Grid | None":
        """Find the largest ruled table on a sheet, if there is one."""
        return cls.of(rules_on(sheet, FAINT), max(sheet.grey.size))

    @classmethod
    def of(cls, rules: Rules, side: float) -> "Grid | None":
        """Find the largest table on a page whose longer side has so many pixels."""
        level, upright = rules.along, rules.across[:, [1, 0, 3, 2]]
        if not (len(level) and len(upright)):
            return None
        along = Pencil.through(level, SPREAD * side)
        across = Pencil.through(upright, SPREAD * side)
        near = NEAR * side
        rows = lines_of(level, along, across, near)
        columns = lines_of(upright, across, along, near)
        rows, columns = largest_table(rows, columns, near)
        if min(len(rows), len(columns)) < LEAST_LINES:
            return None
        if (len(rows) - 1) * (len(columns) - 1) > MOST_CELLS:
            return None
        tops = np.array([line.offset for line in rows])
        lefts = np.array([line.offset for line in columns])
        is_open_below = [
            [line.share(*each) < OPEN for each in pairs(lefts)] for line in rows[1:-1]
        ]
        is_open_right = [
            [line.share(*each) < OPEN for each in pairs(tops)] for line in columns[1:-1]
        ]
        cells = merged(np.array(is_open_below), np.array(is_open_right).T)
        return cls(along, across, tops, lefts, cells)

    @property
    def own_numbers(self) -> list[list[int]]:
        """The number of each cell of each row; OUTSIDE where it is that of another."""
        count = np.arange(self.cells.size).reshape(self.cells.shape)
        numbers: list[list[int]] = np.where(
            self.cells == count, count, OUTSIDE
        ).tolist()
        return numbers

    def numbers_at(self, x: Floats, y: Floats) -> tuple[Counts, Floats]:
        """Return the number of the cell at points, or OUTSIDE, and how far from its
        middle they are: 1 on its sides.
        """
        row, down = between(self.tops, self.along.offset(x, y))
        column, aside = between(self.lefts, self.across.offset(y, x))
        away = 2 * np.maximum(np.abs(down - 0.5), np.abs(aside - 0.5))
        numbers = np.where(away < 1, self.cells[row, column], OUTSIDE)
        return numbers, away

    def point(self, top: float, left: float) -> tuple[float, float]:
        """Return where two lines cross, given their offsets."""
        down = self.along.slope_at(top)
        aside = self.across.slope_at(left)
        x = left + aside * (top - down * self.along.middle - self.across.middle)
        x /= 1 - down * aside
        return x, top + down * (x - self.along.middle)

    def corners(self, number: int) -> Floats:
        """Return the corners (4, 2) of a cell, clockwise from the top left."""
        rows, columns = np.nonzero(self.cells == number)
        top, bottom = self.tops[rows.min()], self.tops[rows.max() + 1]
        left, right = self.lefts[columns.min()], self.lefts[columns.max() + 1]
        ends = [(top, left), (top, right), (bottom, right), (bottom, left)]
        return np.array([self.point(*end) for end in ends])


def between(edges: Floats, offsets: Floats) -> tuple[Counts, Floats]:
    """Return between which edges offsets are, the outer ones if beyond them, and where:
    0 at the first edge, 1 at the next.
    """
    place = np.searchsorted(edges, offsets, side="right") - 1
    place = place.clip(0, len(edges) - 2)
    return place, (offsets - edges[place]) / np.diff(edges)[place]


def pairs(offsets: Floats) -> list[Span]:
    """Return each offset and the next one."""
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def lines_of(rules: Floats, own: Pencil, other: Pencil, near: float) -> list[Line]:
    """Put rules (n, 4) together that are parts of one line, in order."""
    x1, y1, x2, y2 = rules.T
    offsets = own.offset((x1 + x2) / 2, (y1 + y2) / 2)
    begins, ends = other.offset(y1, x1), other.offset(y2, x2)
    order = np.argsort(offsets)
    apart = np.flatnonzero(np.diff(offsets[order]) > near) + 1
    found = []
    for parts in np.split(order, apart):
        offset = float(np.average(offsets[parts], weights=x2[parts] - x1[parts]))
        found.append(Line(offset, united(begins[parts], ends[parts], near)))
    return found


def united(begins: Floats, ends: Floats, near: float) -> list[Span]:
    """Join spans that overlap or nearly meet, in order."""
    spans = list[Span]()
    for begin, end in sorted(zip(begins.tolist(), ends.tolist(), strict=True)):
        if spans and begin <= spans[-1][1] + near:
            first, last = spans.pop()
            spans.append((first, max(last, end)))
        else:
            spans.append((begin, end))
    return spans


def largest_table(
    rows: list[Line], columns: list[Line], near: float
) -> tuple[list[Line], list[Line]]:
    """Return the lines of the table with the most crossings.

    Strokes of writing, underlines and other tables hardly meet its lines.
    """
    meets = np.array(
        [
            [
                row.is_at(column.offset, near) and column.is_at(row.offset, near)
                for column in columns
            ]
            for row in rows
        ]
    )
    group = largest_group(meets)
    rows = [rows[place] for place in np.flatnonzero(group.any(axis=1))]
    columns = [columns[place] for place in np.flatnonzero(group.any(axis=0))]
    if not (rows and columns):
        return [], []
    width = columns[0].offset, columns[-1].offset
    height = rows[0].offset, rows[-1].offset
    return (
        [line for line in rows if line.share(*width) >= PRINTED],
        [line for line in columns if line.share(*height) >= PRINTED],
    )


def largest_group(meets: Mask) -> Mask:
    """Return where lines of the largest group meet (n, m), given where all do."""
    left = meeting_several(meets)
    best = np.zeros(meets.shape, bool)
    while left.any():
        first = int(left.any(axis=1).argmax())
        group = with_neighbours(left, first)
        if group.sum() > best.sum():
            best = group
        left = left & ~group
    return best


def meeting_several(meets: Mask) -> Mask:
    """Return where lines meet, of which each meets several others."""
    count = meets.size + 1
    while meets.sum() < count:
        count = meets.sum()
        is_row = meets.sum(axis=1) >= LEAST_MEETINGS
        is_column = meets.sum(axis=0) >= LEAST_MEETINGS
        meets = meets & is_row[:, None] & is_column
    return meets


def with_neighbours(meets: Mask, row: int) -> Mask:
    """Return where lines meet that are connected with a row."""
    rows = np.arange(len(meets)) == row
    count = 0
    while rows.sum() > count:
        count = rows.sum()
        columns = meets[rows].any(axis=0)
        rows = meets[:, columns].any(axis=1)
    group: Mask = meets & rows[:, None]
    return group


def merged(is_open_below: Mask, is_open_right: Mask) -> NDArray[np.intp]:
    """Number cells; those without a side between them have the number of the first.

    The masks (rows - 1, columns) and (rows, columns - 1) say where there is none.
    """
    rows, columns = len(is_open_right), is_open_below.shape[1]
    cells = np.arange(rows * columns).reshape(rows, columns)
    before = None
    while before is None or (cells != before).any():
        before = cells.copy()
        for first, second, is_open in (
            (cells[:-1], cells[1:], is_open_below),
            (cells[:, :-1], cells[:, 1:], is_open_right),
        ):
            lower = np.minimum(first, second)
            first[is_open] = second[is_open] = lower[is_open]
    return cells
