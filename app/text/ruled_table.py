"""A page with a ruled table → its cells, and the lines of writing in each."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from app.picture.maps import Map
from app.text.grid import OUTSIDE, Grid
from app.text.layout import Counts, Floats, LineBox, in_rows, joined
from app.text.strips import Sheet

INNER = 0.7  # share of a cell's width and height that is well within it
# Squared paper is no table: cells are narrower than this, over their height, and less
# than this share of them have writing.
SQUARE = 1.5
SPARSE = 0.15


class RuledTable(NamedTuple):
    """A ruled table on a sheet, and where something is written in it.

    Attributes
    ----------
    grid : Grid
        Its cells, in pixels of the sheet's image.
    numbers : NDArray
        (H, W) int: the number of the cell of each pixel of the map of writing.
    seen : NDArray
        (n,) float64: the highest probability of writing well within each cell, by its
        number.
    """

    grid: Grid
    numbers: Counts
    seen: Floats

    @classmethod
    def on(cls, sheet: Sheet, writing: Map, threshold: float) -> "RuledTable | None":
        """Find the table on a sheet, given where something is written (H, W)."""
        grid = Grid.on(sheet)
        if grid is None:
            return None
        height, width = writing.shape
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        numbers, away = grid.numbers_at(
            x * sheet.grey.width / width, y * sheet.grey.height / height
        )
        is_inner = away < INNER
        seen = np.zeros(grid.cells.size)
        np.maximum.at(seen, numbers[is_inner], writing[is_inner])
        table = cls(grid, numbers, seen)
        return None if table.is_squared_paper(threshold) else table

    def is_squared_paper(self, threshold: float) -> bool:
        """Return whether it has hardly any writing in small squares."""
        heights = np.diff(self.grid.tops)
        widths = np.diff(self.grid.lefts)
        is_square = np.median(widths) < SQUARE * np.median(heights)
        return bool(is_square and np.mean(self.seen >= threshold) < SPARSE)

    def apart(self, writing: Map) -> Map:
        """Return the map of writing with gaps, so that nothing is in several cells."""
        is_border = np.zeros(writing.shape, bool)
        is_border[1:] |= self.numbers[1:] != self.numbers[:-1]
        is_border[:, 1:] |= self.numbers[:, 1:] != self.numbers[:, :-1]
        return np.where(is_border, np.float32(0), writing)

    def lines_by_cell(self, lines: Iterable[LineBox]) -> dict[int, list[LineBox]]:
        """Return the lines in each cell, by its number, and those OUTSIDE."""
        found = dict[int, list[LineBox]]()
        for line in lines:
            x, y = line.level_centre(0)
            number, _ = self.grid.numbers_at(np.array(x), np.array(y))
            found.setdefault(int(number), []).append(line)
        return found

    def whole(self, lines: Iterable[LineBox]) -> list[LineBox]:
        """Join lines beside each other in a cell: parts of one number."""
        found = self.lines_by_cell(lines)
        whole = found.pop(OUTSIDE, [])
        for some in found.values():
            whole += [row[0] if len(row) == 1 else joined(row) for row in in_rows(some)]
        return whole
