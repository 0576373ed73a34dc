"""Paint lines of ink on paper, batch by batch: other pens, paper, print, light, focus
and noise each time.

Pure functions of tensors and a generator: masks (N, 32, W) → strips (N, H, W').
"""

from math import pi

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.reader.ink_lines import ROWS, Lines
from training.reader.recogniser import LEAST_CONTRAST, PADDING, STRIP_HEIGHT
from training.writing.batch import PER_IMAGE, Random, affine_grid, resized, sample
from training.writing.wear import Effects, blurred, thickened, thinned, wear

# Widths are multiples of it: torch prepares a convolution anew for every width that it
# meets.
WIDTH_STEP = 48


def batch_of(lines: Lines, generator: Generator) -> Tensor:
    """Pad masks to one width, a multiple of WIDTH_STEP, at random places.

    Returns
    -------
    Tensor
        (N, 32, W) float in [0, 1], ink = 1.
    """
    widest = max(line.width for line in lines)
    width = widest + -widest % WIDTH_STEP
    masks = torch.zeros((len(lines), ROWS, width), dtype=torch.uint8)
    for sheet, line in zip(masks, lines, strict=True):
        spare = width - line.width
        left = int(Random(1, generator).integers(0, spare + 1))
        sheet[:, left : left + line.width] = torch.from_numpy(line.mask.copy())
    return masks.float() / 255


def moved(masks: Tensor, random: Random) -> Tensor:
    """Shift, stretch, slant and bend the ink a little."""
    height, width = masks.shape[1:]
    across = 1 + random(0, 0.12)  # a shrunk line still fits
    down = 1 + random(-0.06, 0.12)
    shift = random(-0.06, 0.06)
    slant = random(-0.12, 0.12) * height / width
    none = torch.zeros_like(down)
    x = torch.cat([across, slant, none], dim=2)
    y = torch.cat([none, down, shift], dim=2)
    matrices = torch.cat([x, y], dim=1)  # (N, 2, 3)
    grid = affine_grid(matrices, masks)
    x_bend = random.smooth((height, width), (8, 8)) / width
    y_bend = random.smooth((height, width), (8, 8)) / height
    # Up to about a pixel.
    strength = random.chosen(0.7) * random(0, 2)
    bends = torch.stack([x_bend, y_bend], dim=3)  # (N, H, W, 2)
    return sample(masks, grid + strength[..., None] * bends)


def on_paper(grey: Tensor, random: Random) -> Tensor:
    """Put ink of uneven strength on printed, unevenly lit paper."""
    size = grey.shape[1:]
    strength = 1 + random.smooth(size, (8, 8)) * random.amounts(0, 0.2, 0.6)
    grey = paper(random, *size) - (1 - grey) * strength.clamp(0.3, 1.3)
    clouds = random.smooth(size, (24, 80)).abs()
    light = 1 - clouds * random.amounts(0, 0.25, 0.4)
    x = torch.arange(size[1]) / size[1]
    # Of a shadow, or of the sheet.
    edge = ((x - random(-0.2, 1.2)) * random(-60, 60)).sigmoid()
    return grey * light * (1 - edge * random.amounts(0.1, 0.7, 0.2))


def paper(random: Random, height: int, width: int) -> Tensor:
    """Make paper, 1 = white, with printed patterns and lines; a third is plain."""
    size = (height, width)
    y = torch.arange(height)[:, None]
    x = torch.arange(width)[None].float()
    angle = random(0, pi)
    along = x * angle.cos() + y * angle.sin()
    bend = random.smooth(size, (20, 60)) * random(0.5, 6)
    grain = random.smooth(size, (3, 5)).abs()
    sheet = 1 - grain * random.amounts(0, 0.1, 0.3)
    waves = torch.sin(along * (2 * pi / random(2.2, 12)) + bend)
    hatch = (waves > 0.75).float()
    pattern = torch.where(random.chosen(0.33), 2 * hatch, waves)
    sheet = sheet - pattern * random.amounts(0.01, 0.13, 0.5)
    for _ in range(2):
        edge = random.chosen(0.5) * (height - 1) + random(-2, 3)
        row = torch.where(random.chosen(0.6), edge, random(0, height))
        slope = random(-0.015, 0.015) * (x - width / 2)
        thick = random(0.5, 1.6) + random.chosen(0.15) * random(0, 3)
        rule = ((y - row - slope).abs() < thick).float()
        ruled = 1 - rule * random.amounts(0.05, 0.8, 0.25)
        sheet = torch.minimum(sheet, ruled)
    return torch.where(random.chosen(0.67), sheet, torch.ones_like(sheet))


def coarsened(grey: Tensor, random: Random) -> Tensor:
    """Show strips as if they had been small, or out of focus, and enlarged."""
    factor = Random(1, random.generator)(1.2, 2.4).item()
    height, width = grey.shape[1:]
    small = resized(grey, (round(height / factor), round(width / factor)), "area")
    return resized(small, (height, width))


def noisy(grey: Tensor, random: Random) -> Tensor:
    """Add noise, as a camera or scanner does."""
    return grey + random.normal(*grey.shape[1:]) * random(0, 0.05)


def binarised(grey: Tensor, _: Random) -> Tensor:
    """Make each pixel black or white."""
    darkest = grey.amin(*PER_IMAGE)
    lightest = grey.amax(*PER_IMAGE)
    return (grey > (darkest + lightest) / 2).float()


def inverted(grey: Tensor, _: Random) -> Tensor:
    """Make light ink on dark paper."""
    return 1 - grey


# Points are small: where they are thinned away, or among specks of noise, their labels
# would teach the network to overlook them.
PENS: Effects = ((moved, 0.7), (thickened, 0.3), (thinned, 0.1), (blurred, 0.3))
SURROUNDINGS: Effects = (
    (on_paper, 0.5),
    (coarsened, 0.15),
    (blurred, 0.25),
    (binarised, 0.1),
    (noisy, 0.6),
    (inverted, 0.25),
)


def painted(masks: Tensor, generator: Generator) -> Tensor:
    """Paint ink (N, 32, W) in [0, 1] on paper: grey pixels (N, 32, W), white = 1."""
    ink = wear(masks, generator, PENS)
    contrast = Random(len(masks), generator)(0.25, 0.95)
    return wear(1 - contrast * ink, generator, SURROUNDINGS)


def painted_strips(lines: Lines, generator: Generator) -> Tensor:
    """Paint lines anew: strips, as `strips_of` returns them."""
    return strips_of(painted(batch_of(lines, generator), generator))


def strips_of(grey: Tensor) -> Tensor:
    """Enlarge painted lines to strips, as the service cuts them out of a picture.

    Parameters
    ----------
    grey : Tensor
        (N, h, W) float: grey pixels, white = 1.

    Returns
    -------
    Tensor
        (N, STRIP_HEIGHT, W') float in [-1, 1]: normalised, and padded to the right.
    """
    width = round(grey.shape[2] * STRIP_HEIGHT / grey.shape[1])
    return padded(normalised(resized(grey, (STRIP_HEIGHT, width))))


def normalised(grey: Tensor) -> Tensor:
    """Scale strips (N, H, W), white = 1, as `app.text.line_network` does.

    The median becomes 0, and the farthest level ±1.
    """
    levels = grey - grey.flatten(1).median(dim=1).values[:, None, None]
    farthest = levels.abs().amax(*PER_IMAGE)
    return levels / farthest.clamp(min=LEAST_CONTRAST / 255)


def padded(strips: Tensor) -> Tensor:
    """Pad strips to the right, to a multiple of PADDING."""
    return F.pad(strips, (0, -strips.shape[2] % PADDING))
