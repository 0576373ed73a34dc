"""Resample a batch of images: at any positions, or to another size."""

import torch.nn.functional as F
from torch import Tensor


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
