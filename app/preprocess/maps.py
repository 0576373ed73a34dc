"""Small tools for (H, W) float32 maps.

Ignores: what a map shows.
"""

from typing import Any, NamedTuple, TypeVar

import cc3d
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


class Box(NamedTuple):
    """A part of a map; its end rows and columns are excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, boxes: NDArray[np.int64]) -> "Box":
        """The box around others, given as (n, 4) first and last rows and columns, the last ones included."""
        top, bottom, left, right = boxes.T
        return cls(int(top.min()), int(bottom.max()) + 1, int(left.min()), int(right.max()) + 1)

    @property
    def size(self) -> int:
        """Its longer side."""
        return max(self.bottom - self.top, self.right - self.left)

    def share_of(self, other: "Box") -> float:
        """Which share of another box lies in this one; 1 of an empty one."""
        height = max(0, min(self.bottom, other.bottom) - max(self.top, other.top))
        width = max(0, min(self.right, other.right) - max(self.left, other.left))
        area = (other.bottom - other.top) * (other.right - other.left)
        return height * width / area if area else 1.0

    def shifted(self, down: int, right: int) -> "Box":
        """The same box elsewhere."""
        return Box(self.top + down, self.bottom + down, self.left + right, self.right + right)

    @property
    def slices(self) -> tuple[slice, slice]:
        """As an index."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def border(array: NDArray[T]) -> NDArray[T]:
    """The values along the four edges."""
    return np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])


def smooth(grey: Map) -> Map:
    """A map averaged over 3×3 pixels."""
    padded = np.pad(grey, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    smoothed: Map = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return smoothed


def sample(array: NDArray[T]) -> NDArray[T]:
    """A view of about 64×64 evenly spaced pixels over the last two axes: enough for a median."""
    step_y, step_x = (max(1, side // 64) for side in array.shape[-2:])
    return array[..., ::step_y, ::step_x]


def sliding(extreme: np.ufunc, values: Map, width: int) -> Map:
    """Minimum or maximum over a square of `width` (made odd) around each pixel; nothing lies outside."""
    reach = width // 2
    neutral = np.float32(np.inf if extreme is np.minimum else -np.inf)
    for _ in range(2):  # along one axis, then along the other
        padded = np.full((len(values) + 2 * reach, values.shape[1]), neutral, np.float32)
        padded[reach : reach + len(values)] = values  # np.pad would cost more than all the rest
        values = padded
        done, length = 1, 2 * reach + 1
        while done < length:  # windows of 1, 2, 4 … rows
            shift = min(done, length - done)
            values = extreme(values[:-shift], values[shift:])
            done += shift
        values = values.T
    return values


def connected(inked: NDArray[np.bool_]) -> NDArray[np.integer[Any]]:
    """The components of a mask that are connected along sides or corners, numbered from 1; 0 is between them.

    Labelled as numbers: cc3d 4.1.1 labels three in ten boolean masks of an odd width wrongly.
    """
    labels: NDArray[np.integer[Any]] = cc3d.connected_components(inked.view(np.uint8), connectivity=8)
    return labels
