"""A batch of images: random numbers for each, resampling, and where the ink is."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.picture.frame import FRAME_SIDE

EXTENT_LEVEL = 0.3  # pixels above this belong to a digit's extent
PER_IMAGE = (1, 2), True  # dim and keepdim: reduce (N, H, W) to (N, 1, 1)


class Random:
    """Random numbers for each of N images, on the generator's device."""

    def __init__(self, n: int, generator: Generator) -> None:
        self.n = n
        self.generator = generator
        self.device = generator.device

    def __call__(
        self, low: float, high: float, sides: tuple[int, int] = (1, 1)
    ) -> Tensor:
        """Draw uniform numbers in [low, high): (N, *sides)."""
        shape = (self.n, *sides)
        random = torch.rand(shape, generator=self.generator, device=self.device)
        return random * (high - low) + low

    def chosen(self, share: float) -> Tensor:
        """Choose a share of the images: (N, 1, 1) bool."""
        return self(0, 1) < share

    def amounts(self, low: float, high: float, share: float) -> Tensor:
        """Draw numbers for a share of the images, 0 for the others: (N, 1, 1)."""
        return self(low, high) * self.chosen(share)

    def integers(self, low: int, high: int) -> Tensor:
        """Draw integers in [low, high): (N,)."""
        return torch.randint(
            low, high, (self.n,), generator=self.generator, device=self.device
        )

    def normal(self, *sides: int) -> Tensor:
        """Draw from the standard normal distribution: (N, *sides)."""
        shape = (self.n, *sides)
        return torch.randn(shape, generator=self.generator, device=self.device)

    def smooth(self, size: Sequence[int], cell: tuple[float, float]) -> Tensor:
        """Make noise (N, H, W) of deviation 1 or so, smooth over cells (h, w)."""
        sides = [int(side / part) + 2 for side, part in zip(size, cell, strict=True)]
        coarse = self.normal(1, *sides)
        return F.interpolate(coarse, size, mode="bilinear", align_corners=True)[:, 0]


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Sample images (N, H, W) at positions (N, h, w, 2), with the edges at -1 and 1."""
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def affine_grid(matrices: Tensor, images: Tensor) -> Tensor:
    """Map each pixel of images (N, H, W) by matrices (N, 2, 3): (N, H, W, 2)."""
    size = [len(images), 1, *images.shape[1:]]
    return F.affine_grid(matrices, size, align_corners=False)


def resized(images: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Resize images (N, H, W) to (N, *size)."""
    return F.interpolate(images[:, None], size, mode=mode)[:, 0]


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
    padded = F.pad(images, (1, 1, 1, 1))
    corner = padded[:, :-1, :-1]
    down = padded[:, 1:, :-1] - corner
    right = padded[:, :-1, 1:] - corner
    outline = torch.hypot(down, right).sum(*PER_IMAGE)
    ink = images.sum(*PER_IMAGE)
    return 2 * ink / outline.clamp(min=1e-6)


def points(x: Tensor, y: Tensor) -> Tensor:
    """Return points (N, P, 2) with coordinates (N, P, 1)."""
    return torch.cat([x, y], dim=2)
