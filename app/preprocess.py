"""Picture bytes → frame, in three steps that stay apart: picture → ink map → the digit's box → frame.

A frame is what MNIST's images are: (28, 28) float32 in [0, 1], ink = 1, background = 0. The digit is
scaled into a 20×20 box, aspect kept, and lies with its centre of mass in the middle, as LeCun describes
(http://yann.lecun.com/exdb/mnist/) and the QMNIST paper reconstructs (Yadav & Bottou 2019).

Pure functions: no settings, no files, no network. Ignores: several digits, uneven light, ruled lines.

    PreprocessError
    ├── EmptyFile        there are no bytes
    ├── NotAnImage       not one of FORMATS
    ├── TooManyPixels    more than `max_pixels`, found before decoding
    ├── CorruptImage     one of FORMATS, but cut off or damaged
    └── BlankImage       decoded, but there is no ink on it
"""

from io import BytesIO
from typing import TypeVar

import cc3d
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

FRAME_SIDE = 28
BOX_SIDE = 20
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

# Larger pictures are averaged down to a longer side of 1 to 2 times this before anything is measured.
WORKING_SIDE = 1024
# Least difference between ink and ground, as a fraction of the whole range from black to white.
MIN_CONTRAST = 0.06
# Ink below this fraction of the darkest ink does not widen the digit's box. MNIST: 99.97 % of the boxes
# at this level are 20 pixels on their longer side.
BOX_LEVEL = 0.1
# A piece with less than this fraction of the largest piece's ink is a speck.
SPECK = 0.02

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Map = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


class PreprocessError(Exception):
    """The bytes cannot become a frame; the message says why and what to do."""


class EmptyFile(PreprocessError):
    """There are no bytes."""


class NotAnImage(PreprocessError):
    """The bytes are not a picture in one of FORMATS."""


class TooManyPixels(PreprocessError):
    """The picture has more pixels than allowed."""


class CorruptImage(PreprocessError):
    """The picture is cut off or damaged."""


class BlankImage(PreprocessError):
    """There is no ink on the picture."""


def frame_from_bytes(data: bytes, max_pixels: int) -> Map:
    """Turn an encoded picture of one digit into a frame.

    Parameters
    ----------
    data : bytes
        A picture file in one of FORMATS.
    max_pixels : int
        Most pixels (width × height) that are decoded.

    Returns
    -------
    Map
        (28, 28) float32 in [0, 1], ink = 1.

    Raises
    ------
    PreprocessError
        One of its subclasses, see the module.
    """
    return frame_from_ink(crop_digit(ink_map(decode(data, max_pixels))))


# Picture → ink map


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """Decode a picture's first frame, upright, its longer side below twice WORKING_SIDE.

    Parameters
    ----------
    data : bytes
        A picture file in one of FORMATS; the content decides, not a name or a declared type.
    max_pixels : int
        Most pixels (width × height) that are decoded.

    Returns
    -------
    Image
        Mode L, LA, RGB, RGBA, or F (grey of unknown range).

    Raises
    ------
    EmptyFile, NotAnImage, TooManyPixels, CorruptImage
    """
    if not data:
        raise EmptyFile("The file is empty: send the bytes of a picture.")
    image: Image.Image
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAnImage(f"The file is not a picture in one of these formats: {', '.join(FORMATS)}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"The picture has more than {max_pixels:,} pixels: send a smaller one.") from error
    except Exception as error:  # Pillow's parsers raise whatever broken bytes make them raise
        raise CorruptImage(f"The picture's header is damaged: {error}.") from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(
            f"The picture has {image.width * image.height:,} pixels, more than {max_pixels:,}: send a smaller one."
        )
    try:
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # a big JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        turn = orientation(image)
        image = plain(image)
        image = image.reduce(max(1, max(image.size) // WORKING_SIDE))
    except Exception as error:  # as above
        raise CorruptImage(f"The picture is cut off or damaged: {error}.") from error
    return image if turn is None else image.transpose(turn)


def orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn a picture upright by its EXIF orientation; None where it is or nothing readable says."""
    try:
        return UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is no reason to refuse good pixels
        return None


def plain(image: Image.Image) -> Image.Image:
    """The same picture in mode L, LA, RGB, RGBA or F."""
    if image.mode in ("L", "LA", "RGB", "RGBA", "F"):
        return image
    if image.mode.startswith("I"):
        return image.convert("F")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def ink_map(image: Image.Image) -> Map:
    """How much ink there is at each pixel, whatever the colours of ink and ground.

    The ground is the picture's median colour, and ink is what differs from it, in the channel where it
    differs most. Where a picture is see-through and its visible part is not a sheet with a tone of its
    own, the ink is the alpha channel.

    Parameters
    ----------
    image : Image
        Mode L, LA, RGB, RGBA or F.

    Returns
    -------
    Map
        (H, W) float32 in [0, 1]; 0 is ground and its noise, 1 the strongest ink.

    Raises
    ------
    BlankImage
        Nothing differs from the ground by MIN_CONTRAST.
    """
    colour, alpha = channels(image)
    sheet = alpha > 0.5
    ink = np.zeros_like(alpha)
    if sheet.mean() > 0.5:
        ink = difference_from_ground(colour, sheet) * alpha
    if alpha.min() < 0.5 and ink.max() < MIN_CONTRAST:
        ink = alpha
    if ink.max() < MIN_CONTRAST:
        raise BlankImage("There is no ink on the picture: write the digit darker or larger, or crop closer to it.")
    stretched: Map = ink / ink.max()
    return stretched


def channels(image: Image.Image) -> tuple[Map, Map]:
    """Split a picture into colour (H, W, 1 or 3) and alpha (H, W), both float32 in [0, 1].

    See-through margins are cropped away.
    """
    if image.mode == "F":
        grey: Map = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        grey = (grey - grey.min()) / max(np.ptp(grey), np.finfo(np.float32).tiny)
        return grey[..., None], np.ones_like(grey)
    if image.mode in ("LA", "RGBA"):
        image = image.crop(image.getchannel("A").getbbox())
    levels: Map = np.atleast_3d(np.asarray(image, np.float32) / np.float32(255))
    if image.mode in ("LA", "RGBA"):
        return levels[..., :-1], levels[..., -1]
    return levels, np.ones(levels.shape[:2], np.float32)


def difference_from_ground(colour: Map, sheet: NDArray[np.bool_]) -> Map:
    """Each pixel's largest difference, over the channels, from the sheet's median colour: (H, W).

    Four times the sheet's median difference is its noise, and taken off: on an even ground nothing.
    """
    ground = np.median(sample(colour)[sample(sheet)], axis=0)
    difference: Map = np.abs(colour - ground).max(axis=2)
    noise = 4 * np.median(sample(difference)[sample(sheet)])
    return (difference - noise).clip(min=0)


def sample(array: NDArray[T]) -> NDArray[T]:
    """A view of at most about 256×256 evenly spaced pixels: enough for a median."""
    step_y, step_x = (max(1, side // 256) for side in array.shape[:2])
    return array[::step_y, ::step_x]


# Ink map → the digit's box


def crop_digit(ink: Map) -> Map:
    """Cut the digit out of an ink map, without the specks around it.

    Parameters
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1, with at least one pixel of 1.

    Returns
    -------
    Map
        (h, w) float32 in [0, 1]: the smallest box around every piece that is no speck.
    """
    pieces = cc3d.connected_components(ink >= BOX_LEVEL, connectivity=8)
    mass = np.bincount(pieces.ravel(), weights=ink.ravel())
    mass[0] = 0  # piece 0 is the ground
    digit = (mass >= SPECK * mass.max())[pieces]
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.where(digit[box] | (pieces[box] == 0), ink[box], np.float32(0))


# The digit's box → frame


def frame_from_ink(ink: Map) -> Map:
    """Scale a digit into MNIST's 20×20 box and place it in the frame by its centre of mass.

    Parameters
    ----------
    ink : Map
        (h, w) float32 in [0, 1]: a digit cropped to its box.

    Returns
    -------
    Map
        (28, 28) float32 in [0, 1] with a maximum of 1. In pixel-edge coordinates the centre of mass lies in
        (14, 15] on both axes, unless that would push ink over the frame's edge.
    """
    scale = BOX_SIDE / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    digit = area_average(height, ink.shape[0]) @ ink @ area_average(width, ink.shape[1]).T
    top, left = placement(digit.sum(axis=1)), placement(digit.sum(axis=0))
    frame = np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
    frame[top : top + height, left : left + width] = digit / digit.max()
    return frame


def area_average(outputs: int, inputs: int) -> Map:
    """Matrix (outputs, inputs) that averages `inputs` equal cells into `outputs` over the same length.

    Row i holds the share of each input in output i; rows sum to 1. Enlarging interpolates linearly.

    Examples
    --------
    >>> area_average(2, 3)
    array([[0.6666667 , 0.33333334, 0.        ],
           [0.        , 0.33333334, 0.6666667 ]], dtype=float32)
    """
    cells = np.arange(inputs)
    share: NDArray[np.float64]
    if outputs > inputs:
        centres = ((np.arange(outputs) + 0.5) * inputs / outputs - 0.5).clip(0, inputs - 1)
        share = 1 - np.abs(centres[:, None] - cells)
    else:
        edges = np.arange(outputs + 1) * inputs / outputs
        overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        share = overlap * outputs / inputs
    return share.clip(min=0).astype(np.float32)


def placement(profile: Map) -> int:
    """Offset that puts a profile's centre of mass into (14, 15] without leaving the frame."""
    centre = (np.arange(len(profile)) + 0.5) @ profile / profile.sum()
    return int(np.clip(np.floor(FRAME_SIDE // 2 + 1 - centre), 0, FRAME_SIDE - len(profile)))
