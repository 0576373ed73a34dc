"""Numbers as people write them with a pen: strokes on the sheet."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from training.writing.strokes import polylines

Stroke = ArrayLike  # points as (x, y)
# The corners of each sign's strokes, in heights of a digit; one point is a dot.
FORMS = {
    "0": ["0.3,0 0.06,0.2 0,0.5 0.06,0.8 0.3,1 0.54,0.8 0.6,0.5 0.54,0.2 0.3,0"],
    "1": ["0.08,0 0.04,0.5 0,1", "0,0.3 0.32,0 | 0.32,0 0.28,1"],
    "2": ["0,0.2 0.3,0 0.54,0.25 0.3,0.6 0,0.95 0.12,0.8 0.3,0.95 0.6,0.9"],
    "3": ["0,0 0.54,0 0.21,0.4 0.54,0.6 0.48,0.95 0,0.95"],
    "4": ["0.18,0 0.12,0.3 0,0.6 0.24,0.62 0.6,0.6 | 0.42,0.3 0.4,0.6 0.36,1"],
    "5": ["0.06,0 0.03,0.2 0,0.45 0.3,0.4 0.48,0.7 0.3,1 0,0.9 | 0.06,0 0.48,0"],
    "6": ["0.54,0.05 0.18,0.1 0,0.6 0.24,1 0.54,0.8 0.36,0.5 0.06,0.7"],
    "7": [
        "0,0.02 0.32,0 0.64,0 0.48,0.4 0.36,1",
        "0,0.1 0.02,0.02 0.4,0 0.42,0.01 0.3,0.4 0.18,1 | 0.08,0.5 0.4,0.46",
    ],
    "8": ["0.54,0.1 0.24,0 0.06,0.25 0.54,0.75 0.3,1 0.06,0.8 0.54,0.2 0.6,0"],
    "9": ["0.48,0.15 0.24,0 0,0.25 0.24,0.5 0.48,0.2 0.48,0.5 0.42,1"],
    ".": ["0,0.97"],
    "-": ["0,0.54 0.42,0.52"],
}
SHEET = np.array([1.5, 1])  # in heights of the sheet
MARGIN = 0.05


def stroke(points: str) -> Stroke:
    """Read the points of a stroke, such as "0.1,0.5 0.5,0.46"."""
    (found,) = polylines(points)
    return found


def rounded(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on a curve through the corners of a stroke."""
    last = len(corners) - 1
    if last == 0:
        return corners
    curve = make_interp_spline(np.arange(last + 1), corners, min(2, last))
    return curve(np.linspace(0, last, 4 * last + 1))


def handwritten(text: str, height: float = 0.4, seed: int = 0) -> list[Stroke]:
    """Write a text on the sheet; lengths are in heights of the sheet."""
    rng = np.random.default_rng(seed)
    strokes = []
    right = 0.0
    for sign in text:
        parts = [rounded(each) for each in polylines(rng.choice(FORMS[sign]))]
        across = np.concatenate(parts)[:, 0]
        left = right + rng.uniform(0.2, 0.4)  # wider than the pen
        shift = np.array([left - across.min(), 0])
        strokes += [part + shift for part in parts]
        right = left + np.ptp(across)
    corners = np.concatenate(strokes)
    inside = SHEET - 2 * MARGIN
    extent = np.ptp(corners, axis=0)
    height = min(height, *inside / extent)
    room = inside - height * extent
    corner = MARGIN + rng.uniform(0.1, 0.9, 2) * room
    return [height * (part - corners.min(0)) + corner for part in strokes]
