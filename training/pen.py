"""Find the ink of a batch of images, and draw strokes with a pen for each image."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from app.picture.frame import FRAME_SIDE

EXTENT_LEVEL = 0.3  # pixels above this belong to a digit's extent


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


def points(x: Tensor, y: Tensor) -> Tensor:
    """Return points (..., 2) with these coordinates."""
    return torch.stack([x, y], dim=-1)


def extent(images: Tensor) -> Extent:
    """Find the extent of each image's ink."""
    return Extent(*ends(images.amax(dim=2)), *ends(images.amax(dim=1)))


def ends(profiles: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and last positions (N,) with ink in profiles (N, S)."""
    inked = (profiles > EXTENT_LEVEL).float()
    last = inked.shape[1] - 1 - inked.flip(1).argmax(dim=1)
    return inked.argmax(dim=1).float(), last.float()


def ink_column(images: Tensor, row: Tensor) -> Tensor:
    """Find the column (N,) of the centre of mass of the two rows from `row` (N,) on."""
    axis = torch.arange(FRAME_SIDE, device=images.device)
    rows = (axis >= row[:, None]) & (axis < row[:, None] + 2)  # (N, 28)
    profile = (images * rows[:, :, None]).sum(dim=1)  # (N, 28)
    return (profile @ axis.float()) / profile.sum(dim=1).clamp(min=1e-6)


def stroke_width(images: Tensor) -> Tensor:
    """Estimate each image's mean stroke width (N,): twice the ink over its outline."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    corner = padded[:, :-1, :-1]
    down = padded[:, 1:, :-1] - corner
    right = padded[:, :-1, 1:] - corner
    outline = torch.hypot(down, right).sum(dim=(1, 2))
    return 2 * images.sum(dim=(1, 2)) / outline.clamp(min=1e-6)


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
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    distance = points.new_full((len(points), FRAME_SIDE, FRAME_SIDE), torch.inf)
    vertices = points[:, :, None, None].unbind(1)  # P times (N, 1, 1, 2)
    for start, end in pairwise(vertices):
        along = end - start
        from_start = pixels - start  # (N, 28, 28, 2)
        share = (from_start * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-6)
        nearest = share.clamp(0, 1)[..., None] * along
        to_segment = torch.linalg.vector_norm(from_start - nearest, dim=-1)
        distance = torch.minimum(distance, to_segment)
    return (width[:, None, None] / 2 + 0.5 - distance).clamp(0, 1)
