"""Vary a digit's ink as pens, paper and preprocessing do: thicken, thin, blur, fade,
tear, leave part of a line.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.picture.frame import FRAME_SIDE
from training.pen import draw, uniform

MIDDLE = (FRAME_SIDE - 1) / 2


Effect = Callable[[Tensor, Generator], Tensor]
Effects = Sequence[tuple[Effect, float]]  # with the share of the images that get each


def wear(
    images: Tensor, generator: Generator, effects: Effects | None = None
) -> Tensor:
    """Apply each effect to a random subset of the images.

    Parameters
    ----------
    images : Tensor
        (N, H, W) float in [0, 1], background = 0.
    generator : Generator
        Source of randomness, on the images' device.
    effects : sequence of (Effect, float), optional
        By default EFFECTS, for images of 28×28 pixels.

    Returns
    -------
    Tensor
        (N, H, W) float in [0, 1].
    """
    images = images.clone()
    for effect, share in effects or EFFECTS:
        order = torch.randperm(
            len(images), generator=generator, device=generator.device
        )
        chosen = order[: round(share * len(images))]
        images[chosen] = effect(images[chosen], generator)
    return images


def thickened(images: Tensor, generator: Generator) -> Tensor:
    """Widen strokes by up to two pixels."""
    return torch.lerp(images, dilated(images), per_image(images, 0, 1, generator))


def thinned(images: Tensor, generator: Generator) -> Tensor:
    """Narrow strokes by up to about a pixel and a half."""
    return torch.lerp(images, -dilated(-images), per_image(images, 0, 0.7, generator))


def blurred(images: Tensor, generator: Generator) -> Tensor:
    """Blur with the kernel 1 2 1 along both axes, at a random strength."""
    weights = images.new_tensor([0.25, 0.5, 0.25])
    padded = F.pad(images[:, None], (1, 1, 1, 1), mode="replicate")
    soft = F.conv2d(padded, torch.outer(weights, weights)[None, None])[:, 0]
    return torch.lerp(images, soft, per_image(images, 0, 0.9, generator))


def coarsened(images: Tensor, generator: Generator) -> Tensor:
    """Downsample to 10 to 19 pixels a side and enlarge again, like small scans; every
    second image is binarised.
    """
    side = int(torch.randint(10, 20, (), generator=generator, device=generator.device))
    coarse = F.interpolate(images[:, None], (side, side), mode="area")
    sharp = (coarse > 0.4 * coarse.amax(dim=(2, 3), keepdim=True)).float()
    coarse[::2] = sharp[::2]
    return F.interpolate(
        coarse, (FRAME_SIDE, FRAME_SIDE), mode="bilinear", align_corners=False
    )[:, 0]


def toned(images: Tensor, generator: Generator) -> Tensor:
    """Darken or lighten greys with a gamma curve, as other pens and scanners do."""
    return images.clamp(0, 1) ** per_image(images, -0.6, 0.6, generator).exp()


def streaked(images: Tensor, generator: Generator) -> Tensor:
    """Draw a straight line or part of one through the digit or beside it, as of a
    printed grid; a third erase ink.
    """
    n, device = len(images), generator.device
    upright = torch.randint(0, 2, (n,), generator=generator, device=device)
    angle = upright * (math.pi / 2) + uniform((n,), -0.1, 0.1, generator)
    middle = (
        uniform((n, 1), -13, 13, generator)
        * torch.stack([angle.sin(), angle.cos()], dim=1)
        + MIDDLE
    )
    is_whole = torch.rand((n, 1), generator=generator, device=device) < 0.5
    half = torch.where(is_whole, FRAME_SIDE, uniform((n, 1), 2, 10, generator))
    half = half * torch.stack([angle.cos(), angle.sin()], dim=1)
    streak = draw(
        torch.stack([middle - half, middle + half], dim=1),
        uniform((n,), 0.3, 1.5, generator),
    )
    streak = streak * per_image(images, 0.2, 1, generator)
    is_gap = torch.rand((n, 1, 1), generator=generator, device=device) < 1 / 3
    return torch.where(is_gap, images * (1 - streak), torch.maximum(images, streak))


def per_image(images: Tensor, low: float, high: float, generator: Generator) -> Tensor:
    """Draw a random number for each image, (N, 1, 1)."""
    return uniform((len(images), 1, 1), low, high, generator)


def dilated(images: Tensor) -> Tensor:
    """Replace each pixel by the maximum of itself and its four neighbours."""
    rows = F.max_pool2d(images[:, None], (3, 1), 1, (1, 0))
    return torch.maximum(rows, F.max_pool2d(images[:, None], (1, 3), 1, (0, 1)))[:, 0]


EFFECTS: Effects = (
    (thickened, 0.25),
    (thinned, 0.25),
    (blurred, 0.25),
    (streaked, 0.15),
    (coarsened, 0.15),
    (toned, 0.5),
)
