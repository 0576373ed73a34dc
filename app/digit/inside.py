"""What the units of the dense network compute for a frame, and what those of its first
layer look for.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.digit.classifier import Classifier
from app.picture.frame import FRAME_SIDE
from app.picture.maps import Map

POSITIVE = (77, 131, 255)  # colour of weights above 0
NEGATIVE = (255, 138, 31)
SMALLEST = 1e-6  # of what is scaled to 1


class Layer(NamedTuple):
    """What a hidden layer computes for a frame.

    Attributes
    ----------
    shape : tuple of int
        Maps, and their rows and columns, in which the units are ordered; of a layer
        without maps, (units, 1, 1).
    picture : Map
        (H, W) in [0, 1]: the maps side by side, with a pixel between those of more than
        one unit; 1 is the most active unit.
    """

    shape: tuple[int, int, int]
    picture: Map


def layers(classifier: Classifier, frame: Map) -> list[Layer]:
    """Compute what each hidden layer does with a frame (28, 28).

    The list is empty if the model file does not say it.
    """
    hidden = classifier.hidden(frame)
    return [Layer(shape, side_by_side(maps.reshape(shape))) for shape, maps in hidden]


def side_by_side(maps: Map) -> Map:
    """Arrange maps (n, h, w) in rows, scaled to [0, 1]."""
    count, height, width = maps.shape
    gap = int(height > 1)
    columns = math.ceil(math.sqrt(count))
    activity = np.abs(maps)
    activity /= max(float(activity.max()), SMALLEST)
    tiles = np.pad(activity, ((0, -count % columns), (0, gap), (0, gap)))
    rows = tiles.reshape(-1, columns, height + gap, width + gap)
    sheet = rows.swapaxes(1, 2).reshape(-1, columns * (width + gap))
    return sheet[: len(sheet) - gap, : sheet.shape[1] - gap]


def weights_in_colour(classifier: Classifier, unit: int) -> NDArray[np.uint8] | None:
    """Draw the weights of a unit of the first layer: (28, 28, 3), where black is 0.

    If there is no such unit, return None.
    """
    weights = classifier.first_weights()  # (784, units)
    if not 0 <= unit < weights.shape[1]:
        return None
    share = weights[:, unit].astype(np.float32).reshape(FRAME_SIDE, FRAME_SIDE, 1)
    share /= max(float(np.abs(share).max()), SMALLEST)
    colours = np.where(share > 0, POSITIVE, NEGATIVE) * np.abs(share)
    return colours.round().astype(np.uint8)
