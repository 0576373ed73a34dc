"""Ink map → pieces of ink that may be the digit: all of it, and each large connected one with what is near it.

Ignores: colours and light, and which of them is the digit.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.preprocess.maps import Box, Map, connected, sliding

# Pieces with less ink than this share of the largest one's are specks.
SPECK = 0.04
# One that is further away from another than this share of the other's size, or larger, does not belong to it.
REACH, LARGER = 0.3, 1.2
MOST = 3  # pieces that may be the digit
SMALLEST, SMALLEST_SHARE = 5, 1 / 16  # side of one, in pixels and as a share of the map's longer side
RANK_PRIOR = -3.0  # for each larger one
OFF_CENTRE = 0.4  # how much ink counts along the picture's edges, for 1 in its middle


class Piece(NamedTuple):
    """Ink that may be the digit.

    Attributes
    ----------
    ink : Map
        (h, w) float32: the ink in its box, without any other.
    box : Box
        Where it is on the ink map.
    prior : float
        The logarithm of the odds that it is.
    """

    ink: Map
    box: Box
    prior: float = 0.0


class Components(NamedTuple):
    """The connected components of an ink map.

    Attributes
    ----------
    labels : NDArray
        (H, W) integers; 0 is the ground, n the n-th component.
    mass : NDArray
        (n + 1,) its ink; 0 for the ground.
    box : NDArray
        (n + 1, 4) first and last row, first and last column.
    """

    labels: NDArray[np.integer]
    mass: NDArray[np.float64]
    box: NDArray[np.int64]

    @classmethod
    def of(cls, ink: Map, level: float) -> "Components":
        """What is connected at and above a level."""
        return cls.labelled(ink, level, connected(ink >= level))

    @classmethod
    def labelled(cls, ink: Map, level: float, labels: NDArray[np.integer]) -> "Components":
        """The ink at and above a level, by labels that are known; one without any has an empty box."""
        pixels = np.flatnonzero(ink >= level)  # few of all: the ground's pixels would take ten times as long
        component, (row, column) = labels.ravel()[pixels], np.divmod(pixels, ink.shape[1])
        mass: NDArray[np.float64] = np.bincount(component, ink.ravel()[pixels], labels.max() + 1).astype(np.float64)
        box = np.tile([len(ink), -1, ink.shape[1], -1], (len(mass), 1))
        np.minimum.at(box[:, 0], component, row)
        np.maximum.at(box[:, 1], component, row)
        np.minimum.at(box[:, 2], component, column)
        np.maximum.at(box[:, 3], component, column)
        return cls(labels, mass, box)

    @property
    def size(self) -> NDArray[np.int64]:
        """The longer side of each (n + 1,)."""
        top, bottom, left, right = self.box.T
        longer: NDArray[np.int64] = np.maximum(bottom - top, right - left) + 1
        return longer

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """Which are cut by no edge of the map (n + 1,)."""
        (height, width), (top, bottom, left, right) = self.labels.shape, self.box.T
        whole: NDArray[np.bool_] = (top > 0) & (bottom < height - 1) & (left > 0) & (right < width - 1)
        whole[0] = False
        return whole

    @property
    def centrality(self) -> NDArray[np.float64]:
        """A factor for each (n + 1,): 1 in the map's middle, OFF_CENTRE along its edges."""
        y, x = ((self.box[:, i] + self.box[:, i + 1] + 1) / self.labels.shape[i // 2] - 1 for i in (0, 2))
        factor: NDArray[np.float64] = 1 - (1 - OFF_CENTRE) * np.maximum(y**2, x**2).clip(0, 1)
        return factor

    def near(self, one: int) -> NDArray[np.bool_]:
        """Which belong to one of them, by their place and size (n + 1,): itself, and what is near and no larger."""
        top, bottom, left, right = self.box.T
        gap_y = np.maximum(top - bottom[one], top[one] - bottom).clip(min=0)
        gap_x = np.maximum(left - right[one], left[one] - right).clip(min=0)
        reached = np.hypot(gap_y, gap_x) <= REACH * self.size[one]
        belongs: NDArray[np.bool_] = reached & (self.size <= LARGER * self.size[one])
        return belongs


def pieces(ink: Map, level: float) -> Iterator[Piece]:
    """All ink at and above a level but for specks, then the largest components, with what is near each.

    One that an edge of the map cuts is none of these.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    level : float
        From here on ink connects.
    """
    found = Components.of(ink, level)
    if len(found.mass) == 1:
        return
    everything = found.mass >= SPECK * found.mass.max()
    yield piece(ink, found, everything)
    whole = found.is_whole
    large = found.size >= max(SMALLEST, SMALLEST_SHARE * max(ink.shape))
    score = found.mass * found.centrality * (whole & large)
    for rank, main in enumerate(np.argsort(-score)[:MOST].tolist()):
        if score[main] <= SPECK * score.max():
            return
        belongs = found.near(main) & whole & (found.mass >= SPECK * found.mass[main])
        if not np.array_equal(belongs, everything):
            yield piece(ink, found, belongs, RANK_PRIOR * rank)


def piece(ink: Map, found: Components, belongs: NDArray[np.bool_], prior: float = 0.0) -> Piece:
    """Some components together, with the fainter ink along them."""
    box = Box.around(found.box[belongs])
    labels, inside = found.labels[box.slices], ink[box.slices]
    own = belongs[labels]
    edge = (labels == 0) & (sliding(np.maximum, own.astype(np.float32), 3) > 0)
    return Piece(np.where(own | edge, inside, np.float32(0)), box, prior)
