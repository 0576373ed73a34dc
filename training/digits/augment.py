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
from training.writing.batch import EXTENT_LEVEL, PER_IMAGE, Random, extent, sample
from training.writing.styles import restyle
from training.writing.wear import wear

# Maximum difference of an affine map from the identity.
OFF_LINEAR = ((0.1, 0.28), (0.17, 0.1))
ELASTIC_PIXELS = 0.7
ELASTIC_GRID = 5
CUT = 0.04  # share of the digits
# Maximum jitter of the frame, in log size and in position.
OFF_SIZE = 0.06
OFF_PLACE_PIXELS = 0.7
CENTRE = (FRAME_SIDE - 1) / 2


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
    styled = restyle(images, labels, generator)
    return augment_others(cut(styled, generator), generator)


def augment_others(images: Tensor, generator: Generator) -> Tensor:
    """Augment images that show no digit: vary the shape and the pen."""
    return wear(deform(images, generator), generator)


def cut(images: Tensor, generator: Generator) -> Tensor:
    """Cut up to a quarter off some digits at a random side, as an edge does."""
    is_cut = Random(len(images), generator).chosen(CUT)
    chosen = is_cut.flatten().nonzero()[:, 0]
    random = Random(len(chosen), generator)
    axis = torch.arange(FRAME_SIDE, device=images.device).expand(FRAME_SIDE, FRAME_SIDE)
    directions = torch.stack([axis, -axis, axis.T, -axis.T])
    place = directions[random.integers(0, 4)]  # (n, 28, 28), rising from the side
    has_ink = images[chosen] > EXTENT_LEVEL
    first = torch.where(has_ink, place, FRAME_SIDE).amin(*PER_IMAGE)
    last = torch.where(has_ink, place, -FRAME_SIDE).amax(*PER_IMAGE)
    edge = first + random(0, 0.25) * (last - first)
    cut_off = images.clone()
    cut_off[chosen] *= place >= edge
    return cut_off


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
        (N, 2, 1) the affine map's translation as (x, y), in pixels.
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
    n = len(linear)
    side = elastic.shape[-1]
    place = torch.arange(FRAME_SIDE, device=linear.device) - CENTRE
    points = torch.eye(side, device=linear.device)[None, :, :, None]
    surface = F.interpolate(points, (FRAME_SIDE, 1), mode="bicubic")[0, :, :, 0].T
    ends = torch.stack([place, torch.ones_like(place)], dim=1)
    basis = torch.cat([surface, ends], dim=1)[::step]  # (28 / step, G + 2)
    weights = elastic.new_zeros((n, 2, side + 2, side + 2))  # rows for y, columns for x
    weights[:, :, :side, :side] = elastic
    weights[:, :, -1, -2] = linear[:, :, 0]
    weights[:, :, -2, -1] = linear[:, :, 1]
    weights[:, :, -1, -1] = shift[:, :, 0]
    return (basis @ weights @ basis.T).permute(0, 2, 3, 1) * (2 / FRAME_SIDE)


def reframing(
    coarse: Tensor, step: int, random: Random, strength: float
) -> tuple[Tensor, Tensor]:
    """Compute the scale and shift that frame the digits, with random jitter.

    Parameters
    ----------
    coarse : Tensor
        (N, h, w) float: the images, sampled at every `step`-th pixel.
    step : int
        Distance between samples, in pixels.
    random : Random
        Random numbers for N images.
    strength : float
        Factor of the jitter.

    Returns
    -------
    (Tensor, Tensor)
        (N, 1, 1) scale, and (N, 2, 1) shift as (x, y) in pixels, from frame to image
        positions.
    """
    place = torch.arange(coarse.shape[-1], device=coarse.device) * step - CENTRE
    box = extent(coarse)
    size = step * (1 + torch.maximum(box.width, box.height))
    sums = torch.stack([coarse.sum(dim=1), coarse.sum(dim=2)], dim=1)  # (N, 2, w)
    mass = sums.sum(dim=2).clamp(min=1e-6)
    centre = (sums @ place / mass)[:, :, None]
    scale = size / BOX_SIDE * (strength * random(-OFF_SIZE, OFF_SIZE)).exp()
    jitter = strength * random(-OFF_PLACE_PIXELS, OFF_PLACE_PIXELS, (2, 1))
    # MNIST's centre is 14.5, not 14.
    return scale, centre - scale * (0.5 + jitter)


def deform(images: Tensor, generator: Generator, strength: float = 1.0) -> Tensor:
    """Deform each image by a random affine and elastic map, and frame it as the service
    would.

    Simard et al. (2003) smooth one random vector per pixel. A bicubic surface through a
    few control points is as smooth and takes a fraction of the work.

    A first pass at half the resolution finds the deformed digit's bounding box and
    centre of mass. The image itself is resampled only once.

    Parameters
    ----------
    images : Tensor
        (N, 28, 28) float in [0, 1], background = 0.
    generator : Generator
        Source of randomness, on the images' device.
    strength : float
        Factor of all random deviations; with 0, images are only framed.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    random = Random(len(images), generator)
    off = random(-1, 1, (2, 2)) * images.new_tensor(OFF_LINEAR)
    linear = torch.eye(2, device=images.device) + strength * off  # (N, 2, 2)
    bend = strength * ELASTIC_PIXELS * random.normal(2, ELASTIC_GRID, ELASTIC_GRID)
    half = F.avg_pool2d(images, 2)
    unmoved = half.new_zeros((len(half), 2, 1))
    coarse = sample(half, positions(linear, unmoved, bend, step=2))
    scale, shift = reframing(coarse, 2, random, strength)
    return sample(images, positions(linear * scale, linear @ shift, bend))
