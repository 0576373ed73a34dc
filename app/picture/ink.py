"""Image → ink maps, one for each plausible interpretation of the picture.

On an even background (a drawing, a scan, MNIST), ink is what differs from the
background colour. On an uneven background (a photo), ink is strokes that are darker, or
lighter, than the background around them. A tight crop may have more ink than
background; there, ink is what is darker, or lighter, than a threshold.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.picture.maps import Map, sample, sliding, smooth

# Up to this side, a picture may be a tight crop, with ink along its border.
SMALL_SIDE = 40
# Minimum contrast of ink, as a fraction of the range from black to white.
MIN_CONTRAST = 0.06
# A background is even if half of the pixels lie within this of the median colour: 1.5
# of 255 levels.
EVEN = 1.5 / 255
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow
# Advantage of brightness over red, green and blue, of which one may have more contrast.
CHANNEL_WEIGHTS = np.array([1.2, 1, 1, 1])
# Maximum stroke widths of a small digit and of one that fills the picture, as fractions
# of the square root of its area.
STROKE_WIDTHS = (0.10, 0.22)
# Rows along an edge are a printed line if they differ by this much from those further
# in; 1 is the range from black to white.
EDGE_CONTRAST = 0.1
# Separability of ink and background; a uniform gradient has 0.75.
MIN_SEPARABILITY = 0.77
# Log-odds: a desk that is darker than the paper passes the threshold too.
THRESHOLD_PRIOR = -1.0
# Log-odds: few people write light on dark, and the gaps between dark strokes are light.
LIGHT_PRIOR = -2.0
# Thresholds for connected components: high ones separate strokes from faint lines, low
# ones connect faint strokes.
LEVELS = 0.15, 0.3, 0.5


class View(NamedTuple):
    """One interpretation of a picture.

    Attributes
    ----------
    ink : Map
        (H, W) float32 in [0, 1], background = 0, strongest ink = 1.
    levels : tuple of float
        Thresholds for connected components. If empty, all ink belongs together.
    prior : float
        Prior log-odds that this interpretation is right.
    top, left : int
        Position of the map in the image.
    """

    ink: Map
    levels: tuple[float, ...] = ()
    prior: float = 0.0
    top: int = 0
    left: int = 0


def views(image: Image.Image) -> Iterator[View]:
    """Yield the interpretations of an image, the most common ones first.

    The image has mode L, LA, RGB, RGBA or F. A blank one has none.
    """
    for view in interpretations(opaque(image)):
        strongest = float(view.ink.max())
        if strongest >= MIN_CONTRAST:
            yield view._replace(ink=view.ink / strongest)


def interpretations(colour: Map) -> Iterator[View]:
    """Yield the views of (1 or 3, H, W) colours, with ink of any strength."""
    even = ink_on_even_ground(colour)
    if even is not None:
        yield View(even, LEVELS)
    grey = plane(colour)
    is_small = max(colour.shape) <= SMALL_SIDE
    in_strokes = iter(()) if even is not None or is_small else ink_in_strokes(grey)
    yield from islice(in_strokes, 1)
    for ink in ink_by_threshold(grey):
        yield View(ink, prior=THRESHOLD_PRIOR)
    yield from in_strokes


def opaque(image: Image.Image) -> Map:
    """Flatten an image to (1 or 3, H, W) colours, float32 in [0, 1].

    If most pixels are more than half as opaque as the most opaque one, transparent
    pixels are blended with their median colour. Otherwise, or if the result has no
    contrast, as for a filled shape, the alpha channel is the ink.
    """
    levels = np.asarray(image)  # (H, W) or (H, W, bands)
    if image.mode == "F":
        grey: Map = np.nan_to_num(levels, posinf=0, neginf=0)
        grey = (grey - grey.min()) / max(np.ptp(grey), np.finfo(np.float32).tiny)
        return grey[np.newaxis]
    # Or the rest is slow.
    bands = np.ascontiguousarray(np.atleast_3d(levels).transpose(2, 0, 1))
    planes: Map = np.divide(bands, 255, dtype=np.float32)
    if image.mode not in ("LA", "RGBA"):
        return planes
    colour = planes[:-1]
    alpha = planes[-1]
    sheet = alpha > alpha.max() / 2
    if sheet.mean() > 0.5:
        ground = np.median(colour[:, sheet], axis=1)[:, np.newaxis, np.newaxis]
        blended: Map = (ground + (colour - ground) * alpha).astype(np.float32)
        if np.ptp(blended, axis=(1, 2)).max() >= MIN_CONTRAST:
            return blended
    return planes[-1:]


def plane(colour: Map) -> Map:
    """Return the channel with the most contrast of ink, (H, W).

    It is brightness, red, green or blue.
    """
    if len(colour) == 1:
        only: Map = colour[0]
        return only
    channels: list[Map] = [np.tensordot(LUMA, colour, axes=1), *colour]
    seen = np.stack([sample(channel).ravel() for channel in channels])  # (4, pixels)
    darkest, ground = np.percentile(seen, [1, 50], axis=1)
    return channels[int(np.argmax(np.abs(ground - darkest) * CHANNEL_WEIGHTS))]


def ink_on_even_ground(colour: Map) -> Map | None:
    """Return each pixel's difference from the background colour, (H, W).

    If half of the picture differs, return None.
    """
    seen = sample(colour)
    ground = np.median(seen, axis=(1, 2), keepdims=True)  # (C, 1, 1)
    if np.median(largest_difference(seen, ground)) > EVEN:
        return None
    return largest_difference(colour, ground)


def largest_difference(colour: Map, ground: Map) -> Map:
    """Return the largest difference of each pixel's channels from a ground (C, 1, 1).

    The result is (H, W).
    """
    differences = colour - ground
    largest: Map = np.abs(differences, out=differences).max(axis=0)
    return largest


def ink_by_threshold(grey: Map) -> list[Map]:
    """Return the ink (H, W) if it is darker, and if it is lighter, than a threshold.

    The threshold is Otsu's. The list is empty if none separates the levels, as on an
    empty sheet in smoothly varying light.
    """
    low, high = np.percentile(sample(grey), [2, 98]).tolist()
    if high - low < MIN_CONTRAST:
        return []
    light = ((grey - low) / (high - low)).clip(0, 1)
    threshold, separability = otsu(light)
    if max(grey.shape) > SMALL_SIDE and separability < MIN_SEPARABILITY:
        return []
    return [above_ground(1 - light, 1 - threshold), above_ground(light, threshold)]


def above_ground(levels: Map, threshold: float) -> Map:
    """Return how far levels exceed the median of those below a threshold.

    The unit is the range from that median to 1.
    """
    ground = float(np.median(levels[levels <= threshold]))
    excess = (levels - ground) / max(1 - ground, MIN_CONTRAST)
    return excess.clip(min=0).astype(np.float32)


def otsu(levels: Map) -> tuple[float, float]:
    """Return Otsu's threshold (1979) for levels in [0, 1], and its separability.

    The threshold maximises the variance between the two classes. The separability is
    this variance over the total one.
    """
    counts, edges = np.histogram(levels, 64, (0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    sums = (counts * middles).cumsum()
    total = sums[-1]
    sums = sums[:-1]
    below = counts.cumsum()[:-1]
    above = levels.size - below
    differences = sums / below.clip(min=1) - (total - sums) / above.clip(min=1)
    between = below * above * differences**2 / levels.size
    best = int(between.argmax())
    variance = float(counts @ (middles - total / levels.size) ** 2)
    separability = float(between[best] / variance) if variance else 0.0
    return float(edges[1 + best]), separability


def ink_in_strokes(grey: Map) -> Iterator[View]:
    """Yield views of strokes: dark or light, narrow or wide.

    The top-hat transform (Meyer 1979) keeps what is narrower than a given width and
    darker, or lighter, than its surroundings. It removes steps between paper and desk,
    or light and shadow. Dark ink is the fraction of light that it absorbs, so that it
    is as strong in a shadow.
    """
    rows, columns = without_edge_lines(grey)
    grey = grey[rows, columns]
    smoothed = smooth(grey)
    noise = 1.5 * float(np.median(np.abs(sample(grey - smoothed))))
    for sign, prior in ((-1, 0.0), (1, LIGHT_PRIOR)):
        signed = sign * smoothed
        for width in STROKE_WIDTHS:
            side = max(3, round(width * math.sqrt(signed.size)))
            # The opening is the background, since strokes are narrower than the square.
            ground = sliding(np.maximum, sliding(np.minimum, signed, side), side)
            ink = (signed - ground - 2 * noise).clip(min=0)
            if sign < 0:
                ink = ink / (-ground).clip(min=MIN_CONTRAST)
            yield View(ink, LEVELS, prior, rows.start, columns.start)


def without_edge_lines(grey: Map) -> tuple[slice, slice]:
    """Return the part of a picture without printed lines, or another surface, along
    its edges.

    A digit may touch such a line, as in a table cell, and the two would become one
    component.
    """
    step_y, step_x = (max(1, length // 64) for length in grey.shape)
    rows = np.median(grey[:, ::step_x], axis=1)  # (H,)
    columns = np.median(grey[::step_y], axis=0)  # (W,)
    return inner(rows), inner(columns)


def inner(levels: NDArray[np.float32]) -> slice:
    """Return where the median levels of rows are not those of lines along the edges."""
    return slice(edge_width(levels), len(levels) - edge_width(levels[::-1]))


def edge_width(levels: NDArray[np.float32]) -> int:
    """Return the number of rows of a line along an edge, by their median levels.

    It is 0 if they continue inwards.
    """
    if len(levels) < SMALL_SIDE:
        return 0
    reach = len(levels) // 12
    usual = np.median(levels[reach : 3 * reach])
    is_ground = np.abs(levels[: reach + 1] - usual) < EDGE_CONTRAST
    if is_ground[0] or not is_ground.any():
        return 0
    return int(is_ground.argmax()) + 1
