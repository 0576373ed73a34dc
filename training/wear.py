"""What pen, paper and preprocessing do to a digit's ink: thicker and thinner, blurred, faded, torn, a line left.

Ignores: the digit's shape.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.preprocess.frame import FRAME_SIDE
from training.pen import draw, uniform

MIDDLE = (FRAME_SIDE - 1) / 2


def wear(images: Tensor, generator: Generator) -> Tensor:
    """Put each effect on a random part of the images.

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
    images = images.clone()
    for effect, share in EFFECTS:
        order = torch.randperm(len(images), generator=generator, device=generator.device)
        chosen = order[: round(share * len(images))]
        images[chosen] = effect(images[chosen], generator)
    return images


def thickened(images: Tensor, generator: Generator) -> Tensor:
    """Strokes up to two pixels wider."""
    return torch.lerp(images, dilated(images), each(images, 0, 1, generator))


def thinned(images: Tensor, generator: Generator) -> Tensor:
    """Strokes up to about a pixel and a half narrower."""
    return torch.lerp(images, -dilated(-images), each(images, 0, 0.7, generator))


def blurred(images: Tensor, generator: Generator) -> Tensor:
    """Averaged with the neighbours, weighted 1 2 1 along both axes."""
    weights = images.new_tensor([0.25, 0.5, 0.25])
    soft = F.conv2d(images[:, None], torch.outer(weights, weights)[None, None], padding=1)[:, 0]
    return torch.lerp(images, soft, each(images, 0, 0.9, generator))


def coarsened(images: Tensor, generator: Generator) -> Tensor:
    """Seen at a third to two thirds of the pixels, half of them in black and white: as small scans, enlarged."""
    side = int(torch.randint(10, 20, (), generator=generator, device=generator.device))
    coarse = F.interpolate(images[:, None], (side, side), mode="area")
    sharp = (coarse > 0.4 * coarse.amax(dim=(2, 3), keepdim=True)).float()
    coarse[::2] = sharp[::2]
    return F.interpolate(coarse, (FRAME_SIDE, FRAME_SIDE), mode="bilinear", align_corners=False)[:, 0]


def toned(images: Tensor, generator: Generator) -> Tensor:
    """Greys darker or paler (a gamma curve), as other pens and scanners make them."""
    return images.clamp(0, 1) ** each(images, -0.6, 0.6, generator).exp()


def torn(images: Tensor, generator: Generator) -> Tensor:
    """A straight streak without ink, as where a pen skips or a line was taken out."""
    n = len(images)
    middle = uniform((n, 2), -7, 7, generator) + MIDDLE
    streak = line(middle, uniform((n,), 0, math.pi, generator), torch.full_like(middle[:, 0], FRAME_SIDE))
    gap = draw(streak, uniform((n,), 0.3, 1.2, generator))
    return images * (1 - gap * each(images, 0.3, 1, generator))


def lined(images: Tensor, generator: Generator) -> Tensor:
    """A part of a straight line beside the digit, upright or level, as preprocessing may leave one."""
    n = len(images)
    side = torch.randint(0, 2, (2, n), generator=generator, device=generator.device)
    across, along = (2 * side[0] - 1) * uniform((n,), 9, 13, generator), uniform((n,), -8, 8, generator)
    upright = side[1] == 1
    middle = torch.stack([torch.where(upright, across, along), torch.where(upright, along, across)], dim=1) + MIDDLE
    angle = upright * (math.pi / 2) + uniform((n,), -0.15, 0.15, generator)
    rest = draw(line(middle, angle, uniform((n,), 2, 10, generator)), uniform((n,), 0.3, 1.5, generator))
    return torch.maximum(images, rest * each(images, 0.3, 1, generator))


def each(images: Tensor, low: float, high: float, generator: Generator) -> Tensor:
    """A random number for each image, (N, 1, 1)."""
    return uniform((len(images), 1, 1), low, high, generator)


def dilated(images: Tensor) -> Tensor:
    """Each pixel's maximum with its four neighbours."""
    rows = F.max_pool2d(images[:, None], (3, 1), 1, (1, 0))
    return torch.maximum(rows, F.max_pool2d(images[:, None], (1, 3), 1, (0, 1)))[:, 0]


def line(middle: Tensor, angle: Tensor, half_length: Tensor) -> Tensor:
    """The two ends (N, 2, 2) of straight lines, from their middles (N, 2), angles and half lengths (N,)."""
    half = torch.stack([angle.cos(), angle.sin()], dim=1) * half_length[:, None]
    return torch.stack([middle - half, middle + half], dim=1)


Effect = Callable[[Tensor, Generator], Tensor]
EFFECTS: tuple[tuple[Effect, float], ...] = (
    (thickened, 0.25),
    (thinned, 0.25),
    (blurred, 0.25),
    (torn, 0.05),
    (lined, 0.05),
    (coarsened, 0.15),
    (toned, 0.5),
)
