"""Frame → evidence: which patches of it support the digit that was read, and which the
runner-up.

Occlusion sensitivity (Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901): blank one
patch after another, and measure how the log-odds change.
"""

import numpy as np
from numpy.typing import NDArray

from app.digit.classifier import Classifier
from app.digit.patches import PATCHES
from app.picture.frame import FRAME_SIDE
from app.picture.maps import Map

PATCH_SIDE = FRAME_SIDE // PATCHES  # pixels
MIN_PROBABILITY = np.finfo(np.float32).tiny  # so that their logarithms are finite


def evidence(
    classifier: Classifier, frame: Map, digit: int, runner_up: int
) -> NDArray[np.float64]:
    """Compute how much each patch of a frame supports one digit against another.

    Parameters
    ----------
    classifier : Classifier
        The network.
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1.
    digit, runner_up : int
        The two digits.

    Returns
    -------
    NDArray
        (7, 7): the decrease in the log-odds of `digit` against `runner_up` when the 4×4
        patch in this row and column is blanked. A positive value supports `digit`. A
        patch without ink has 0.
    """
    frames = np.concatenate([[frame], occluded(frame)])  # (50, 28, 28)
    probabilities, _ = classifier(frames)
    logarithms = np.log(probabilities.astype(np.float64).clip(min=MIN_PROBABILITY))
    log_odds = logarithms[:, digit] - logarithms[:, runner_up]  # (50,)
    has_ink = (frames[1:] != frame).any(axis=(1, 2))
    decreases: NDArray[np.float64] = np.where(has_ink, log_odds[0] - log_odds[1:], 0)
    return decreases.reshape(PATCHES, PATCHES)


def occluded(frame: Map) -> Map:
    """Return copies of the frame (49, 28, 28), each with one patch blanked, by rows."""
    copies = np.tile(frame, (PATCHES**2, 1, 1))
    for number, copy in enumerate(copies):
        row, column = divmod(number, PATCHES)
        patch_rows = copy[PATCH_SIDE * row : PATCH_SIDE * (row + 1)]
        patch_rows[:, PATCH_SIDE * column : PATCH_SIDE * (column + 1)] = 0
    return copies
