"""Ink map → the digit: its connected pieces, told from specks, lines, printed boxes and cut-off neighbours.

Ignores: colours and light, and that there may be several digits.
"""

import numpy as np
from numpy.typing import NDArray

from app.preprocess.maps import Box, Map, border, connected

# Ink at and above this level connects; where that gives no whole digit, the others are tried.
LEVEL = 0.4
FAINTER, STRONGER = (0.2, 0.1), (0.6, 0.75)
# On a small picture, such as MNIST's, faint pixels are a stroke's edges: at this level, 99.97 % of MNIST's digits have
# a box of 20 pixels on the longer side.
SMALL_LEVEL = 0.1
SMALL_SIDE = 40  # so tightly cropped, too, that ink along the border says nothing
# A piece with less than this share of the main piece's score is a speck; one further away from the digit's pieces
# than this share of the main piece's size is not the digit's.
SPECK = 0.02
REACH = 0.3
# More pieces at once are noise: beside them no further ones are looked for, which took 6 s and 276 MB of 35,000.
MOST_REACHED = 16
# How much a piece counts at an edge of the picture, against one in its middle.
OFF_CENTRE = 0.4
# How much a piece counts that is cut by 0 to 4 of the picture's edges.
CUT = np.array([1.0, 0.05, 0.02, 0.01, 0.01])


class Pieces:
    """The connected pieces of an ink map, and how much each looks like a digit.

    Attributes
    ----------
    labels : NDArray
        (H, W) integers; 0 is the ground, n the n-th piece.
    box : NDArray
        (n + 1, 4) first and last row, first and last column of each piece.
    piece, row, column : NDArray
        (m,) for each inked pixel, in the order of the rows: which piece's it is, and where it lies.
    size : NDArray
        (n + 1,) its pixels; 0 for the ground.
    mass : NDArray
        (n + 1,) its ink; 0 for the ground.
    cut : NDArray
        (n + 1,) whether an edge of the picture cuts it, and it is no line: probably a part of another digit.
    likeness : NDArray
        (n + 1,) in [0, 1], small where a piece looks like no digit.
    score : NDArray
        (n + 1,) mass × likeness × centrality, of a lone piece its mass; 0 for the ground.
    main : int
        The piece with the highest score.
    """

    def __init__(self, ink: Map, level: float) -> None:
        inked = ink >= level
        self.labels = connected(inked, 8)
        pixels = np.flatnonzero(inked)  # few of all: the ground's pixels would take ten times as long
        self.piece, (self.row, self.column) = self.labels.ravel()[pixels], np.divmod(pixels, ink.shape[1])
        self.mass = np.bincount(self.piece, weights=ink.ravel()[pixels])
        self.size = np.bincount(self.piece)
        self.box = self.boxes()
        uncut, unlike_lines = self.uncut(), self.unlike_lines()
        self.cut = (uncut <= CUT[1]) & (unlike_lines == 1)
        self.likeness = uncut * unlike_lines * self.unlike_boxes()
        alone = len(self.mass) == 2
        self.score = self.mass if alone else self.mass * self.likeness * self.centrality()
        self.main = int(self.score.argmax())

    def boxes(self) -> NDArray[np.int64]:
        """The first and last row, first and last column of each piece: (n + 1, 4); of the ground, those of the map."""
        height, width = self.labels.shape
        boxes = np.tile([height, 0, width, 0], (len(self.size), 1))
        np.minimum.at(boxes[:, 0], self.piece, self.row)
        np.maximum.at(boxes[:, 1], self.piece, self.row)
        np.minimum.at(boxes[:, 2], self.piece, self.column)
        np.maximum.at(boxes[:, 3], self.piece, self.column)
        boxes[0] = 0, height - 1, 0, width - 1
        return boxes

    @property
    def main_box(self) -> Box:
        """Where the main piece is."""
        top, bottom, left, right = self.box[self.main].tolist()
        return Box(top, bottom + 1, left, right + 1)

    def unlike_boxes(self) -> NDArray[np.float64]:
        """A factor for each piece: small where it is a printed box."""
        factor = np.ones(len(self.mass))
        for piece in np.flatnonzero(self.mass > 0.1 * self.mass.max()):
            if self.is_printed_box(int(piece)):
                factor[piece] = 0.01
        return factor

    def centrality(self) -> NDArray[np.float64]:
        """A factor for each piece: 1 in the picture's middle, OFF_CENTRE along its edges."""
        y, x = ((self.box[:, i] + self.box[:, i + 1] + 1) / self.labels.shape[i // 2] - 1 for i in (0, 2))
        factor: NDArray[np.float64] = 1 - (1 - OFF_CENTRE) * np.maximum(y**2, x**2).clip(0, 1)
        return factor

    def uncut(self) -> NDArray[np.float64]:
        """A factor for each piece: small where an edge of the picture cuts it, unless it fills the picture."""
        height, width = self.labels.shape
        top, bottom, left, right = self.box.T
        seam = max(height, width) // 50  # the top-hat is blind along the very edge
        cuts = (top <= seam).astype(int) + (bottom >= height - 1 - seam) + (left <= seam) + (right >= width - 1 - seam)
        fills = (2 * top <= height) & (2 * bottom >= height) & (2 * left <= width) & (2 * right >= width)
        factor: NDArray[np.float64] = np.where(fills & self.inside(1 / 8), 1 - 0.15 * cuts, CUT[cuts])
        return factor

    def inside(self, margin: float) -> NDArray[np.bool_]:
        """Whether most of each piece lies away from the picture's margins, given as a share of its sides."""
        height, width = self.labels.shape
        y, x = int(margin * height), int(margin * width)
        inner = (self.row >= y) & (self.row < height - y) & (self.column >= x) & (self.column < width - x)
        inside: NDArray[np.bool_] = 2 * np.bincount(self.piece[inner], minlength=len(self.size)) > self.size
        return inside

    def unlike_lines(self) -> NDArray[np.float64]:
        """A factor for each piece: small where it is long and thin, and spans the picture or lies in a margin."""
        height, width = self.labels.shape
        tall, wide = self.box[:, 1] - self.box[:, 0] + 1, self.box[:, 3] - self.box[:, 2] + 1
        thinness = np.minimum(tall, wide) / np.maximum(tall, wide)
        factor = np.where((thinness < 0.15) & ~self.inside(1 / 6), 0.05, 1.0)
        upright = (tall > 0.6 * height) & ((self.box[:, 0] == 0) | (self.box[:, 1] == height - 1))  # else a 1
        factor[(thinness < 0.1) & ((wide > 0.6 * width) | upright)] *= 0.01
        return factor

    def is_printed_box(self, piece: int) -> bool:
        """Whether a piece runs along its own box: hollow on all sides, else around another piece.

        Around means on three sides, or on two where the other one lies in a hole: the lines of a table go on.
        """
        top, bottom, left, right = self.box[piece]
        own = self.labels[top : bottom + 1, left : right + 1] == piece
        band = max(2, max(own.shape) // 14)
        sides = own[:band].any(0), own[-band:].any(0), own[:, :band].any(1), own[:, -band:].any(1)
        covered = sum(side.mean() > 0.8 for side in sides)
        if covered == 4:
            return bool(own.mean() < 0.4)
        inside = (self.box[:, [0, 2]] > (top, left)).all(1) & (self.box[:, [1, 3]] < (bottom, right)).all(1)
        others = self.box[inside & (self.mass > 0.05 * self.mass[piece])] - (top, top, left, left)
        return len(others) > 0 and (covered == 3 or (covered == 2 and any_in_hole(own, others)))

    def has_whole_digit(self) -> bool:
        """Whether the main piece is uncut, no line and no speck."""
        return bool(self.likeness[self.main] == 1 and self.main_box.size - 1 > 0.08 * max(self.labels.shape))

    def digit_pieces(self) -> NDArray[np.bool_]:
        """Which pieces (n + 1,) are the digit's: the main one, and what is near one of them, as whole, and no speck.

        What is nearer to a piece of another digit is that one's.
        """
        large, whole = self.score >= SPECK * self.score[self.main], self.likeness >= 0.5 * self.likeness[self.main]
        belongs: NDArray[np.bool_] = np.arange(len(self.mass)) == self.main
        others = np.flatnonzero(large & whole & ~belongs)
        strange = self.cut & ~self.cut[self.main] & (self.mass >= SPECK * self.mass[self.main])
        strangers = np.flatnonzero(strange)[:MOST_REACHED]
        reached = np.array([self.main])
        while 0 < len(reached) <= MOST_REACHED:
            gap, gap_to_strangers = self.gaps(others, reached), self.gaps(others, strangers)
            near = (gap <= REACH * self.main_box.size) & (gap <= gap_to_strangers)
            reached, others = others[near], others[~near]
            belongs[reached] = True
        return belongs

    def gaps(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far the boxes of some pieces (n) are from the nearest of others: (n,), 0 where they overlap."""
        top, bottom, left, right = self.box[some].T[:, :, None]
        other_top, other_bottom, other_left, other_right = self.box[others].T
        gap_y = np.maximum(top - other_bottom, other_top - bottom).clip(min=0)
        gap_x = np.maximum(left - other_right, other_left - right).clip(min=0)
        nearest: NDArray[np.float64] = np.hypot(gap_y, gap_x).min(axis=1, initial=np.inf)
        return nearest


def any_in_hole(own: NDArray[np.bool_], boxes: NDArray[np.int64]) -> bool:
    """Whether one of the boxes (n, 4) lies in a hole of a piece; both are given in the piece's own box."""
    grounds = connected(~own, 4)
    outside = np.setdiff1d(border(grounds), 0)
    around = (grounds[top : bottom + 1, left : right + 1] for top, bottom, left, right in boxes)
    return any(not np.isin(each, outside).any() for each in around)


def find_pieces(ink: Map) -> Pieces:
    """The pieces of an ink map, at the level at which one of them looks like a whole digit.

    A fainter level may join what was apart. A stronger one may part a digit from the line that it was written on,
    but also a digit into strokes: it serves where nearly all that is strong in the piece at LEVEL is in one.
    """
    if max(ink.shape) <= SMALL_SIDE:
        return Pieces(ink, SMALL_LEVEL)
    first = Pieces(ink, LEVEL)
    if first.has_whole_digit():
        return first
    for level in FAINTER:
        if (pieces := Pieces(ink, level)).has_whole_digit():
            return pieces
    for level in STRONGER:
        strong = ink[(first.labels == first.main) & (ink >= level)].sum()
        if (pieces := Pieces(ink, level)).has_whole_digit() and pieces.mass[pieces.main] >= 0.9 * strong:
            return pieces
    return first


def find_digit(ink: Map) -> tuple[Box, Map]:
    """Find the digit on an ink map, and leave out the specks, lines and fragments around it.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1, with at least one pixel of 1.

    Returns
    -------
    box : Box
        The smallest box around the digit's pieces.
    digit : Map
        (h, w) float32 in [0, 1]: the ink in that box, without other pieces.
    """
    pieces = find_pieces(ink)
    belongs = pieces.digit_pieces()
    box = Box.around(pieces.box[belongs])
    labels, inside = pieces.labels[box.slices], ink[box.slices]
    return box, np.where(belongs[labels] | (labels == 0), inside, np.float32(0))
