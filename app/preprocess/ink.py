"""Image → ink map: how much ink there is at each pixel, whatever the colours of ink and ground.

On an even ground (a drawing, a scan, MNIST) ink is what differs from the ground's colour. On an uneven one
(a photograph) `app.preprocess.photo` finds it. Ignores: which ink is the digit's.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.errors import BlankImage
from app.preprocess.maps import Map, border, sample
from app.preprocess.photo import MIN_CONTRAST, ink_on_uneven_ground
from app.preprocess.pieces import SMALL_SIDE

# A picture is averaged down to about this longer side before it is looked at.
LOOK_SIDE = 320
# A ground is even where half of it lies within this of its median colour: 1.5 of 255 levels.
EVEN = 1.5 / 255
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow


def ink_map(image: Image.Image) -> Map:
    """How much ink there is at each pixel.

    Where a picture is see-through, and its visible part is not a sheet with a tone of its own, the ink is the
    alpha channel.

    Parameters
    ----------
    image : Image
        Mode L, LA, RGB, RGBA or F.

    Returns
    -------
    Map
        (H, W) float32 in [0, 1]; 0 is ground and its noise, 1 the strongest ink. The image is averaged
        down by `shrinkage` first.

    Raises
    ------
    BlankImage
        Nothing differs from the ground by MIN_CONTRAST.
    """
    factor = shrinkage(image)
    colour, alpha = channels(image.reduce(factor) if factor > 1 else image)
    ink = ink_on_ground(colour, None) if alpha is None else ink_on_see_through_ground(colour, alpha)
    strongest = ink.max()
    if strongest < MIN_CONTRAST:
        raise BlankImage("There is no ink on the picture: write the digit darker or larger, or crop closer to it.")
    stretched: Map = ink / strongest
    return stretched


def shrinkage(image: Image.Image) -> int:
    """By which whole factor a picture is averaged down before it is looked at."""
    return max(1, round(max(image.size) / LOOK_SIDE))


def ink_on_see_through_ground(colour: Map, alpha: Map) -> Map:
    """The ink where most of the picture can be seen, or else the alpha channel where it varies: (H, W)."""
    sheet = alpha > 0.5
    ink = ink_on_ground(colour, sheet) * alpha if sheet.mean() > 0.5 else np.zeros_like(alpha)
    return alpha if alpha.min() < 0.5 and ink.max() < MIN_CONTRAST else ink


def ink_on_ground(colour: Map, sheet: NDArray[np.bool_] | None) -> Map:
    """The ink on an even or uneven ground, before it is stretched: (H, W)."""
    even = ink_on_even_ground(colour, sheet)
    return even if even is not None else ink_on_uneven_ground(plane(colour))


def channels(image: Image.Image) -> tuple[Map, Map | None]:
    """Split an image into colour (1 or 3, H, W) and alpha (H, W) where it has one, float32 in [0, 1].

    A see-through image gets a see-through seam, so that no edge cuts what is on it.
    """
    if image.mode == "F":
        grey: Map = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        grey = (grey - grey.min()) / max(np.ptp(grey), np.finfo(np.float32).tiny)
        return grey[None], None
    if image.mode == "L":
        return np.asarray(image, np.float32)[None] / np.float32(255), None
    planes: Map = np.stack([np.asarray(band, np.float32) for band in image.split()])
    planes /= 255
    if image.mode in ("LA", "RGBA"):
        planes = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
        return planes[:-1], planes[-1]
    return planes, None


def ink_on_even_ground(colour: Map, sheet: NDArray[np.bool_] | None) -> Map | None:
    """The ink on an even ground: what differs from its one colour, (H, W).

    None where the ground is uneven: half of the sheet (of all where it is None), or of its border, does not have
    its median colour.
    """
    seen = sample(colour)
    visible = seen.reshape(len(seen), -1) if sheet is None else seen[:, sample(sheet)]  # (C, n)
    ground = np.median(visible, axis=1)[:, None, None]
    seen_difference = largest_difference(seen, ground)
    if np.median(seen_difference if sheet is None else seen_difference[sample(sheet)]) > EVEN:
        return None
    difference = seen_difference if seen.shape == colour.shape else largest_difference(colour, ground)
    if max(difference.shape) > SMALL_SIDE and (border(difference) > MIN_CONTRAST).mean() > 0.5:
        return None
    return difference


def largest_difference(colour: Map, ground: Map) -> Map:
    """Each pixel's largest difference, over the channels, from the ground's colour (C, 1, 1): (H, W)."""
    differences = colour - ground
    largest: Map = np.abs(differences, out=differences).max(axis=0)
    return largest


def plane(colour: Map) -> Map:
    """The one channel, of brightness, red, green and blue, in which ink stands out most: (H, W)."""
    if len(colour) == 1:
        only: Map = colour[0]
        return only
    candidates: list[Map] = [np.tensordot(LUMA, colour, axes=1), *colour]
    spread = [float(np.ptp(np.percentile(sample(candidate), [1, 50]))) for candidate in candidates]
    spread[0] *= 1.2
    return candidates[int(np.argmax(spread))]
