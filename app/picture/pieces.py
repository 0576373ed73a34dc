"""Ink map → pieces that may be the digit.

They are all ink, and each large connected component with its neighbours.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.picture.maps import Labels, Map, Mask, PixelBox, connected, grown

# Components with less ink than this fraction of the largest one's are specks.
SPECK = 0.04
# Distance of a neighbour, as a multiple of a component's size.
MAX_DISTANCE = 0.3
MAX_RELATIVE_SIZE = 1.2  # size of a neighbour, as a multiple of a component's
MAX_LARGE = 3  # components that may be the digit, with their neighbours
MIN_SHARE = 1 / 16  # size of such a component, as a fraction of the map's longer side
RANK_PRIOR = -3.0  # log-odds, for each such component with more ink


class Piece(NamedTuple):
    """A piece of ink that may be the digit.

    Attributes
    ----------
    ink : Map
        (h, w) float32 in [0, 1]: its ink, cropped to its bounding box, without any
        other ink.
    box : PixelBox
        Its bounding box on the ink map.
    prior : float
        Prior log-odds that it is the digit.
    """

    ink: Map
    box: PixelBox
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
        (n + 1, 4) int64: bounding boxes; see `maps.PixelBox`.
    """

    labels: Labels
    mass: NDArray[np.float64]
    box: NDArray[np.int64]

    @classmethod
    def of(cls, ink: Map, level: float) -> "Components":
        """Find the connected components of the ink at and above a threshold."""
        inked = ink >= level
        labels = connected(inked)
        height, width = ink.shape
        # Those with ink, since all pixels would take ten times as long.
        pixels = np.flatnonzero(inked)
        row, column = np.divmod(pixels, width)
        component = labels.ravel()[pixels]
        mass = np.bincount(component, ink.ravel()[pixels], labels.max() + 1)
        box = np.tile([height, 0, width, 0], (len(mass), 1))
        np.minimum.at(box[:, 0], component, row)
        np.maximum.at(box[:, 1], component, row + 1)
        np.minimum.at(box[:, 2], component, column)
        np.maximum.at(box[:, 3], component, column + 1)
        return cls(labels, mass.astype(np.float64), box)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Top and left edge of each component, (n + 1, 2)."""
        return self.box[:, ::2]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Bottom and right edge of each component, (n + 1, 2)."""
        return self.box[:, 1::2]

    @property
    def size(self) -> NDArray[np.int64]:
        """Longer side of each component, (n + 1,)."""
        longer: NDArray[np.int64] = (self.ends - self.starts).max(axis=1)
        return longer

    @property
    def is_whole(self) -> Mask:
        """Which components no edge of the map cuts, (n + 1,)."""
        is_clear = (self.starts > 0) & (self.ends < self.labels.shape)  # (n + 1, 2)
        whole: Mask = np.all(is_clear, axis=1)
        whole[0] = False
        return whole

    def near(self, component: int) -> Mask:
        """Return which components belong to one, (n + 1,).

        They are itself, and close ones that are not much larger.
        """
        before = self.starts[component] - self.ends
        after = self.starts - self.ends[component]
        gaps = (np.maximum(before, after) + 1).clip(min=0)  # (n + 1, 2)
        size = int(self.size[component])
        is_close: Mask = np.hypot(gaps[:, 0], gaps[:, 1]) <= MAX_DISTANCE * size
        return is_close & (self.size <= MAX_RELATIVE_SIZE * size)


def pieces(ink: Map, level: float) -> Iterator[Piece]:
    """Yield all ink without specks, then the largest components with their neighbours.

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
    is_large = found.size >= MIN_SHARE * max(ink.shape)
    mass = found.mass * (whole & is_large)
    largest = np.argsort(-mass)[:MAX_LARGE].tolist()
    for rank, main in enumerate(largest):
        if mass[main] <= SPECK * mass.max():
            return
        is_speck = found.mass < SPECK * found.mass[main]
        belongs = found.near(main) & whole & ~is_speck
        if not np.array_equal(belongs, everything):
            yield piece(ink, found, belongs, RANK_PRIOR * rank)


def piece(ink: Map, found: Components, belongs: Mask, prior: float = 0.0) -> Piece:
    """Join components into one piece, with the fainter ink along their outlines."""
    box = PixelBox.around(found.box[belongs])
    labels = found.labels[box.slices]  # (h, w)
    own = belongs[labels]
    outline = grown(own) & (labels == 0)
    inside = np.where(own | outline, ink[box.slices], np.float32(0))
    return Piece(inside, box, prior)
