"""Ink of a digit → frame: MNIST's scale and position.

A frame is an image like MNIST's: (28, 28) float32 in [0, 1], ink = 1, background = 0.
The digit is scaled into a 20×20 box, its aspect ratio kept, and its centre of mass is
placed at the centre, as LeCun describes (http://yann.lecun.com/exdb/mnist/) and the
QMNIST paper reconstructs (Yadav & Bottou 2019).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.picture.maps import Map

FRAME_SIDE = 28
BOX_SIDE = 20
MIDDLE = 14.5  # mean position of the centre of mass in a frame
# Weights along an axis for the mass and the first moment.
MOMENTS = np.stack([np.ones(FRAME_SIDE), np.arange(FRAME_SIDE) + 0.5])


def frame_from_ink(ink: Map) -> Map:
    """Scale a digit into MNIST's 20×20 box, and centre it by its centre of mass.

    Parameters
    ----------
    ink : Map
        (h, w) float32 in [0, 1]: a digit cropped to its bounding box.

    Returns
    -------
    Map
        (28, 28) float32 in [0, 1] with a maximum of 1. In pixel-edge coordinates, the
        centre of mass lies in (14, 15] on both axes. Ink that would not fit, because
        its centre of mass is far from its middle, is scaled down further.
    """
    digit = scaled(ink, BOX_SIDE)
    centre = centre_of_mass(digit)
    reach = np.maximum(centre, digit.shape - centre).max()
    if reach > FRAME_SIDE / 2:
        digit = scaled(ink, int(BOX_SIDE * FRAME_SIDE / 2 / reach))
        centre = centre_of_mass(digit)
    height, width = digit.shape
    # The offsets that bring the centre into (14, 15], while the digit stays inside.
    offsets = np.floor(FRAME_SIDE // 2 + 1 - centre)
    room = [FRAME_SIDE - height, FRAME_SIDE - width]
    top, left = offsets.clip(0, room).astype(int)
    frame = np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
    frame[top : top + height, left : left + width] = digit / digit.max()
    return frame


def as_frame(image: Image.Image) -> Map | None:
    """Return the pixels, in [0, 1], of an image that is a frame, as MNIST's are.

    The longer side of its ink (all pixels above 0) is 19 or 20 pixels, and its centre
    of mass lies within a pixel of MIDDLE on both axes. This holds for all 70,000 MNIST
    images. Of others, return None.
    """
    if image.mode != "L" or image.size != (FRAME_SIDE, FRAME_SIDE):
        return None
    inked = image.getbbox()
    if not inked:
        return None
    left, top, right, bottom = inked
    if not BOX_SIDE - 1 <= max(right - left, bottom - top) <= BOX_SIDE:
        return None
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(FRAME_SIDE, FRAME_SIDE)
    frame: Map = np.divide(pixels, 255, dtype=np.float32)
    row, column = centre_of_mass(frame).tolist()
    is_centred = abs(row - MIDDLE) <= 1 and abs(column - MIDDLE) <= 1
    return frame if is_centred else None


def centre_of_mass(ink: Map) -> NDArray[np.float64]:
    """Return the row and column of the centre of mass of a map no larger than a frame.

    Those of the first pixel are 0.5.
    """
    height, width = ink.shape
    moments = MOMENTS[:, :height] @ ink @ MOMENTS[:, :width].T  # (2, 2)
    (mass, by_column), (by_row, _) = moments.tolist()
    return np.array([by_row / mass, by_column / mass])


def scaled(ink: Map, side: int) -> Map:
    """Scale a map to a longer side of `side` pixels, its aspect ratio kept."""
    longer = max(ink.shape)
    if longer == side:
        return ink
    height, width = (max(1, round(length * side / longer)) for length in ink.shape)
    rows = area_average(height, ink.shape[0])
    columns = area_average(width, ink.shape[1])
    return (rows @ ink @ columns.T).astype(np.float32)


def area_average(outputs: int, inputs: int) -> Map:
    """Return the matrix (outputs, inputs) that resamples an axis by area averaging.

    Row i holds the weight of each input in output i; rows sum to 1. Upscaling
    interpolates linearly.

    Examples
    --------
    >>> area_average(2, 3)
    array([[0.6666667 , 0.33333334, 0.        ],
           [0.        , 0.33333334, 0.6666667 ]], dtype=float32)
    """
    cells = np.arange(inputs)
    share: NDArray[np.float64]
    if outputs > inputs:
        centres = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
        share = 1 - np.abs(centres.clip(0, inputs - 1)[:, np.newaxis] - cells)
    else:
        edges = np.arange(outputs + 1)[:, np.newaxis] * inputs / outputs
        overlap = np.minimum(edges[1:], cells + 1) - np.maximum(edges[:-1], cells)
        share = overlap * outputs / inputs
    return share.clip(min=0).astype(np.float32)
