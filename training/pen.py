"""Find where the ink of a batch of images is, and draw strokes on them, each with its
own pen.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from app.picture.frame import FRAME_SIDE

INK = 0.3  # pixels above this belong to a digit's extent


class Extent(NamedTuple):
    """First and last rows and columns with ink, (N,) each."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    @property
    def height(self) -> Tensor:
        """Distance from the first row to the last."""
        return self.bottom - self.top

    @property
    def width(self) -> Tensor:
        """Distance from the first column to the last."""
        return self.right - self.left


def extent(images: Tensor) -> Extent:
    """Find the extent of each image's ink."""
    ends = []
    for axis in (2, 1):
        inked = (images.amax(dim=axis) > INK).float()
        ends += [
            inked.argmax(dim=1).float(),
            inked.shape[1] - 1 - inked.flip(1).argmax(dim=1).float(),
        ]
    return Extent(*ends)


def ink_column(images: Tensor, row: Tensor) -> Tensor:
    """Return the column (N,) of the ink's centre of mass, in the two rows that start at
    `row` (N,).
    """
    axis = torch.arange(FRAME_SIDE, device=images.device)
    rows = (axis >= row[:, None]) & (axis < row[:, None] + 2)
    profile = (images * rows[:, :, None]).sum(dim=1)
    return (profile @ axis.float()) / profile.sum(dim=1).clamp(min=1e-6)


def uniform(
    shape: tuple[int, ...], low: float, high: float, generator: Generator
) -> Tensor:
    """Draw uniform random numbers in [low, high) on the generator's device."""
    return (
        torch.rand(shape, generator=generator, device=generator.device) * (high - low)
        + low
    )


def stroke_width(images: Tensor) -> Tensor:
    """Estimate the mean stroke width of each image in pixels, (N,): twice the ink over
    the outline's length.
    """
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    down, right = (
        padded[:, 1:, :-1] - padded[:, :-1, :-1],
        padded[:, :-1, 1:] - padded[:, :-1, :-1],
    )
    return (
        2
        * images.sum(dim=(1, 2))
        / torch.hypot(down, right).sum(dim=(1, 2)).clamp(min=1e-6)
    )


def draw(points: Tensor, width: Tensor) -> Tensor:
    """Draw a polyline with round ends on each of N empty images.

    Parameters
    ----------
    points : Tensor
        (N, P, 2) float, P >= 2: vertices as (x, y) in pixels; (0, 0) is the centre of
        the first pixel.
    width : Tensor
        (N,) float: line width in pixels.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    axis = torch.arange(FRAME_SIDE, device=points.device)
    # (28, 28, 2).
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    distance = points.new_full((len(points), FRAME_SIDE, FRAME_SIDE), torch.inf)
    for start, end in zip(points.unbind(1)[:-1], points.unbind(1)[1:], strict=True):
        along = (end - start)[:, None, None]
        from_start = pixels - start[:, None, None]
        share = (from_start * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-6)
        nearest = share.clamp(0, 1)[..., None] * along
        distance = torch.minimum(
            distance, torch.linalg.vector_norm(from_start - nearest, dim=-1)
        )
    return (width[:, None, None] / 2 + 0.5 - distance).clamp(0, 1)


def pens(images: Tensor, generator: Generator) -> Tensor:
    """Pick a width (N,) for each image's new stroke, close to that of its own strokes."""
    return stroke_width(images).clamp(1.2, 5) * uniform(
        (len(images),), 0.75, 1.05, generator
    )
