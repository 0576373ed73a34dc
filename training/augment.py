"""Random augmentation of digits, as pure functions of a batch and a random generator.

    restyle ──► cut ──► deform ──► wear

Every function runs on its images' device and draws one deformation per image. The
results are framed as the service frames a picture: training sees what serving sees.
Effects that act before preprocessing (light, noise, ruled lines) are left out, except
for the traces that preprocessing may leave.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.picture.frame import BOX_SIDE, FRAME_SIDE
from training.pen import INK, extent, uniform
from training.styles import restyle
from training.wear import wear

# Maximum difference of an affine map from the identity.
OFF_LINEAR = (0.1, 0.28), (0.17, 0.1)
ELASTIC_PIXELS = 0.7
ELASTIC_GRID = 5
CUT = 0.04  # share of the digits
# Maximum jitter of the frame, in log size and in position.
OFF_SIZE = 0.06
OFF_PLACE_PIXELS = 0.7


def augment(images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Augment digits: vary the writing style, the shape and the pen.

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
    return augment_others(cut(restyle(images, labels, generator), generator), generator)


def augment_others(images: Tensor, generator: Generator) -> Tensor:
    """Augment images that show no digit: vary the shape and the pen."""
    return wear(deform(images, generator), generator)


def cut(images: Tensor, generator: Generator) -> Tensor:
    """Cut off up to a quarter of the height or width of some digits at a random side,
    as a picture's edge does.
    """
    random = torch.rand(len(images), generator=generator, device=generator.device)
    chosen = (random < CUT).nonzero()[:, 0]
    axis = torch.arange(FRAME_SIDE, device=images.device).expand(FRAME_SIDE, FRAME_SIDE)
    from_side = torch.stack([axis, -axis, axis.T, -axis.T])
    from_side = from_side[
        torch.randint(4, (len(chosen),), generator=generator, device=generator.device)
    ]
    has_ink = images[chosen] > INK
    low, high = (
        torch.where(has_ink, from_side, end).flatten(1)
        for end in (FRAME_SIDE, -FRAME_SIDE)
    )
    low, high = low.amin(dim=1)[:, None, None], high.amax(dim=1)[:, None, None]
    cut_off = images.clone()
    cut_off[chosen] *= from_side >= low + uniform(
        (len(chosen), 1, 1), 0, 0.25, generator
    ) * (high - low)
    return cut_off


def affine(n: int, generator: Generator) -> Tensor:
    """Draw random affine matrices (n, 2, 2), which stretch, turn and slant."""
    off = uniform((n, 2, 2), -1, 1, generator)
    return torch.eye(2, device=off.device) + off * torch.tensor(
        OFF_LINEAR, device=off.device
    )


def elastic(n: int, generator: Generator) -> Tensor:
    """Draw random displacements of a coarse control grid, in pixels: (n, 2,
    ELASTIC_GRID, ELASTIC_GRID).

    Simard et al. (2003) smooth one random vector per pixel. A bicubic surface through a
    few control points is as smooth and takes a fraction of the work.
    """
    shape = (n, 2, ELASTIC_GRID, ELASTIC_GRID)
    return (
        torch.randn(shape, generator=generator, device=generator.device)
        * ELASTIC_PIXELS
    )


def positions(linear: Tensor, shift: Tensor, elastic: Tensor, step: int = 1) -> Tensor:
    """Compute where to sample each output pixel: an affine map plus a bicubic
    displacement field.

    Both are sums of products of a function of x and a function of y, so the grid is one
    product of three matrices.

    Parameters
    ----------
    linear : Tensor
        (N, 2, 2) the affine map's matrix.
    shift : Tensor
        (N, 2) the affine map's translation as (x, y), in pixels.
    elastic : Tensor
        (N, 2, G, G) displacements of a coarse control grid as (x, y), in pixels.
    step : int
        Compute every `step`-th position along each axis.

    Returns
    -------
    Tensor
        (N, 28 / step, 28 / step, 2) positions as (x, y), with the image's edges at -1
        and 1.
    """
    n, side = len(linear), elastic.shape[-1]
    place = torch.arange(FRAME_SIDE, device=linear.device) - (FRAME_SIDE - 1) / 2
    points = torch.eye(side, device=linear.device)[None, :, :, None]
    surface = F.interpolate(
        points, (FRAME_SIDE, 1), mode="bicubic", align_corners=False
    )[0, :, :, 0].T
    # (28, G + 2).
    basis = torch.cat(
        [surface, place[:, None], torch.ones_like(place)[:, None]], dim=1
    )[::step]
    weights = elastic.new_zeros((n, 2, side + 2, side + 2))  # rows for y, columns for x
    weights[:, :, :side, :side] = elastic
    weights[:, :, -1, -2], weights[:, :, -2, -1], weights[:, :, -1, -1] = (
        linear[:, :, 0],
        linear[:, :, 1],
        shift,
    )
    return (basis @ weights @ basis.T).permute(0, 2, 3, 1) * (2 / FRAME_SIDE)


def reframing(coarse: Tensor, step: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Compute the scale and shift that frame the digits, with random jitter.

    Parameters
    ----------
    coarse : Tensor
        (N, h, w) float: the images, sampled at every `step`-th pixel.
    step : int
        Distance between samples, in pixels.
    generator : Generator
        Source of randomness, on the images' device.

    Returns
    -------
    (Tensor, Tensor)
        (N, 1) scale, and (N, 2) shift as (x, y) in pixels, from frame to image
        positions.
    """
    n = len(coarse)
    place = (
        torch.arange(coarse.shape[-1], device=coarse.device) * step
        - (FRAME_SIDE - 1) / 2
    )
    box = extent(coarse)
    size = step * (1 + torch.maximum(box.width, box.height)[:, None])
    sums = torch.stack([coarse.sum(dim=1), coarse.sum(dim=2)], dim=1)
    centre = (sums @ place) / sums.sum(dim=2).clamp(min=1e-6)  # (N, 2)
    scale = size / BOX_SIDE * uniform((n, 1), -OFF_SIZE, OFF_SIZE, generator).exp()
    # MNIST's centre is 14.5, not 14.
    off = 0.5 + uniform((n, 2), -OFF_PLACE_PIXELS, OFF_PLACE_PIXELS, generator)
    return scale, centre - scale * off


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Sample images (N, H, W) at grid positions (N, h, w, 2), with bilinear
    interpolation.
    """
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def deform(images: Tensor, generator: Generator) -> Tensor:
    """Deform each image by a random affine and elastic map, and frame it as the service
    would.

    A first pass at half the resolution finds the deformed digit's bounding box and
    centre of mass. The image itself is resampled only once.

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
    coarse = sample(
        F.avg_pool2d(images, 2),
        positions(linear, linear.new_zeros((n, 2)), bend, step=2),
    )
    scale, shift = reframing(coarse, 2, generator)
    shift = (linear @ shift[:, :, None])[:, :, 0]
    return sample(images, positions(linear * scale[:, :, None], shift, bend))
