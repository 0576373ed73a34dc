"""Image → ink maps: the amount of ink at each pixel, for each plausible interpretation
of the picture.

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
# Maximum stroke widths of a small digit and of one that fills the picture, as fractions
# of the square root of its area.
STROKE_WIDTHS = (0.10, 0.22)
# Rows along an edge are a line if they differ by this much from those further in; 1 is
# the range from black to white.
LINE = 0.1
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
    """Yield the interpretations of an image (mode L, LA, RGB, RGBA or F), the most
    common ones first.

    A blank image has none.
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
    if image.mode == "F":
        grey: Map = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        grey = (grey - grey.min()) / max(np.ptp(grey), np.finfo(np.float32).tiny)
        return np.expand_dims(grey, 0)
    # Or the rest is slow.
    bands = np.ascontiguousarray(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1))
    planes: Map = np.divide(bands, 255, dtype=np.float32)
    if image.mode not in ("LA", "RGBA"):
        return planes
    colour, alpha = planes[:-1], planes[-1]
    sheet = alpha > alpha.max() / 2
    if sheet.mean() > 0.5:
        ground = np.median(colour[:, sheet], axis=1)[:, None, None]
        on_sheet: Map = (ground + (colour - ground) * alpha).astype(np.float32)
        if np.ptp(on_sheet, axis=(1, 2)).max() >= MIN_CONTRAST:
            return on_sheet
    return planes[-1:]


def plane(colour: Map) -> Map:
    """Return the channel with the highest contrast of ink: brightness, red, green or
    blue, (H, W).
    """
    if len(colour) == 1:
        only: Map = colour[0]
        return only
    candidates: list[Map] = [np.tensordot(LUMA, colour, axes=1), *colour]
    seen = np.stack([sample(candidate) for candidate in candidates])
    darkest, ground = np.percentile(seen.reshape(len(seen), -1), [1, 50], axis=1)
    return candidates[int(np.argmax(np.abs(ground - darkest) * [1.2, 1, 1, 1]))]


def ink_on_even_ground(colour: Map) -> Map | None:
    """Return each pixel's difference from the background colour, (H, W); None if half
    the picture differs.
    """
    seen = sample(colour)
    ground = np.median(seen.reshape(len(seen), -1), axis=1)[:, None, None]
    if np.median(largest_difference(seen, ground)) > EVEN:
        return None
    return largest_difference(colour, ground)


def largest_difference(colour: Map, ground: Map) -> Map:
    """Return each pixel's largest difference over the channels from the background
    colour (C, 1, 1): (H, W).
    """
    differences = colour - ground
    largest: Map = np.abs(differences, out=differences).max(axis=0)
    return largest


def ink_by_threshold(grey: Map) -> list[Map]:
    """Return the ink if it is darker, and if it is lighter, than Otsu's threshold: (H,
    W) each.

    The list is empty if no threshold separates the levels, as on an empty sheet in
    smoothly varying light.
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
    """Return how far levels exceed the median below a threshold, as a fraction of the
    range.
    """
    ground = float(np.median(levels[levels <= threshold]))
    return (
        ((levels - ground) / max(1 - ground, MIN_CONTRAST))
        .clip(min=0)
        .astype(np.float32)
    )


def otsu(levels: Map) -> tuple[float, float]:
    """Return Otsu's threshold (1979) for levels in [0, 1], and its separability.

    The threshold maximises the variance between the two classes. The separability is
    this variance over the total one.
    """
    counts, edges = np.histogram(levels, 64, (0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum()[:-1], (counts * middles).cumsum()
    above, mean = levels.size - below, sums[-1] / levels.size
    difference = sums[:-1] / below.clip(min=1) - (sums[-1] - sums[:-1]) / above.clip(
        min=1
    )
    between = below * above * difference**2 / levels.size
    best = int(between.argmax())
    variance = float(counts @ (middles - mean) ** 2)
    return float(edges[1 + best]), float(between[best] / variance) if variance else 0.0


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
            ground = opened(signed, max(3, round(width * math.sqrt(signed.size))))
            ink = (signed - ground - 2 * noise).clip(min=0)
            ink = ink / (-ground).clip(min=MIN_CONTRAST) if sign < 0 else ink
            yield View(ink, LEVELS, prior, rows.start, columns.start)


def opened(signed: Map, side: int) -> Map:
    """Return the morphological opening with a square: the background, if strokes are
    narrower than the square.
    """
    return sliding(np.maximum, sliding(np.minimum, signed, side), side)


def without_edge_lines(grey: Map) -> tuple[slice, slice]:
    """Return the slices of a picture that exclude printed lines, or strips of another
    surface, along its edges.

    A digit may touch such a line, as in a table cell, and the two would become one
    component.
    """
    step_y, step_x = (max(1, length // 64) for length in grey.shape)
    rows, columns = (
        np.median(grey[:, ::step_x], axis=1),
        np.median(grey[::step_y], axis=0),
    )
    top, bottom, left, right = (
        edge_width(levels) for levels in (rows, rows[::-1], columns, columns[::-1])
    )
    return slice(top, len(rows) - bottom), slice(left, len(columns) - right)


def edge_width(levels: NDArray[np.float32]) -> int:
    """Return the number of rows at an edge that are not background, by their medians; 0
    if they continue inwards.
    """
    if len(levels) < SMALL_SIDE:
        return 0
    reach = len(levels) // 12
    usual = np.median(levels[reach : 3 * reach])
    ground = np.abs(levels[: reach + 1] - usual) < LINE
    return int(ground.argmax()) + 1 if ground.any() and not ground[0] else 0
