"""A page with a ruled table → its cells, and the lines of writing in each."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.picture.decode import Picture
from app.picture.maps import Map, connected
from app.text.grid import OUTSIDE, Grid
from app.text.layout import Counts, Floats, LineBox, in_rows, joined, rotated
from app.text.rules import without_rules
from app.text.strips import Sheet, Strip

INNER = 0.7  # share of a cell's width and height that is well within it
MOSTLY = 0.7  # share of a piece of writing that is in the cell from which it juts out
INSET = 0.08  # of a cell that is read as a whole, over its height
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

    def apart(self, writing: Map, threshold: float) -> Map:
        """Return the map of writing with gaps, so that nothing is in several cells.

        What is mostly in one of them juts out, and stays whole.
        """
        parts = connected(writing >= threshold)
        both = np.stack([parts.ravel(), self.numbers.ravel()])
        (part, _), counts = np.unique(both, axis=1, return_counts=True)
        most = np.zeros(parts.max() + 1, int)
        np.maximum.at(most, part, counts)
        is_in_several = most < MOSTLY * np.bincount(parts.ravel())
        is_border = np.zeros(writing.shape, bool)
        is_border[1:] |= self.numbers[1:] != self.numbers[:-1]
        is_border[:, 1:] |= self.numbers[:, 1:] != self.numbers[:, :-1]
        return np.where(is_border & is_in_several[parts], np.float32(0), writing)

    def lines_by_cell(self, lines: Iterable[LineBox]) -> dict[int, list[LineBox]]:
        """Return the lines in each cell, by its number, and those OUTSIDE."""
        found = dict[int, list[LineBox]]()
        for line in lines:
            found.setdefault(self.number_of(line), []).append(line)
        return found

    def number_of(self, line: LineBox) -> int:
        """Return the number of the cell in which a line is, or OUTSIDE."""
        x, y = line.level_centre(0)
        numbers, _ = self.grid.numbers_at(np.array(x), np.array(y))
        return int(numbers)

    def whole(self, lines: Iterable[LineBox]) -> list[LineBox]:
        """Join lines beside each other in a cell: parts of one number."""
        found = self.lines_by_cell(lines)
        whole = found.pop(OUTSIDE, [])
        for some in found.values():
            whole += [row[0] if len(row) == 1 else joined(row) for row in in_rows(some)]
        return whole

    def overlooked(self, lines: Sequence[LineBox], threshold: float) -> list[LineBox]:
        """Return cells with writing that is in none of the lines."""
        found = self.lines_by_cell(lines)
        seen = np.flatnonzero(self.seen >= threshold).tolist()
        return [self.cell_line(number) for number in seen if number not in found]

    def cell_line(self, number: int) -> LineBox:
        """Return a cell as a line of writing, within its sides."""
        corners = self.grid.corners(number)
        x, y = (corners[1] + corners[2] - corners[0] - corners[3]).tolist()
        tilt = math.atan2(y, x)
        along, down = rotated(corners[:, 0], corners[:, 1], np.full(4, -tilt))
        top, bottom = down[:2].mean(), down[2:].mean()
        left, right = along[[0, 3]].mean(), along[1:3].mean()
        inset = INSET * (bottom - top)
        return LineBox(top + inset, bottom - inset, left + inset, right - inset, tilt)

    def without_sides(self, strip: Strip, line: LineBox, picture: Picture) -> Strip:
        """Paint over the sides of a line's cell in its strip; strokes stay whole."""
        number = self.number_of(line)
        if number == OUTSIDE:
            return strip
        corner = np.array([picture.left, picture.top])
        corners = picture.scale * (self.grid.corners(number) + corner)
        onto = np.linalg.inv(strip.place[:, :2])
        ends = (corners - strip.place[:, 2]) @ onto.T
        sides = np.hstack([ends, np.roll(ends, -1, axis=0)])
        image = Image.fromarray(strip.pixels)
        clean = without_rules(image, sides, len(strip.pixels))
        return strip._replace(pixels=np.asarray(clean))
