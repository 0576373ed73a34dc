"""Random deformation of digits, as pure functions of a batch and a random generator.

Every function works on the device its images are on, and draws one deformation per image.
Ignores: what a picture suffers before preprocessing (light, noise, ruled lines).
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

ROTATION_DEGREES = 15.0
SCALE = 0.15
SHEAR = 0.2
SHIFT_PIXELS = 2.0
ELASTIC_PIXELS = 0.9
ELASTIC_GRID = 6


def uniform(shape: tuple[int, ...], limit: float, generator: Generator) -> Tensor:
    """Random numbers in [-limit, limit) on the generator's device."""
    return (torch.rand(shape, generator=generator, device=generator.device) * 2 - 1) * limit


def affine(images: Tensor, generator: Generator) -> Tensor:
    """Sampling grid of a random rotation, scale (per axis), shear and shift for each image.

    Parameters
    ----------
    images : Tensor
        (N, H, W); only the shape is used.
    generator : Generator
        Source of randomness.

    Returns
    -------
    Tensor
        (N, H, W, 2) sampling positions as (x, y), where -1 and 1 are the image's edges.
    """
    n, height, width = images.shape
    angle = uniform((n,), math.radians(ROTATION_DEGREES), generator)
    shear = uniform((n,), SHEAR, generator)
    scale_x, scale_y = 1 + uniform((2, n), SCALE, generator)
    shift_x, shift_y = uniform((2, n), 2 * SHIFT_PIXELS / width, generator)
    cos, sin = angle.cos(), angle.sin()
    row_x = torch.stack([cos * scale_x, (shear * cos - sin) * scale_y, shift_x], dim=1)
    row_y = torch.stack([sin * scale_x, (shear * sin + cos) * scale_y, shift_y], dim=1)
    theta = torch.stack([row_x, row_y], dim=1)  # (N, 2, 3)
    return F.affine_grid(theta, [n, 1, height, width], align_corners=False)


def elastic(images: Tensor, generator: Generator) -> Tensor:
    """Smooth random displacement field for each image (after Simard et al. 2003).

    Where Simard blurs one random vector a pixel, this draws a coarse grid of Gaussian vectors and
    interpolates it bicubically: as smooth, and a fraction of the work.

    Parameters
    ----------
    images : Tensor
        (N, H, W); only the shape is used.
    generator : Generator
        Source of randomness.

    Returns
    -------
    Tensor
        (N, H, W, 2) displacements, in the units of `affine`.
    """
    n, height, width = images.shape
    coarse = torch.randn((n, 2, ELASTIC_GRID, ELASTIC_GRID), generator=generator, device=generator.device)
    field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return field.permute(0, 2, 3, 1) * (2 * ELASTIC_PIXELS / width)


def deform(images: Tensor, generator: Generator) -> Tensor:
    """Deform each image by its own random affine and elastic map, resampled once (bilinear).

    Parameters
    ----------
    images : Tensor
        (N, H, W) float in [0, 1], background = 0.
    generator : Generator
        Source of randomness, on the images' device.

    Returns
    -------
    Tensor
        (N, H, W) float in [0, 1].
    """
    grid = affine(images, generator) + elastic(images, generator)
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]
