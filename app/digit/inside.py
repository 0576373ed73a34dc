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

FOR, AGAINST = (77, 131, 255), (255, 138, 31)  # colours of weights above and below 0


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
    """Compute what each hidden layer does with a frame (28, 28); nothing for a model
    file that does not say it.
    """
    return [
        Layer(shape, side_by_side(maps.reshape(shape)))
        for shape, maps in classifier.hidden(frame)
    ]


def side_by_side(maps: NDArray[np.float32]) -> Map:
    """Arrange maps (n, h, w) in rows, scaled to [0, 1]."""
    count, height, width = maps.shape
    gap, columns = int(height > 1), math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    tiles = np.zeros((rows * columns, height + gap, width + gap), np.float32)
    tiles[:count, :height, :width] = np.abs(maps) / max(float(np.abs(maps).max()), 1e-6)
    sheet: Map = (
        tiles.reshape(rows, columns, height + gap, width + gap)
        .swapaxes(1, 2)
        .reshape(rows * (height + gap), -1)
    )
    return sheet[: len(sheet) - gap, : sheet.shape[1] - gap]


def weights_in_colour(classifier: Classifier, unit: int) -> NDArray[np.uint8] | None:
    """Draw the weights of a unit of the first layer: (28, 28, 3), 0 is black; None if
    there is no such unit.
    """
    weights = classifier.first_weights()
    if not 0 <= unit < weights.shape[1]:
        return None
    share = weights[:, unit].reshape(FRAME_SIDE, FRAME_SIDE, 1).astype(np.float32)
    share = share / max(float(np.abs(share).max()), 1e-6)
    colours = np.where(share > 0, FOR, AGAINST) * np.abs(share)
    return colours.round().astype(np.uint8)
