"""Vary a digit's ink as pens, paper and preprocessing do: thicken, thin, blur, fade,
tear, leave part of a line.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.picture.frame import FRAME_SIDE
from training.writing.batch import PER_IMAGE, Random, points, resized
from training.writing.strokes import draw

MIDDLE = (FRAME_SIDE - 1) / 2

Effect = Callable[[Tensor, Random], Tensor]
Effects = Sequence[tuple[Effect, float]]  # with the share of the images that get each


def thickened(images: Tensor, random: Random) -> Tensor:
    """Widen strokes by up to two pixels."""
    return torch.lerp(images, dilated(images), random(0, 1))


def thinned(images: Tensor, random: Random) -> Tensor:
    """Narrow strokes by up to about a pixel and a half."""
    return torch.lerp(images, -dilated(-images), random(0, 0.7))


def dilated(images: Tensor) -> Tensor:
    """Replace each pixel by the maximum of itself and its four neighbours."""
    rows = F.max_pool2d(images[:, None], (3, 1), 1, (1, 0))
    columns = F.max_pool2d(images[:, None], (1, 3), 1, (0, 1))
    return torch.maximum(rows, columns)[:, 0]


def blurred(images: Tensor, random: Random) -> Tensor:
    """Blur with the kernel 1 2 1 along both axes, at a random strength."""
    weights = images.new_tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(weights, weights)[None, None]
    padded = F.pad(images[:, None], (1, 1, 1, 1), mode="replicate")
    soft = F.conv2d(padded, kernel)[:, 0]
    return torch.lerp(images, soft, random(0, 0.9))


def coarsened(images: Tensor, random: Random) -> Tensor:
    """Shrink to 10 to 19 pixels a side, and enlarge; binarise every second image."""
    side = int(Random(1, random.generator).integers(10, 20))
    coarse = resized(images, (side, side), "area")
    is_ink = coarse > 0.4 * coarse.amax(*PER_IMAGE)
    coarse[::2] = is_ink[::2].float()
    return resized(coarse, (FRAME_SIDE, FRAME_SIDE))


def toned(images: Tensor, random: Random) -> Tensor:
    """Darken or lighten greys with a gamma curve, as other pens and scanners do."""
    return images.clamp(0, 1) ** random(-0.6, 0.6).exp()


def streaked(images: Tensor, random: Random) -> Tensor:
    """Draw all or part of a straight line, as of a printed grid; a third erase ink."""
    is_upright = random.integers(0, 2)[:, None, None]
    angle = is_upright * (math.pi / 2) + random(-0.1, 0.1)
    normal = points(angle.sin(), angle.cos())  # (N, 1, 2)
    middle = random(-13, 13) * normal + MIDDLE
    is_whole = random.chosen(0.5)
    length = torch.where(is_whole, FRAME_SIDE, random(2, 10))
    half = length * points(angle.cos(), angle.sin())
    ends = torch.cat([middle - half, middle + half], dim=1)  # (N, 2, 2)
    streak = draw(ends, random(0.3, 1.5)) * random(0.2, 1)
    is_gap = random.chosen(1 / 3)
    return torch.where(is_gap, images * (1 - streak), torch.maximum(images, streak))


EFFECTS: Effects = (
    (thickened, 0.25),
    (thinned, 0.25),
    (blurred, 0.25),
    (streaked, 0.15),
    (coarsened, 0.15),
    (toned, 0.5),
)


def wear(images: Tensor, generator: Generator, effects: Effects = EFFECTS) -> Tensor:
    """Apply each effect to a random subset of the images.

    Parameters
    ----------
    images : Tensor
        (N, H, W) float in [0, 1], background = 0.
    generator : Generator
        Source of randomness, on the images' device.
    effects : sequence of (Effect, float)
        With their shares; by default for images of 28×28 pixels.

    Returns
    -------
    Tensor
        (N, H, W) float in [0, 1].
    """
    images = images.clone()
    for effect, share in effects:
        order = torch.randperm(
            len(images), generator=generator, device=generator.device
        )
        chosen = order[: round(share * len(images))]
        images[chosen] = effect(images[chosen], Random(len(chosen), generator))
    return images
