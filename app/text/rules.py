"""A page → the lines that are printed on it: rules, and the frames of tables."""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.picture.maps import Mask, connected, sample, windows
from app.picture.printed_lines import opened_along_rows
from app.text.layout import Floats, rotated
from app.text.strips import Pixels, Sheet, reduction

SIDE = 1000  # longer side of the reduced page on which rules are looked for, in pixels
THIN = 7  # rows, of the thickest rule on it
SHORTEST = 5  # pixels of a rule on it
INKED = 0.7  # of the length over which most of a line is ink
END = 8  # columns of a rule at each end whose height is that of the end
SAMPLE = 500 * 500  # pixels of the page on which ink is told from paper
MOST_TILTED = 30.0  # degrees by which a page may be turned
STEP = 0.5  # degrees
POINTS = 10_000  # of ink by which the tilt is found


class Kind(NamedTuple):
    """Which printed lines are looked for.

    Attributes
    ----------
    shortest : float
        Their length, over the longer side of the page.
    least_contrast : float
        Their contrast, in levels.
    contrast : float
        The same over that of the thin ink on the page.
    near : float
        Length over which most of a line is ink, over that of the shortest one; with 0,
        all of it, and each line ends where another crosses it.
    """

    shortest: float
    least_contrast: float
    contrast: float
    near: float

    def pixels(self, levels: Pixels) -> int:
        """Return the length of the shortest line on a page (H, W)."""
        longer: int = max(levels.shape)
        return max(SHORTEST, round(self.shortest * longer))


class Rules(NamedTuple):
    """The printed lines of a page: both ends of each, x1, y1, x2, y2.

    Attributes
    ----------
    along : NDArray
        (n, 4) float64: lines that are level on the upright page, from left to right, in
        pixels of the sheet's image.
    across : NDArray
        (m, 4) float64: lines that are upright there, from top to bottom.
    """

    along: Floats
    across: Floats


def rules_on(sheet: Sheet, kind: Kind) -> Rules:
    """Find the printed lines along and across a page, which may be tilted.

    Parameters
    ----------
    sheet : Sheet
        The page.
    kind : Kind
        Which lines.
    """
    factor = max(1, min(round(max(sheet.grey.size) / SIDE), *sheet.grey.size))
    levels = darkest_of(sheet, factor)
    tilt = tilt_of(levels, kind)
    level = Image.fromarray(levels).rotate(
        math.degrees(tilt),
        Image.Resampling.BILINEAR,
        fillcolor=int(np.median(sample(levels))),
    )
    levels = np.asarray(level)
    along = runs_in(levels, kind)
    across = runs_in(np.ascontiguousarray(levels.T), kind)[:, [1, 0, 3, 2]]
    centre = np.array(level.size) / 2

    def upright(ends: Floats) -> Floats:
        x, y = (ends.reshape(-1, 2) - centre).T
        turned = np.stack(rotated(x, y, np.full(len(x), tilt)), axis=1)
        return (factor * (turned + centre)).reshape(-1, 4)

    return Rules(upright(along), upright(across))


def darkest_of(sheet: Sheet, factor: int) -> Pixels:
    """Return the level of the ink in each square of pixels, dark on light, so that thin
    lines stay.
    """
    levels: Pixels = np.asarray(sheet.grey)
    if is_light(sheet):
        levels = 255 - levels
    for _ in range(2):  # along one axis, then along the other
        rows = len(levels) // factor * factor
        levels = np.minimum.reduce([levels[k:rows:factor] for k in range(factor)]).T
    return levels


def is_light(sheet: Sheet) -> bool:
    """Return whether the ink is lighter than the paper, as on a blackboard.

    A dark photo does not show it: what is thin does.
    """
    small = np.asarray(sheet.grey.reduce(reduction(sheet.grey, SAMPLE)))
    dark, light = (np.percentile(top_hat(each), 99) for each in (small, 255 - small))
    return bool(light > dark)


def top_hat(levels: Pixels) -> Pixels:
    """Return by how much each pixel is darker than those above and below: a black
    top-hat along columns.
    """
    wider = np.pad(levels, ((THIN - 1, THIN - 1), (0, 0)), mode="edge")
    closed = windows(np.minimum, windows(np.maximum, wider, THIN), THIN)
    darker: Pixels = closed - levels
    return darker


def tilt_of(levels: Pixels, kind: Kind) -> float:
    """Return by how much the thin ink of a page is tilted, in radians.

    When it is level, ink gathers on the fewest rows and columns of pixels (Postl 1986,
    "Detection of linear oblique structures and skew scan in digitized documents").
    """
    across = thin_ink(np.ascontiguousarray(levels.T), kind).T
    inked = thin_ink(levels, kind) | across
    rows, columns = np.nonzero(inked)
    step = max(1, len(rows) // POINTS)
    y, x = rows[::step].astype(float), columns[::step].astype(float)

    def gathered(tangent: float) -> float:
        level, upright = y - tangent * x, x + tangent * y
        counts = [
            np.bincount((each - each.min()).astype(int)) for each in (level, upright)
        ]
        return sum(float(np.square(each, dtype=float).sum()) for each in counts)

    if not len(x):
        return 0.0
    angles = np.radians(np.arange(-MOST_TILTED, MOST_TILTED + STEP, STEP))
    best = max(
        angles.tolist(), key=lambda angle: (gathered(math.tan(angle)), -abs(angle))
    )
    return float(best)


def thin_ink(levels: Pixels, kind: Kind) -> Mask:
    """Return where there is thin ink along the rows."""
    darker = top_hat(levels)
    strong = kind.contrast * np.percentile(darker, 99)
    inked: Mask = darker > max(kind.least_contrast, strong)
    near = round(kind.near * kind.pixels(levels))
    if near < 2:
        return inked
    wider = np.pad(inked, ((0, 0), (near // 2 + 1, (near - 1) // 2)), mode="edge")
    counts = wider.cumsum(axis=1)
    thin: Mask = counts[:, near:] - counts[:, :-near] >= INKED * near
    return thin


def runs_in(levels: Pixels, kind: Kind) -> Floats:
    """Return both ends of each thin line of ink along the rows, (n, 4), x and y."""
    inked = thin_ink(levels, kind)
    # A line that is not quite level goes on in the next row.
    thicker = inked.copy()
    thicker[1:] |= inked[:-1]
    thicker[:-1] |= inked[1:]
    labels = connected(opened_along_rows(thicker, kind.pixels(levels)))
    rows, columns = np.nonzero(labels)
    if not len(rows):
        return np.zeros((0, 4))
    of = labels[rows, columns]
    order = np.lexsort((columns, of))
    rows, columns, of = rows[order], columns[order], of[order]
    starts = np.flatnonzero(np.diff(of, prepend=0))
    found = []
    for begin, end in zip(starts, [*starts[1:], len(of)], strict=True):
        x, y = columns[begin:end], rows[begin:end]
        left, right = x[0], x[-1] + 1
        first = y[x < left + END].mean() + 0.5
        last = y[x >= right - END].mean() + 0.5
        found.append((left, first, right, last))
    return np.array(found, float)
