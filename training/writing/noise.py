"""Random numbers and smooth noise for a batch of images."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


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
