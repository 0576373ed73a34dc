"""Frame → evidence: which parts of it speak for the digit that was read, and which for the runner-up.

Occlusion sensitivity (Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901): cover one part after another, and see
how the answer changes. Ignores: what is around the frame, and other candidates.
"""

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classifier
from app.preprocess.frame import FRAME_SIDE
from app.preprocess.maps import Map

PATCH_SIDE = 4  # pixels: nearly twice the width of a stroke
PATCHES = FRAME_SIDE // PATCH_SIDE  # along each side
LEAST = np.finfo(np.float32).tiny  # probabilities count as no smaller, so that their logarithms are finite


def evidence(classifier: Classifier, frame: Map, digit: int, runner_up: int) -> NDArray[np.float64]:
    """How much each patch of a frame speaks for a digit against another.

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
        (7, 7): by how much the logarithm of the odds of `digit` against `runner_up` falls where the 4×4 patch in this
        row and column has no ink. Positive: the patch speaks for `digit`. 0 where it has no ink anyway.
    """
    without = occluded(frame)
    probabilities, _ = classifier(np.concatenate([frame[np.newaxis], without]))
    logarithms = np.log(probabilities.astype(np.float64).clip(min=LEAST))
    log_odds = logarithms[:, digit] - logarithms[:, runner_up]  # of the frame, then without each patch
    has_ink = (without != frame).any(axis=(1, 2))
    falls: NDArray[np.float64] = np.where(has_ink, log_odds[0] - log_odds[1:], 0)
    return falls.reshape(PATCHES, PATCHES)


def occluded(frame: Map) -> Map:
    """The frame without one patch after another, row by row: (49, 28, 28)."""
    number = np.arange(FRAME_SIDE) // PATCH_SIDE
    patch = PATCHES * number[:, np.newaxis] + number  # which one each pixel belongs to
    each = np.arange(PATCHES**2)[:, np.newaxis, np.newaxis]
    without: Map = np.where(patch == each, np.float32(0), frame)
    return without
