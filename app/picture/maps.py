"""Maps of a picture: of its ink, of masks, of labels (H, W), and boxes on them."""

from typing import Any, NamedTuple, TypeVar

import cc3d
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.integer[Any]]
T = TypeVar("T", bound=np.generic)


class PixelBox(NamedTuple):
    """A bounding box on a map; `bottom` and `right` are exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, boxes: NDArray[np.int64]) -> "PixelBox":
        """Return the box around boxes (n, 4); empty ones do not count."""
        top, left = boxes[:, ::2].min(axis=0).tolist()
        bottom, right = boxes[:, 1::2].max(axis=0).tolist()
        return cls(top, bottom, left, right)

    @property
    def size(self) -> int:
        """Length of the longer side."""
        return max(self.bottom - self.top, self.right - self.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into a map."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def is_apart(self, other: "PixelBox") -> bool:
        """Return whether the boxes share no pixel."""
        return (
            self.bottom <= other.top
            or other.bottom <= self.top
            or self.right <= other.left
            or other.right <= self.left
        )

    def contains(self, other: "PixelBox") -> bool:
        """Return whether no pixel of the other box is outside this one."""
        return (
            self.top <= other.top
            and other.bottom <= self.bottom
            and self.left <= other.left
            and other.right <= self.right
        )

    def within(self, width: int, height: int) -> "PixelBox":
        """Return the part of the box on a picture of this size, at least one pixel."""
        top = min(max(self.top, 0), height - 1)
        left = min(max(self.left, 0), width - 1)
        bottom = max(min(self.bottom, height), top + 1)
        right = max(min(self.right, width), left + 1)
        return PixelBox(top, bottom, left, right)

    def shifted(self, down: int, right: int) -> "PixelBox":
        """Return the box moved down and to the right."""
        return PixelBox(
            self.top + down, self.bottom + down, self.left + right, self.right + right
        )


def smooth(grey: Map) -> Map:
    """Average a map over 3×3 windows."""
    wider = np.pad(grey, 1, mode="edge")
    rows = wider[:-2] + wider[1:-1] + wider[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    smoothed: Map = sums / np.float32(9)
    return smoothed


def sample(array: NDArray[T]) -> NDArray[T]:
    """Return about 64×64 evenly spaced pixels, which are enough for a median.

    The pixels are a view of the array's last two axes.
    """
    step_y, step_x = (max(1, side // 64) for side in array.shape[-2:])
    return array[..., ::step_y, ::step_x]


def sliding(extreme: np.ufunc, values: NDArray[T], width: int) -> NDArray[T]:
    """Return the minimum or maximum over a square window around each pixel.

    The window has a side of `width` pixels, rounded up to an odd number. Pixels outside
    the map do not count.
    """
    reach = width // 2
    for _ in range(2):  # along one axis, then along the other
        last = len(values) - 1
        rows = np.arange(-reach, last + reach + 1).clip(0, last)
        values = windows(extreme, values[rows], 2 * reach + 1).T
    return values


def grown(mask: Mask) -> Mask:
    """Grow a mask by one pixel to all sides."""
    return sliding(np.maximum, mask, 3)


def windows(combine: np.ufunc, values: NDArray[T], length: int) -> NDArray[T]:
    """Combine each window of `length` rows: (H, W) → (H - length + 1, W).

    The function must be idempotent, as a minimum is.
    """
    done = 1
    while done < length:  # windows of 1, 2, 4 … rows
        shift = min(done, length - done)
        values = combine(values[:-shift], values[shift:])
        done += shift
    return values


def connected(inked: Mask) -> Labels:
    """Label the 8-connected components of a mask from 1; 0 is the background.

    The mask is passed as uint8, since cc3d 4.1.1 mislabels three in ten boolean masks
    of odd width.
    """
    as_bytes = inked.view(np.uint8)
    return cc3d.connected_components(as_bytes, connectivity=8)
