"""Image → ink maps: how much ink there is at each pixel, in the few ways that a picture can be understood.

On an even ground (a drawing, a scan, MNIST) ink is what differs from the ground's colour. On an uneven one (a
photograph) it is what is darker, or lighter, than the ground around it, in strokes. A tight crop may have more ink than
ground: there it is what is darker, or lighter, than a threshold. Ignores: which ink is the digit's.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.maps import Map, border, sample, sliding, smooth

SMALL_SIDE = 40  # so tightly cropped that ink along the border says nothing
# What stands out less than this, as a share of the range from black to white, is no ink.
MIN_CONTRAST = 0.06
# A ground is even where half of it lies within this of its median colour: 1.5 of 255 levels.
EVEN = 1.5 / 255
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow
# Widest stroke, as a share of the picture's side (the root of its area): of a small digit, and of one that fills it.
STROKE_WIDTHS = (0.10, 0.22)
# Ground that is darker counts as this dark, or noise in black corners would become ink.
DARKEST = 0.35
# Rows along an edge that differ by this much from those further in, of 1 from black to white, are a line.
LINE = 0.1
SEPARATE = 0.77  # separability of two classes; levels that are spread evenly, as in a gradient, have 0.75
THRESHOLD_PRIOR = -1.0  # a desk that is darker than the paper is no digit
LIGHT_PRIOR = -2.0  # few people write light on dark, and the gaps between dark strokes are light
# At and above these levels ink connects: faint lines part from strokes at the higher ones, and faint strokes join at
# the lower ones.
EVEN_LEVELS, UNEVEN_LEVELS, SMALL_LEVELS = (0.1, 0.3, 0.6), (0.15, 0.3, 0.5), (0.1,)


class View(NamedTuple):
    """One way to understand a picture.

    Attributes
    ----------
    ink : Map
        (H, W) float32 in [0, 1]; 0 is ground, 1 the strongest ink.
    levels : tuple of float
        From which levels on ink connects to pieces; with none, all of it belongs together.
    prior : float
        The logarithm of the odds that this is the way.
    top, left : int
        Where on the image the map begins.
    """

    ink: Map
    levels: tuple[float, ...] = ()
    prior: float = 0.0
    top: int = 0
    left: int = 0


def views(image: Image.Image, closely: bool) -> Iterator[View]:
    """The ways in which an image (mode L, LA, RGB, RGBA or F) can be understood, the usual ones first.

    None where it is blank; at a glance, without the most unusual ones.
    """
    colour = opaque(image)
    is_small = max(colour.shape) <= SMALL_SIDE
    even = ink_on_even_ground(colour)
    if even is not None:
        yield from stretched(View(even, SMALL_LEVELS if is_small else EVEN_LEVELS))
    grey = plane(colour)
    if even is None and not is_small:
        for view in ink_in_strokes(grey, closely):
            yield from stretched(view)
    for ink in ink_by_threshold(grey):
        yield from stretched(View(ink, prior=THRESHOLD_PRIOR))


def stretched(view: View) -> Iterator[View]:
    """A view with 1 for its strongest ink; nothing where there is none."""
    strongest = float(view.ink.max())
    if strongest >= MIN_CONTRAST:
        yield view._replace(ink=view.ink / strongest)


def opaque(image: Image.Image) -> Map:
    """An image's colours (1 or 3, H, W), float32 in [0, 1], on one ground where it is see-through.

    The ground is that of its own sheet where most of it can be seen; else, or where nothing is on the sheet, as on a
    filled shape, the alpha channel shows the ink.
    """
    if image.mode == "F":
        grey: Map = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        grey = (grey - grey.min()) / max(np.ptp(grey), np.finfo(np.float32).tiny)
        return np.expand_dims(grey, 0)
    bands = np.ascontiguousarray(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1))  # else all below is slow
    planes: Map = np.divide(bands, 255, dtype=np.float32)
    if image.mode not in ("LA", "RGBA"):
        return planes
    colour, alpha = planes[:-1], planes[-1]
    sheet = alpha > 0.5
    if sheet.mean() > 0.5:
        ground = np.median(colour[:, sheet], axis=1)[:, None, None]
        on_sheet: Map = (ground + (colour - ground) * alpha).astype(np.float32)
        if np.ptp(on_sheet) >= MIN_CONTRAST:
            return on_sheet
    return planes[-1:]


def plane(colour: Map) -> Map:
    """The one channel, of brightness, red, green and blue, in which ink stands out most: (H, W)."""
    if len(colour) == 1:
        only: Map = colour[0]
        return only
    candidates: list[Map] = [np.tensordot(LUMA, colour, axes=1), *colour]
    spread = [float(np.ptp(np.percentile(sample(candidate), [1, 50]))) for candidate in candidates]
    spread[0] *= 1.2
    return candidates[int(np.argmax(spread))]


def ink_on_even_ground(colour: Map) -> Map | None:
    """What differs from the ground's one colour, (H, W); None where half of the picture, or of its border, does."""
    seen = sample(colour)
    ground = np.median(seen.reshape(len(seen), -1), axis=1)[:, None, None]
    if np.median(largest_difference(seen, ground)) > EVEN:
        return None
    difference = largest_difference(colour, ground)
    if max(difference.shape) > SMALL_SIDE and (border(difference) > MIN_CONTRAST).mean() > 0.5:
        return None
    return difference


def largest_difference(colour: Map, ground: Map) -> Map:
    """Each pixel's largest difference, over the channels, from the ground's colour (C, 1, 1): (H, W)."""
    differences = colour - ground
    largest: Map = np.abs(differences, out=differences).max(axis=0)
    return largest


def ink_by_threshold(grey: Map) -> list[Map]:
    """What is darker, and what is lighter, than Otsu's threshold, above the level of the rest: (H, W) each.

    None where levels go over into each other, as on an empty sheet in smooth light.
    """
    low, high = np.percentile(sample(grey), [2, 98]).tolist()
    if high - low < MIN_CONTRAST:
        return []
    light = ((grey - low) / (high - low)).clip(0, 1)
    threshold, separability = otsu(light)
    if max(grey.shape) > SMALL_SIDE and separability < SEPARATE:
        return []
    return [above_ground(1 - light, 1 - threshold), above_ground(light, threshold)]


def above_ground(levels: Map, threshold: float) -> Map:
    """What stands out from the level that is usual below a threshold; nothing that hardly does."""
    ground = float(np.median(levels[levels <= threshold]))
    ink: Map = ((levels - ground) / max(1 - ground, MIN_CONTRAST)).astype(np.float32)
    return np.where(ink >= 0.25, ink, np.float32(0))


def otsu(levels: Map) -> tuple[float, float]:
    """The threshold that parts levels in [0, 1] into two classes with the largest variance between them (Otsu 1979).

    With it comes its separability, that variance as a share of all.
    """
    counts, edges = np.histogram(levels, 64, (0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum()[:-1], (counts * middles).cumsum()
    above, mean = levels.size - below, sums[-1] / levels.size
    difference = sums[:-1] / below.clip(min=1) - (sums[-1] - sums[:-1]) / above.clip(min=1)
    between = below * above * difference**2 / levels.size
    best = int(between.argmax())
    variance = float(counts @ (middles - mean) ** 2)
    return float(edges[1 + best]), float(between[best] / variance) if variance else 0.0


def ink_in_strokes(grey: Map, closely: bool) -> Iterator[View]:
    """What stands out from the ground around it in strokes, dark or light, narrow or wide; at a glance: dark, narrow.

    The top-hat transform (Meyer 1979) keeps what is narrower than a given width and darker, or lighter, than what is
    around it. Steps between paper and desk, or light and shadow, leave nothing behind. Dark ink is given as the share
    of light that it swallows, so that it is as strong in a shadow.
    """
    rows, columns = without_edge_lines(grey)
    grey = grey[rows, columns]
    smoothed = smooth(grey)
    noise = 1.5 * float(np.median(np.abs(sample(grey - smoothed))))
    for sign, prior in ((-1, 0.0), (1, LIGHT_PRIOR))[: 1 + closely]:
        signed = sign * smoothed
        for width in STROKE_WIDTHS[: 1 + closely]:
            ground = opened(signed, max(3, round(width * math.sqrt(signed.size))))
            ink = (signed - ground - 2 * noise).clip(min=0)
            ink = ink / (-ground).clip(min=DARKEST) if sign < 0 else ink
            yield View(ink, UNEVEN_LEVELS, prior, rows.start, columns.start)


def opened(signed: Map, side: int) -> Map:
    """What a square fits into, of a map with ink upward: the ground, where strokes are narrower than the square."""
    return sliding(np.maximum, sliding(np.minimum, signed, side), side)


def without_edge_lines(grey: Map) -> tuple[slice, slice]:
    """The picture without the printed lines, or strips of something else, that its edges run along.

    A digit may touch such a line, as in a table's cell, and would become one piece with it.
    """
    step_y, step_x = (max(1, length // 64) for length in grey.shape)
    rows, columns = np.median(grey[:, ::step_x], axis=1), np.median(grey[::step_y], axis=0)
    top, bottom, left, right = (seam(levels) for levels in (rows, rows[::-1], columns, columns[::-1]))
    return slice(top, len(rows) - bottom), slice(left, len(columns) - right)


def seam(levels: NDArray[np.float32]) -> int:
    """How many rows from an edge on, given by their medians, are not the ground; 0 where they go on inside."""
    if len(levels) < SMALL_SIDE:
        return 0
    reach = len(levels) // 12
    usual = np.median(levels[reach : 3 * reach])
    ground = np.abs(levels[: reach + 1] - usual) < LINE
    return int(ground.argmax()) + 1 if ground.any() and not ground[0] else 0
