"""Draw strokes on a batch of images, each with its own pen."""

import torch
from torch import Generator, Tensor

from app.preprocess.frame import FRAME_SIDE


def uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Draw uniform random numbers in [low, high) on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def stroke_width(images: Tensor) -> Tensor:
    """Estimate the mean stroke width of each image in pixels, (N,): twice the ink over the outline's length."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    down, right = padded[:, 1:, :-1] - padded[:, :-1, :-1], padded[:, :-1, 1:] - padded[:, :-1, :-1]
    return 2 * images.sum(dim=(1, 2)) / torch.hypot(down, right).sum(dim=(1, 2)).clamp(min=1e-6)


def draw(points: Tensor, width: Tensor) -> Tensor:
    """Draw a polyline with round ends on each of N empty images.

    Parameters
    ----------
    points : Tensor
        (N, P, 2) float, P >= 2: vertices as (x, y) in pixels; (0, 0) is the centre of the first pixel.
    width : Tensor
        (N,) float: line width in pixels.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1].
    """
    axis = torch.arange(FRAME_SIDE, device=points.device)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)  # (28, 28, 2)
    distance = points.new_full((len(points), FRAME_SIDE, FRAME_SIDE), torch.inf)
    for start, end in zip(points.unbind(1)[:-1], points.unbind(1)[1:], strict=True):
        along = (end - start)[:, None, None]
        from_start = pixels - start[:, None, None]
        share = (from_start * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-6)
        nearest = share.clamp(0, 1)[..., None] * along
        distance = torch.minimum(distance, torch.linalg.vector_norm(from_start - nearest, dim=-1))
    return (width[:, None, None] / 2 + 0.5 - distance).clamp(0, 1)


def pens(images: Tensor, generator: Generator) -> Tensor:
    """Pick a width (N,) for each image's new stroke, close to that of its own strokes."""
    return stroke_width(images).clamp(1.2, 5) * uniform((len(images),), 0.75, 1.05, generator)


def bar(middle: Tensor, shortest: float, longest: float, tilt: tuple[float, float], generator: Generator) -> Tensor:
    """Return the ends (N, 2, 2) of a nearly horizontal bar through a point (N, 2), with halves of random lengths."""
    n = len(middle)
    left, right = uniform((2, n), shortest, longest, generator)
    slope = torch.stack([torch.ones_like(left), uniform((n,), *tilt, generator)], dim=1)
    return torch.stack([middle - slope * left[:, None], middle + slope * right[:, None]], dim=1)
