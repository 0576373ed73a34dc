"""Ink map → pieces, candidates for the digit: all ink, and each large connected
component with its neighbours.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Box, Map, connected, grown

# Components with less ink than this fraction of the largest one's are specks.
SPECK = 0.04
# Distance and size of a neighbour, as multiples of a component's size.
MAX_DISTANCE, MAX_RELATIVE_SIZE = 0.3, 1.2
MAX_CANDIDATES = 3  # components that are candidates
MIN_SHARE = 1 / 16  # size of a candidate, as a fraction of the map's longer side
RANK_PRIOR = -3.0  # log-odds, for each candidate with more ink


class Piece(NamedTuple):
    """A candidate for the digit.

    Attributes
    ----------
    ink : Map
        (h, w) float32 in [0, 1]: its ink, cropped to its bounding box, without any
        other ink.
    box : Box
        Its bounding box on the ink map.
    prior : float
        Prior log-odds that it is the digit.
    """

    ink: Map
    box: Box
    prior: float = 0.0


class Components(NamedTuple):
    """The connected components of an ink map.

    Attributes
    ----------
    labels : NDArray
        (H, W) integers: 0 for the background, n for the n-th component.
    mass : NDArray
        (n + 1,) float64: total ink of each; 0 for the background.
    box : NDArray
        (n + 1, 4) int64: bounding boxes; see `maps.Box`.
    """

    labels: NDArray[np.integer]
    mass: NDArray[np.float64]
    box: NDArray[np.int64]

    @classmethod
    def of(cls, ink: Map, level: float) -> "Components":
        """Find the connected components of the ink at and above a threshold."""
        labels = connected(ink >= level)
        pixels = np.flatnonzero(ink >= level)  # all pixels would take ten times as long
        component, (row, column) = (
            labels.ravel()[pixels],
            np.divmod(pixels, ink.shape[1]),
        )
        mass: NDArray[np.float64] = np.bincount(
            component, ink.ravel()[pixels], labels.max() + 1
        ).astype(np.float64)
        box = np.tile([len(ink), 0, ink.shape[1], 0], (len(mass), 1))
        np.minimum.at(box[:, 0], component, row)
        np.maximum.at(box[:, 1], component, row + 1)
        np.minimum.at(box[:, 2], component, column)
        np.maximum.at(box[:, 3], component, column + 1)
        return cls(labels, mass, box)

    @property
    def size(self) -> NDArray[np.int64]:
        """Longer side of each component (n + 1,)."""
        top, bottom, left, right = self.box.T
        longer: NDArray[np.int64] = np.maximum(bottom - top, right - left)
        return longer

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """Which components are not cut by an edge of the map (n + 1,)."""
        (height, width), (top, bottom, left, right) = self.labels.shape, self.box.T
        whole: NDArray[np.bool_] = (
            (top > 0) & (bottom < height) & (left > 0) & (right < width)
        )
        whole[0] = False
        return whole

    def near(self, component: int) -> NDArray[np.bool_]:
        """Return which components (n + 1,) belong to this one: itself, and close ones
        that are not much larger.
        """
        top, bottom, left, right = self.box.T
        gap_y = (np.maximum(top - bottom[component], top[component] - bottom) + 1).clip(
            min=0
        )
        gap_x = (np.maximum(left - right[component], left[component] - right) + 1).clip(
            min=0
        )
        reached = np.hypot(gap_y, gap_x) <= MAX_DISTANCE * self.size[component]
        belongs: NDArray[np.bool_] = reached & (
            self.size <= MAX_RELATIVE_SIZE * self.size[component]
        )
        return belongs


def pieces(ink: Map, level: float) -> Iterator[Piece]:
    """Yield all ink at and above a threshold without specks, then the largest
    components with their neighbours.

    Components that an edge of the map cuts are neither large components nor neighbours.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    level : float
        Threshold for connected components.
    """
    found = Components.of(ink, level)
    if len(found.mass) == 1:
        return
    everything = found.mass >= SPECK * found.mass.max()
    yield piece(ink, found, everything)
    whole = found.is_whole
    large = found.size >= MIN_SHARE * max(ink.shape)
    mass = found.mass * (whole & large)
    for rank, main in enumerate(np.argsort(-mass)[:MAX_CANDIDATES].tolist()):
        if mass[main] <= SPECK * mass.max():
            return
        belongs = found.near(main) & whole & (found.mass >= SPECK * found.mass[main])
        if not np.array_equal(belongs, everything):
            yield piece(ink, found, belongs, RANK_PRIOR * rank)


def piece(
    ink: Map, found: Components, belongs: NDArray[np.bool_], prior: float = 0.0
) -> Piece:
    """Join components into one piece, with the fainter ink along their outlines."""
    box = Box.around(found.box[belongs])
    labels, inside = found.labels[box.slices], ink[box.slices]
    own = belongs[labels]
    edge = (labels == 0) & grown(own)
    return Piece(np.where(own | edge, inside, np.float32(0)), box, prior)
