"""Redraw a digit's strokes with pens of other widths, at any size.

They are fields (168, 168): the signed distance to their outline in cells, positive
inside.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import distance_transform_edt, uniform_filter
from skimage.morphology import skeletonize

from app.picture.maps import Map
from training.writing.drawing import extent, levels, resized

# Strokes are computed at this many cells per MNIST pixel, then drawn at any size.
CELLS = 6
SMOOTH = 5  # cells over which distances are averaged, so that outlines are smooth
# MNIST's ink at a stroke's outline. Below one half, because the thinnest strokes never
# reach full ink.
OUTLINE = 0.4

Digit = NDArray[np.uint8]


def enlarged(digit: Digit) -> Map:
    """Upsample ink to cells, less OUTLINE; open small holes, smooth pixel edges."""
    image = Image.fromarray(resized(digit, (28 * CELLS, 28 * CELLS)))
    sharp = image.filter(ImageFilter.UnsharpMask(1.2 * CELLS, percent=200, threshold=0))
    level = levels(sharp.filter(ImageFilter.GaussianBlur(0.5 * CELLS)))
    return level - min(OUTLINE, 0.6 * float(level.max()))


def felt(digit: Digit) -> Map:
    """Keep MNIST's own strokes, with a crisp outline."""
    level = enlarged(digit)
    slope = np.hypot(*np.gradient(level))
    return np.asarray((level / slope.clip(min=0.01)).clip(-3, 3), np.float32)


def pen(digit: Digit, width: float) -> Map:
    """Redraw the digit with a round pen, of `width` times the digit's height.

    Loops that are full of ink stay full: with its centre line alone, an 8 would become
    a 6.
    """
    ink = enlarged(digit) > 0
    centre = np.asarray(skeletonize(ink))  # type: ignore[no-untyped-call]
    depth = distance_transform_edt(ink)
    rows, _ = extent(ink, 0)
    radius = width * (rows.stop - rows.start) / 2
    trace = radius - uniform_filter(distance_transform_edt(~centre), SMOOTH)
    full = uniform_filter(depth, SMOOTH) - 1.15 * np.median(depth[centre])
    return np.asarray(np.maximum(trace, full), np.float32)


def smaller(strokes: Map) -> Map:
    """Store strokes in cells of twice the side."""
    return np.asarray(Image.fromarray(strokes).reduce(2), np.float32) / np.float32(2)
