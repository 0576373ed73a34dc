"""Find the ink of a batch of images, and draw strokes with a pen for each image."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from app.picture.frame import FRAME_SIDE

EXTENT_LEVEL = 0.3  # pixels above this belong to a digit's extent
PER_IMAGE = (1, 2), True  # dim and keepdim: reduce (N, H, W) to (N, 1, 1)


class Extent(NamedTuple):
    """First and last rows and columns with ink, (N, 1, 1) each."""

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
    """Return points (N, P, 2) with coordinates (N, P, 1)."""
    return torch.cat([x, y], dim=2)


def extent(images: Tensor) -> Extent:
    """Find the extent of each image's ink."""
    return Extent(*ends(images), *ends(images.mT))


def ends(images: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and last rows with ink, (N, 1, 1) each."""
    profile = images.amax(dim=2, keepdim=True)  # (N, 28, 1)
    inked = (profile > EXTENT_LEVEL).float()
    first = inked.argmax(dim=1, keepdim=True)
    after = inked.flip(1).argmax(dim=1, keepdim=True)
    return first.float(), (inked.shape[1] - 1 - after).float()


def ink_column(images: Tensor, row: Tensor) -> Tensor:
    """Find the column of the centre of mass of the two rows from `row` on.

    Both are (N, 1, 1).
    """
    axis = torch.arange(FRAME_SIDE, device=images.device)
    rows = axis[:, None]
    is_near = (rows >= row) & (rows < row + 2)  # (N, 28, 1)
    profile = (images * is_near).sum(dim=1)  # (N, 28)
    column = (profile @ axis.float()) / profile.sum(dim=1).clamp(min=1e-6)
    return column[:, None, None]


def stroke_width(images: Tensor) -> Tensor:
    """Estimate the mean stroke width (N, 1, 1): twice the ink over its outline."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    corner = padded[:, :-1, :-1]
    down = padded[:, 1:, :-1] - corner
    right = padded[:, :-1, 1:] - corner
    outline = torch.hypot(down, right).sum(*PER_IMAGE)
    ink = images.sum(*PER_IMAGE)
    return 2 * ink / outline.clamp(min=1e-6)


def draw(points: Tensor, width: Tensor) -> Tensor:
    """Draw a polyline with round ends on each of N empty images.

    Parameters
    ----------
    points : Tensor
        (N, P, 2) float, P >= 2: vertices as (x, y) in pixels; (0, 0) is the centre of
        the first pixel.
    width : Tensor
        (N, 1, 1) float: line width in pixels.

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
    return (width / 2 + 0.5 - distance).clamp(0, 1)
