"""Make writing styles that are rare in MNIST from its digits: add strokes, bend them, or cut them off.

MNIST's digits are American: its 1 is a bare stroke, its 7 uncrossed, its 9 straight at the bottom. Slant, size and pen
are varied by `training.augment`.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from app.preprocess.frame import FRAME_SIDE
from training.extent import INK, extent, ink_column
from training.pen import bar, draw, pens, uniform


def restyle(images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Change some of the digits to the styles of other writers.

    Parameters
    ----------
    images : Tensor
        (N, 28, 28) float in [0, 1], background = 0, with MNIST's size and position.
    labels : Tensor
        (N,) the digits.
    generator : Generator
        Source of randomness, on the images' device.

    Returns
    -------
    Tensor
        (N, 28, 28) float in [0, 1]; a digit may extend beyond MNIST's box of 20 pixels.
    """
    styled = images.clone()
    for digit, source, style, share in STYLES:
        random = torch.rand(len(images), generator=generator, device=generator.device)
        chosen = ((labels == digit) & (random < share)).nonzero()[:, 0]
        sources = styled[chosen] if source == digit else images[labels == source]
        if len(chosen) and len(sources):
            styled[chosen] = style(drawn(sources, len(chosen), generator) if source != digit else sources, generator)
    return styled


def drawn(images: Tensor, count: int, generator: Generator) -> Tensor:
    """Draw `count` of the images, with replacement."""
    return images[torch.randint(len(images), (count,), generator=generator, device=generator.device)]


def with_upstroke(ones: Tensor, generator: Generator) -> Tensor:
    """Add a long upstroke to 1s, as in most of Europe."""
    n, box = len(ones), extent(ones)
    pen = pens(ones, generator)
    top = torch.stack([ink_column(ones, box.top), box.top + pen / 2], dim=1)
    slant = torch.atan2(top[:, 0] - ink_column(ones, box.bottom - 1), box.height).clamp(-0.3, 0.8)
    angle = (slant + uniform((n,), 0.35, 0.95, generator)).clamp(max=1.1)
    length = uniform((n,), 0.3, 0.95, generator) * box.height
    start = top + torch.stack([-angle.sin(), angle.cos()], dim=1) * length[:, None]
    bend = torch.stack([-angle.cos(), -angle.sin()], dim=1) * (uniform((n,), -0.12, 0.12, generator) * length)[:, None]
    return torch.maximum(ones, draw(torch.stack([top, (top + start) / 2 + bend, start], dim=1), pen))


def ones_from_sevens(sevens: Tensor, generator: Generator) -> Tensor:
    """Shear 7s to 1s with a long upstroke: the bar is turned down, the stem upright.

    The network may recognise added strokes by their width; here, there are none.
    """
    n = len(sevens)
    down, upright = uniform((n,), 0.7, 1.2, generator), uniform((n,), 0, 0.4, generator)
    shears = torch.stack([1 - upright * down, -upright, down, torch.ones_like(down)], dim=1).view(n, 2, 2)
    return warped(sevens, F.pad(shears * uniform((n, 1, 1), 1.05, 1.2, generator), (0, 1)))


def with_base(ones: Tensor, generator: Generator) -> Tensor:
    """Add a short base to 1s."""
    n, box = len(ones), extent(ones)
    pen = pens(ones, generator)
    foot = torch.stack(
        [ink_column(ones, box.bottom - 1), box.bottom - pen / 2 + uniform((n,), -0.3, 0.7, generator)], 1
    )
    return torch.maximum(ones, draw(bar(foot, 2, 7, (-0.2, 0.12), generator), pen))


def crossed(sevens: Tensor, generator: Generator) -> Tensor:
    """Add a bar through the stem of 7s."""
    n, box = len(sevens), extent(sevens)
    row = box.top + box.height * uniform((n,), 0.42, 0.68, generator)
    stem = torch.stack([ink_column(sevens, row.floor()), row], dim=1)
    return torch.maximum(sevens, draw(bar(stem, 2.5, 6, (-0.35, 0.15), generator), pens(sevens, generator)))


def hooked(sevens: Tensor, generator: Generator) -> Tensor:
    """Add a short stroke down at the start of a 7's top bar."""
    n, box = len(sevens), extent(sevens)
    pen = pens(sevens, generator)
    axis = torch.arange(FRAME_SIDE, device=sevens.device)
    left = sevens * (axis < box.left[:, None] + 2)[:, None, :]
    row = (left.sum(dim=2) @ axis.float()) / left.sum(dim=(1, 2)).clamp(min=1e-6)
    start = torch.stack([box.left + pen / 2, row], dim=1)
    angle, length = uniform((n,), -0.9, 0.5, generator), uniform((n,), 1.5, 6, generator)
    end = start + torch.stack([angle.sin(), angle.cos()], dim=1) * length[:, None]
    return torch.maximum(sevens, draw(torch.stack([start, end], dim=1), pen))


def curled(nines: Tensor, generator: Generator) -> Tensor:
    """Curl the tail of 9s to the left and up, some after a turn to the right. They are first shrunk to make room."""
    n = len(nines)
    nines = warped(nines, nines.new_tensor([[1.5, 0, 0], [0, 1.5, 0.5]]).expand(n, 2, 3))
    box, pen = extent(nines), pens(nines, generator)
    radius, flatness = uniform((n, 1), 2, 5.5, generator), uniform((n, 1), 0.5, 1, generator)
    first = uniform((n, 1), math.radians(-80), math.radians(20), generator).clamp(max=0)  # 0 goes straight down
    last = uniform((n, 1), math.radians(70), math.radians(190), generator)
    angles = first + torch.linspace(0, 1, 7, device=nines.device) * (last - first)
    x = ink_column(nines, box.bottom - 1)[:, None] + radius * (angles.cos() - first.cos())
    y = (box.bottom - pen / 2)[:, None] + radius * flatness * (angles.sin() - first.sin())
    return torch.maximum(nines, draw(torch.stack([x, y], dim=2), pen))


def nines_from_threes(threes: Tensor, generator: Generator) -> Tensor:
    """Close the upper bow of 3s to a loop: 9s whose tail swings to the right first."""
    box, pen = extent(threes), pens(threes, generator)
    axis = torch.arange(FRAME_SIDE, device=threes.device)
    share = (axis - box.top[:, None]) / box.height[:, None]
    ends = [leftmost(threes * ((share >= low) & (share < high))[:, :, None]) for low, high in ((0, 0.35), (0.35, 0.65))]
    off = uniform((len(threes), 1), 0.05, 0.2, generator) * box.height[:, None] * threes.new_tensor([1, 0])
    return torch.maximum(threes, draw(torch.stack([ends[0], sum(ends) / 2 - off, ends[1]], dim=1), pen))


def leftmost(images: Tensor) -> Tensor:
    """Return where (N, 2) the ink of images begins on the left, as (x, y)."""
    left, axis = extent(images).left, torch.arange(FRAME_SIDE, device=images.device)
    columns = images * ((axis >= left[:, None]) & (axis < left[:, None] + 2))[:, None, :]
    row = (columns.sum(dim=2) @ axis.float()) / columns.sum(dim=(1, 2)).clamp(min=1e-6)
    return torch.stack([left + 1, row], dim=1)


def closed(fours: Tensor, generator: Generator) -> Tensor:
    """Join the two upper ends of 4s, as in print."""
    box, pen = extent(fours), pens(fours, generator)
    axis = torch.arange(FRAME_SIDE, device=fours.device)
    upper = fours * (axis < (box.top + 0.45 * box.height)[:, None])[:, :, None]
    left = (axis < ((box.left + box.right) / 2)[:, None])[:, None, :]
    ends = []
    for half in (upper * left, upper * ~left):
        top = extent(half).top
        ends.append(torch.stack([ink_column(half, top), top + pen / 2], dim=1))
    has_both = ((upper * left).amax(dim=(1, 2)) > INK) & ((upper * ~left).amax(dim=(1, 2)) > INK)
    return torch.maximum(fours, draw(torch.stack(ends, dim=1), pen) * has_both[:, None, None])


def waved(sevens: Tensor, generator: Generator) -> Tensor:
    """Bend the top bar of 7s to a wave that starts low, and cross the stem, as in central Europe."""
    n, box = len(sevens), extent(sevens)
    axis = torch.arange(FRAME_SIDE, device=sevens.device)
    along = (axis - box.left[:, None]) / (box.right - box.left).clamp(min=1)[:, None]  # 0 to 1 over the width
    near_top = (1 - (axis - box.top[:, None]) / (0.5 * box.height)[:, None]).clamp(0, 1)
    wave = (2 * math.pi * along / uniform((n, 1), 0.65, 0.85, generator)).cos()
    rise = uniform((n, 1), 1.5, 4.5, generator) * wave
    identity = torch.eye(2, 3, device=sevens.device).expand(n, 2, 3)
    return crossed(warped(sevens, identity, near_top[:, :, None] * rise[:, None, :]), generator)


def tailed(zeros: Tensor, generator: Generator) -> Tensor:
    """Add a tail to 0s: the end of the stroke curls from the top into the inside, in either direction."""
    n, box = len(zeros), extent(zeros)
    pen = pens(zeros, generator)
    top = torch.stack([ink_column(zeros, box.top), box.top + pen / 2], dim=1)
    middle = torch.stack([(box.left + box.right) / 2, (box.top + box.bottom) / 2], dim=1)
    side = 1 - 2 * torch.randint(2, (n, 1), generator=generator, device=generator.device)
    share = torch.linspace(0, 1, 8, device=zeros.device)
    turn = side * uniform((n, 1), math.radians(80), math.radians(250), generator) * share
    inner = 1 - uniform((n, 1), 0.4, 0.8, generator) * share
    radii = torch.stack([(box.right - box.left) / 2, box.height / 2], dim=1)
    ellipse = torch.stack([turn.sin(), -turn.cos()], dim=2) * radii[:, None] * inner[:, :, None]
    off = (top - middle + radii * top.new_tensor([0, 1]))[:, None] * (1 - share)[:, None]  # starts at the ink
    return torch.maximum(zeros, draw(middle[:, None] + ellipse + off, pen))


def slashed(zeros: Tensor, generator: Generator) -> Tensor:
    """Draw a slash through 0s, from the lower left to the upper right, that ends inside or outside of them."""
    n, box = len(zeros), extent(zeros)
    middle = torch.stack([(box.left + box.right) / 2, (box.top + box.bottom) / 2], dim=1)
    angle, reach = uniform((n,), 0.5, 1.2, generator), uniform((2, n, 1), 0.25, 0.65, generator) * box.height[:, None]
    along = torch.stack([angle.cos(), -angle.sin()], dim=1)
    ends = torch.stack([middle - reach[0] * along, middle + reach[1] * along], dim=1)
    return torch.maximum(zeros, draw(ends, pens(zeros, generator)))


def roofed(sixes: Tensor, generator: Generator) -> Tensor:
    """Add a flat end to the upper stroke of 6s, to the right."""
    n, box = len(sixes), extent(sixes)
    pen = pens(sixes, generator)
    start = torch.stack([ink_column(sixes, box.top), box.top + pen / 2], dim=1)
    length, angle = uniform((n,), 2, 8, generator), uniform((n,), -0.3, 0.5, generator)
    half = start + torch.stack([length / 2, (angle - 0.3) * length / 2], dim=1)
    end = start + torch.stack([length, angle * length], dim=1)
    return torch.maximum(sixes, draw(torch.stack([start, half, end], dim=1), pen))


def short_stemmed(fours: Tensor, generator: Generator) -> Tensor:
    """Cut the stem of open 4s off a little above the bar, or at the bar."""
    box = extent(fours)
    axis = torch.arange(FRAME_SIDE, device=fours.device)
    height = (axis - box.top[:, None]) / box.height[:, None]
    inside = fours * ((height > 0.35) & (height < 0.8))[:, :, None]
    row = inside.sum(dim=2).argmax(dim=1)  # of the bar
    above = axis < (row - uniform((len(fours),), 1, 4, generator))[:, None]
    right = axis > ((box.left + box.right) / 2)[:, None]
    return fours * ~(above[:, :, None] & right[:, None, :])


def warped(images: Tensor, matrices: Tensor, lowered: Tensor | float = 0.0) -> Tensor:
    """Resample images (N, 28, 28) by affine maps (N, 2, 3) from output to input, with the edges at -1 and 1.

    Each pixel is then lowered by as many pixels as `lowered` (N, 28, 28) says.
    """
    grid = F.affine_grid(matrices, [len(images), 1, FRAME_SIDE, FRAME_SIDE], align_corners=False)
    grid[..., 1] -= lowered * (2 / FRAME_SIDE)
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


Style = Callable[[Tensor, Generator], Tensor]
# The digit to make, the digit it is made from, the style, and the share of the digit that gets it. Except for the
# European 1s, the share is a third of the one with the fewest errors on unfamiliar writers: if 9s are often curled,
# straight ones are read as 4s. The shares of waved, short-stemmed, tailed and roofed digits are not tuned.
STYLES: tuple[tuple[int, int, Style, float], ...] = (
    (1, 1, with_upstroke, 0.5),
    (1, 7, ones_from_sevens, 0.2),
    (1, 1, with_base, 0.1),
    (7, 7, waved, 0.06),
    (7, 7, crossed, 0.12),
    (7, 7, hooked, 0.08),
    (9, 9, curled, 0.13),
    (9, 3, nines_from_threes, 0.05),
    (4, 4, closed, 0.05),
    (4, 4, short_stemmed, 0.05),
    (0, 0, tailed, 0.08),
    (0, 0, slashed, 0.06),
    (6, 6, roofed, 0.05),
)
