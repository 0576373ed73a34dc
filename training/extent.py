"""Find where the ink of a batch of images is."""

from typing import NamedTuple

import torch
from torch import Tensor

from app.preprocess.frame import FRAME_SIDE

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


def extent(images: Tensor) -> Extent:
    """Find the extent of each image's ink."""
    ends = []
    for axis in (2, 1):
        inked = (images.amax(dim=axis) > INK).float()
        ends += [inked.argmax(dim=1).float(), FRAME_SIDE - 1 - inked.flip(1).argmax(dim=1).float()]
    return Extent(*ends)


def ink_column(images: Tensor, row: Tensor) -> Tensor:
    """Return the column (N,) of the ink's centre of mass, in the two rows that start at `row` (N,)."""
    axis = torch.arange(FRAME_SIDE, device=images.device)
    rows = (axis >= row[:, None]) & (axis < row[:, None] + 2)
    profile = (images * rows[:, :, None]).sum(dim=1)
    return (profile @ axis.float()) / profile.sum(dim=1).clamp(min=1e-6)
