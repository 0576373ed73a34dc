"""Paint lines of ink on paper, batch by batch: other pens, paper, print, light, focus
and noise each time.

Pure functions of tensors and a generator: masks (N, 32, W) → strips (N, H, W').
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.line_ink import ROWS, InkLine
from training.pen import uniform
from training.recogniser import HEIGHT, LEAST_CONTRAST, PADDING
from training.wear import Effects, blurred, thickened, thinned, wear

# Widths are multiples of it: torch prepares a convolution anew for every width that it
# meets.
WIDTH_STEP = 48


class Random:
    """Random numbers for each of `n` strips, (N, 1, 1)."""

    def __init__(self, n: int, generator: Generator) -> None:
        self.n, self.generator = n, generator

    def between(self, low: float, high: float) -> Tensor:
        """Draw uniform numbers."""
        return uniform((self.n, 1, 1), low, high, self.generator)

    def chosen(self, share: float) -> Tensor:
        """Choose a share of the strips: 1 for these, 0 for the others."""
        return (torch.rand((self.n, 1, 1), generator=self.generator) < share).float()

    def smooth(self, size: tuple[int, int], cell: tuple[float, float]) -> Tensor:
        """Make smooth noise (N, H, W) with a standard deviation of about 1, from cells
        of this height and width.
        """
        coarse = (self.n, 1, int(size[0] / cell[0]) + 2, int(size[1] / cell[1]) + 2)
        grid = torch.randn(coarse, generator=self.generator)
        return F.interpolate(grid, size, mode="bilinear", align_corners=True)[:, 0]


def batch_of(lines: Sequence[InkLine], generator: Generator) -> Tensor:
    """Pad masks to one width, a multiple of WIDTH_STEP, at random places: (N, 32, W)
    float in [0, 1].
    """
    width = -(-max(line.mask.shape[1] for line in lines) // WIDTH_STEP) * WIDTH_STEP
    masks = torch.zeros((len(lines), ROWS, width), dtype=torch.uint8)
    for sheet, line in zip(masks, lines, strict=True):
        spare = width - line.mask.shape[1]
        left = int(torch.randint(spare + 1, (), generator=generator))
        sheet[:, left : left + line.mask.shape[1]] = torch.from_numpy(line.mask.copy())
    return masks.float() / 255


def painted(masks: Tensor, generator: Generator) -> Tensor:
    """Paint ink (N, 32, W) in [0, 1], ink = 1, on paper: grey pixels (N, 32, W) float."""
    ink = wear(masks, generator, PENS)
    contrast = Random(len(masks), generator).between(0.15, 0.95)
    return wear(1 - contrast * ink, generator, SURROUNDINGS)


def strips_of(grey: Tensor) -> Tensor:
    """Enlarge painted lines to strips, as the service cuts them out of a picture.

    Parameters
    ----------
    grey : Tensor
        (N, h, W) float: grey pixels, white = 1.

    Returns
    -------
    Tensor
        (N, HEIGHT, W') float in [-1, 1]: normalised, and padded to the right.
    """
    size = HEIGHT, round(grey.shape[2] * HEIGHT / grey.shape[1])
    return padded(normalised(F.interpolate(grey[:, None], size, mode="bilinear")[:, 0]))


def normalised(grey: Tensor) -> Tensor:
    """Scale strips (N, H, W), white = 1, as `app.text.line_network` does: the median to
    0, the farthest level to ±1.
    """
    level = grey - grey.flatten(1).median(dim=1).values[:, None, None]
    return level / level.abs().amax(dim=(1, 2), keepdim=True).clamp(
        min=LEAST_CONTRAST / 255
    )


def padded(strips: Tensor) -> Tensor:
    """Pad strips to the right, to a multiple of PADDING."""
    return F.pad(strips, (0, -strips.shape[2] % PADDING))


def moved(masks: Tensor, generator: Generator) -> Tensor:
    """Shift, stretch, slant and bend the ink a little."""
    (n, height, width), random = masks.shape, Random(len(masks), generator)
    across = 1 + random.between(0, 0.12)  # a shrunk line still fits
    down, shift = 1 + random.between(-0.06, 0.12), random.between(-0.06, 0.06)
    slant, none = random.between(-0.12, 0.12) * height / width, torch.zeros_like(down)
    matrices = torch.cat(
        [
            torch.cat([across, slant, none], dim=2),
            torch.cat([none, down, shift], dim=2),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrices, [n, 1, height, width], align_corners=False)
    bends = torch.stack(
        [random.smooth((height, width), (8, 8)) / side for side in (width, height)],
        dim=3,
    )
    # Up to about a pixel.
    grid = grid + (random.chosen(0.7) * random.between(0, 2))[..., None] * bends
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def on_paper(grey: Tensor, generator: Generator) -> Tensor:
    """Put ink, stronger in some places than in others, on paper that is printed on and
    unevenly lit.
    """
    height, width, random = *grey.shape[1:], Random(len(grey), generator)
    strength = 1 + random.smooth((height, width), (8, 8)) * random.between(
        0, 0.2
    ) * random.chosen(0.6)
    grey = paper(random, (height, width)) - (1 - grey) * strength.clamp(0.3, 1.3)
    light = 1 - random.smooth((height, width), (24, 80)).abs() * random.between(
        0, 0.25
    ) * random.chosen(0.4)
    x = torch.arange(width) / width
    # Of a shadow, or of the sheet.
    edge = ((x - random.between(-0.2, 1.2)) * random.between(-60, 60)).sigmoid()
    return grey * light * (1 - edge * random.between(0.1, 0.7) * random.chosen(0.2))


def paper(random: Random, size: tuple[int, int]) -> Tensor:
    """Make paper, 1 = white, with printed patterns and lines; a third is plain."""
    height, width = size
    y, x = torch.arange(height)[:, None], torch.arange(width)[None].float()
    angle = random.between(0, math.pi)
    along = x * angle.cos() + y * angle.sin()
    bend = random.smooth(size, (20, 60)) * random.between(0.5, 6)
    sheet = 1 - random.smooth(size, (3, 5)).abs() * random.between(
        0, 0.1
    ) * random.chosen(0.3)
    waves = torch.sin(along * (2 * math.pi / random.between(2.2, 12)) + bend)
    hatch = (waves > 0.75).float()
    pattern = torch.where(random.chosen(0.33) > 0, 2 * hatch, waves)
    sheet = sheet - pattern * random.between(0.01, 0.13) * random.chosen(0.5)
    for _ in range(2):
        edge = random.chosen(0.5) * (height - 1) + random.between(-2, 3)
        row = torch.where(random.chosen(0.6) > 0, edge, random.between(0, height))
        slope = random.between(-0.015, 0.015) * (x - width / 2)
        thick = random.between(0.5, 1.6) + random.chosen(0.15) * random.between(0, 3)
        rule = ((y - row - slope).abs() < thick).float()
        sheet = torch.minimum(
            sheet, 1 - rule * random.between(0.05, 0.8) * random.chosen(0.25)
        )
    return torch.where(random.chosen(0.67) > 0, sheet, torch.ones_like(sheet))


def coarsened(grey: Tensor, generator: Generator) -> Tensor:
    """Show strips as if they had been small, or out of focus, and enlarged."""
    factor = uniform((), 1.2, 3, generator).item()
    height, width = grey.shape[1:]
    small = F.interpolate(
        grey[:, None], (round(height / factor), round(width / factor)), mode="area"
    )
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)[
        :, 0
    ]


def noisy(grey: Tensor, generator: Generator) -> Tensor:
    """Add noise, as a camera or scanner does."""
    return grey + torch.randn(grey.shape, generator=generator) * Random(
        len(grey), generator
    ).between(0, 0.05)


def binarised(grey: Tensor, _: Generator) -> Tensor:
    """Make each pixel black or white."""
    return (
        grey
        > (grey.amin(dim=(1, 2), keepdim=True) + grey.amax(dim=(1, 2), keepdim=True))
        / 2
    ).float()


def inverted(grey: Tensor, _: Generator) -> Tensor:
    """Make light ink on dark paper."""
    return 1 - grey


PENS: Effects = ((moved, 0.7), (thickened, 0.2), (thinned, 0.2), (blurred, 0.4))
SURROUNDINGS: Effects = (
    (on_paper, 0.5),
    (coarsened, 0.2),
    (blurred, 0.35),
    (noisy, 0.6),
    (binarised, 0.1),
    (inverted, 0.25),
)
