"""Random deformation of digits, as pure functions of a batch and a random generator.

    restyle ──► deform ──► wear

Every function works on the device its images are on, and draws one deformation per image. What comes out is
framed as the service frames a picture: training sees what serving sees. Ignores: what a picture suffers
before preprocessing (light, noise, ruled lines), but for what preprocessing may leave of it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.preprocess.frame import BOX_SIDE, FRAME_SIDE
from training.pen import uniform
from training.styles import restyle
from training.wear import wear

ROTATION_DEGREES = 10.0
STRETCH = 0.1
SHEAR = 0.17
ELASTIC_PIXELS = 0.7
ELASTIC_GRID = 5
# From here on ink, averaged over 2×2 pixels, counts for the digit's box.
INK = 0.3
# How far off the service's frame may be, in size and place.
OFF_SIZE = 0.06
OFF_PLACE_PIXELS = 0.7


def augment(images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Write each digit in another hand: another style, another shape, another pen.

    Parameters
    ----------
    images : Tensor
        (N, 28, 28) float in [0, 1], background = 0.
    labels : Tensor
        (N,) the digits.
    generator : Generator
        Source of randomness, on the images' device.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    return augment_others(restyle(images, labels, generator), generator)


def augment_others(images: Tensor, generator: Generator) -> Tensor:
    """The same for images that show no digit: another shape, another pen."""
    return wear(deform(images, generator), generator)


def affine(n: int, generator: Generator) -> Tensor:
    """Random rotations, stretches of each axis and shears about the origin: (n, 2, 2)."""
    angle = uniform((n,), -1, 1, generator) * math.radians(ROTATION_DEGREES)
    shear = uniform((n,), -SHEAR, SHEAR, generator)
    scale_x, scale_y = uniform((2, n), -STRETCH, STRETCH, generator).exp()
    cos, sin = angle.cos(), angle.sin()
    row_x = torch.stack([cos * scale_x, (shear * cos - sin) * scale_y], dim=1)
    row_y = torch.stack([sin * scale_x, (shear * sin + cos) * scale_y], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def elastic(n: int, generator: Generator) -> Tensor:
    """Random displacements of a coarse grid of points, in pixels: (n, 2, ELASTIC_GRID, ELASTIC_GRID).

    Simard et al. (2003) blur one random vector a pixel; a bicubic surface through a few is as smooth, and a
    fraction of the work.
    """
    shape = (n, 2, ELASTIC_GRID, ELASTIC_GRID)
    return torch.randn(shape, generator=generator, device=generator.device) * ELASTIC_PIXELS


def positions(linear: Tensor, shift: Tensor, elastic: Tensor, step: int = 1) -> Tensor:
    """Where each output pixel is sampled: an affine map plus a bicubic surface.

    Both are linear in products of functions of x and of y, so that one matrix product makes the grid.

    Parameters
    ----------
    linear : Tensor
        (N, 2, 2) the map's matrix.
    shift : Tensor
        (N, 2) its shift as (x, y), in pixels.
    elastic : Tensor
        (N, 2, G, G) displacements of a coarse grid as (x, y), in pixels.
    step : int
        Every how many pixels.

    Returns
    -------
    Tensor
        (N, 28 / step, 28 / step, 2) positions as (x, y), where -1 and 1 are the image's edges.
    """
    n, side = len(linear), elastic.shape[-1]
    place = torch.arange(FRAME_SIDE, device=linear.device) - (FRAME_SIDE - 1) / 2
    points = torch.eye(side, device=linear.device)[None, :, :, None]
    surface = F.interpolate(points, (FRAME_SIDE, 1), mode="bicubic", align_corners=False)[0, :, :, 0].T
    basis = torch.cat([surface, place[:, None], torch.ones_like(place)[:, None]], dim=1)[::step]  # (28, G + 2)
    weights = elastic.new_zeros((n, 2, side + 2, side + 2))  # rows for y, columns for x
    weights[:, :, :side, :side] = elastic
    weights[:, :, -1, -2], weights[:, :, -2, -1], weights[:, :, -1, -1] = linear[:, :, 0], linear[:, :, 1], shift
    return (basis @ weights @ basis.T).permute(0, 2, 3, 1) * (2 / FRAME_SIDE)


def reframing(looked: Tensor, step: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """The scale and the shift that bring digits to the frame's size and place, and a little off them.

    Parameters
    ----------
    looked : Tensor
        (N, h, w) the images, at every `step`-th pixel.

    Returns
    -------
    (Tensor, Tensor)
        (N, 1) scale, and (N, 2) shift as (x, y) in pixels, from the frame's positions to the image's.
    """
    n, count = len(looked), looked.shape[-1]
    place = torch.arange(count, device=looked.device) * step - (FRAME_SIDE - 1) / 2
    profiles = torch.stack([looked.amax(dim=1), looked.amax(dim=2)], dim=1) > INK  # (N, 2, count), x first
    ends = profiles.float().argmax(dim=2) + profiles.flip(2).float().argmax(dim=2)
    size = step * (count - ends).amax(dim=1, keepdim=True)
    sums = torch.stack([looked.sum(dim=1), looked.sum(dim=2)], dim=1)
    centre = (sums @ place) / sums.sum(dim=2).clamp(min=1e-6)  # (N, 2)
    scale = size / BOX_SIDE * uniform((n, 1), -OFF_SIZE, OFF_SIZE, generator).exp()
    off = 0.5 + uniform((n, 2), -OFF_PLACE_PIXELS, OFF_PLACE_PIXELS, generator)  # MNIST's centre is 14.5, not 14
    return scale, centre - scale * off


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Images (N, H, W) at the positions of a grid (N, h, w, 2), bilinearly."""
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def deform(images: Tensor, generator: Generator) -> Tensor:
    """Deform each image by its own random affine and elastic map, and frame it as the service would.

    The deformed digit is looked at once at half the resolution, to know its box and centre of mass; the
    image itself is resampled once.

    Parameters
    ----------
    images : Tensor
        (N, 28, 28) float in [0, 1], background = 0.
    generator : Generator
        Source of randomness, on the images' device.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    n = len(images)
    linear, bend = affine(n, generator), elastic(n, generator)
    looked = sample(F.avg_pool2d(images, 2), positions(linear, linear.new_zeros((n, 2)), bend, step=2))
    scale, shift = reframing(looked, 2, generator)
    shift = (linear @ shift[:, :, None])[:, :, 0]
    return sample(images, positions(linear * scale[:, :, None], shift, bend))
