"""Make writing styles that are rare in MNIST from its digits: add strokes, bend them,
or cut them off.

MNIST's digits are American: its 1 is a bare stroke, its 7 uncrossed, its 9 straight at
the bottom. Slant, size and pen are varied by `training.digits.augment`.
"""

from collections.abc import Callable
from math import pi, radians

import torch
from torch import Generator, Tensor

from app.picture.frame import FRAME_SIDE
from training.writing.batch import (
    EXTENT_LEVEL,
    PER_IMAGE,
    Random,
    affine_grid,
    extent,
    ink_column,
    points,
    sample,
    stroke_width,
)
from training.writing.strokes import draw

Range = tuple[float, float]
RIGHT = pi / 2  # an angle, from downwards
# Heights at which the upper bow of a 3 begins, is widest, and ends.
BOW = 0, 0.35, 0.65


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
        is_chosen = Random(len(images), generator).chosen(share).flatten()
        chosen = ((labels == digit) & is_chosen).nonzero()[:, 0]
        sources = styled[chosen] if source == digit else images[labels == source]
        if not len(chosen) or not len(sources):
            continue
        if source != digit:
            sources = sources[Random(len(chosen), generator).integers(0, len(sources))]
        styled[chosen] = style(Ink(sources, generator))
    return styled


class Ink:
    """Images of one digit, where their ink is, and a pen like that of each.

    Lengths are (N, 1, 1), and points (N, 1, 2), as (x, y).
    """

    def __init__(self, images: Tensor, generator: Generator) -> None:
        self.images = images
        self.generator = generator
        self.random = Random(len(images), generator)
        self.box = box = extent(images)
        width = stroke_width(images).clamp(1.2, 5)
        self.pen = pen = width * self.random(0.75, 1.05)
        self.columns = torch.arange(FRAME_SIDE, device=images.device)
        self.rows = self.columns[:, None]
        self.middle = points(box.left + box.right, box.top + box.bottom) / 2
        self.top = points(ink_column(images, box.top), box.top + pen / 2)
        self.left = points(box.left + pen / 2, ink_column(images.mT, box.left))
        self.foot = points(ink_column(images, box.bottom - 1), box.bottom - pen / 2)

    @property
    def height(self) -> Tensor:
        """Each row's height in the ink, (N, 28, 1): 0 at the top, 1 at the bottom."""
        return (self.rows - self.box.top) / self.box.height.clamp(min=1)

    def part(self, mask: Tensor) -> "Ink":
        """Return the ink of a mask (N, 28, 28)."""
        return Ink(self.images * mask, self.generator)

    def with_stroke(self, *vertices: Tensor) -> Tensor:
        """Draw a stroke through points (N, P, 2)."""
        return torch.maximum(self.images, draw(torch.cat(vertices, dim=1), self.pen))

    def with_line(
        self, point: Tensor, angle: Range, before: Range, after: Range
    ) -> Tensor:
        """Draw a straight stroke through a point; `angle` is that of `downwards`."""
        direction = downwards(self.random(*angle))
        start = point - direction * self.random(*before)
        return self.with_stroke(start, point + direction * self.random(*after))


def downwards(angle: Tensor) -> Tensor:
    """Return unit vectors of an angle: 0 is downwards, positive ones turn right."""
    return points(angle.sin(), angle.cos())


def with_upstroke(ones: Ink) -> Tensor:
    """Add a long upstroke to 1s, as in most of Europe."""
    lean = (ones.top - ones.foot)[:, :, :1]
    slant = torch.atan2(lean, ones.box.height).clamp(-0.3, 0.8)
    angle = -(slant + ones.random(0.35, 0.95)).clamp(max=1.1)
    length = ones.random(0.3, 0.95) * ones.box.height
    end = ones.top + downwards(angle) * length
    bend = downwards(angle - RIGHT) * (ones.random(-0.12, 0.12) * length)
    halfway = ones.top + downwards(angle) * length / 2 + bend
    return ones.with_stroke(ones.top, halfway, end)


def with_base(ones: Ink) -> Tensor:
    """Add a short base to 1s."""
    return ones.with_line(ones.foot, (RIGHT - 0.12, RIGHT + 0.2), (2, 7), (2, 7))


def crossed(sevens: Ink) -> Tensor:
    """Add a bar through the stem of 7s."""
    row = sevens.box.top + sevens.box.height * sevens.random(0.42, 0.68)
    stem = points(ink_column(sevens.images, row.floor()), row)
    return sevens.with_line(stem, (RIGHT - 0.15, RIGHT + 0.35), (2.5, 6), (2.5, 6))


def hooked(sevens: Ink) -> Tensor:
    """Add a short stroke down at the start of a 7's top bar."""
    return sevens.with_line(sevens.left, (-0.9, 0.5), (0, 0), (1.5, 6))


def curled(nines: Ink) -> Tensor:
    """Curl the tail of 9s to the left and up, some after a turn to the right.

    They are first shrunk to make room.
    """
    shrunk = nines.images.new_tensor([[1.5, 0, 0], [0, 1.5, 0.5]])
    nines = Ink(warped(nines.images, shrunk), nines.generator)
    radius = nines.random(2, 5.5)
    radii = radius * points(nines.random(1, 1), nines.random(0.5, 1))
    # 0 goes straight down.
    first = nines.random(radians(-80), radians(20)).clamp(max=0)
    last = nines.random(radians(70), radians(190))
    share = torch.linspace(0, 1, 7, device=first.device)[:, None]
    angles = first + share * (last - first)
    circle = points(angles.cos() - first.cos(), angles.sin() - first.sin())  # (N, 7, 2)
    return nines.with_stroke(nines.foot + radii * circle)


def nines_from_threes(threes: Ink) -> Tensor:
    """Close the upper bow of 3s to a loop: 9s whose tail swings to the right first."""
    top, middle, bottom = BOW
    height = threes.height
    upper = threes.part((top <= height) & (height < middle)).left
    lower = threes.part((middle <= height) & (height < bottom)).left
    leftwards = downwards(torch.full_like(threes.pen, -RIGHT))
    off = leftwards * (threes.random(0.05, 0.2) * threes.box.height)
    return threes.with_stroke(upper, (upper + lower) / 2 + off, lower)


def closed(fours: Ink) -> Tensor:
    """Join the two upper ends of 4s, as in print."""
    is_upper = fours.height < 0.45
    is_left = fours.columns < fours.middle[:, :, :1]
    left = fours.part(is_upper & is_left)
    right = fours.part(is_upper & ~is_left)
    has_left = left.images.amax(*PER_IMAGE) > EXTENT_LEVEL
    has_right = right.images.amax(*PER_IMAGE) > EXTENT_LEVEL
    has_both = has_left & has_right
    return torch.where(has_both, fours.with_stroke(left.top, right.top), fours.images)


def waved(sevens: Ink) -> Tensor:
    """Bend the top bar of 7s to a wave, and cross the stem, as in central Europe."""
    box = sevens.box
    # 0 to 1 over the width.
    along = (sevens.columns - box.left) / box.width.clamp(min=1)
    height = sevens.random(1.5, 4.5)
    rise = height * (2 * pi * along / sevens.random(0.65, 0.85)).cos()
    near_top = (1 - 2 * sevens.height).clamp(0, 1)
    identity = torch.eye(2, 3, device=rise.device)
    wave = warped(sevens.images, identity, near_top * rise)
    return crossed(Ink(wave, sevens.generator))


def tailed(zeros: Ink) -> Tensor:
    """Add a tail to 0s, which curls from the top into the inside."""
    side = 1 - 2 * zeros.random.integers(0, 2)[:, None, None]
    share = torch.linspace(0, 1, 8, device=side.device)[:, None]
    turn = side * zeros.random(radians(80), radians(250)) * share
    inner = 1 - zeros.random(0.4, 0.8) * share
    radii = points(zeros.box.width, zeros.box.height) / 2
    circle = points(turn.sin(), -turn.cos())  # (N, 8, 2)
    ellipse = circle * radii * inner
    # Starts at the ink.
    off = (zeros.top - zeros.middle - ellipse[:, :1]) * (1 - share)
    return zeros.with_stroke(zeros.middle + ellipse + off)


def slashed(zeros: Ink) -> Tensor:
    """Draw a slash through 0s, from the lower left to the upper right."""
    return zeros.with_line(zeros.middle, (-1.05, -0.4), (5, 13), (5, 13))


def roofed(sixes: Ink) -> Tensor:
    """Add a flat end to the upper stroke of 6s, to the right."""
    return sixes.with_line(sixes.top, (RIGHT - 0.5, RIGHT + 0.3), (0, 0), (2, 8))


def short_stemmed(fours: Ink) -> Tensor:
    """Cut the stem of open 4s off a little above the bar, or at the bar."""
    is_middle = (fours.height > 0.35) & (fours.height < 0.8)
    inside = (fours.images * is_middle).sum(dim=2, keepdim=True)
    bar = inside.argmax(dim=1, keepdim=True)  # its row
    is_above = fours.rows < bar - fours.random(1, 4)
    is_right = fours.columns > fours.middle[:, :, :1]
    return fours.images * ~(is_above & is_right)


def warped(images: Tensor, matrix: Tensor, lowered: Tensor | float = 0.0) -> Tensor:
    """Resample images (N, 28, 28) by an affine map (2, 3) from output to input, with
    the edges at -1 and 1.

    Each pixel is then lowered by as many pixels as `lowered` (N, 28, 28) says.
    """
    matrices = matrix.expand(len(images), 2, 3)
    grid = affine_grid(matrices, images)
    grid[..., 1] -= lowered * (2 / FRAME_SIDE)
    return sample(images, grid)


Style = Callable[[Ink], Tensor]
# The digit to make, the digit it is made from, the style, and the share of the digit
# that gets it. Except for the European 1s, the share is a third of the one with the
# fewest errors on unfamiliar writers: if 9s are often curled, straight ones are read as
# 4s. The shares of waved, short-stemmed, tailed and roofed digits are not tuned.
STYLES: tuple[tuple[int, int, Style, float], ...] = (
    (1, 1, with_upstroke, 0.5),
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
