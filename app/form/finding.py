"""A page → its landmarks: lines of print and printed rules, by which it is found."""

import math

import numpy as np
from PIL import Image

from app.form.landmarks import MIN_RULE, Landmarks
from app.picture.maps import Mask, connected, sample, windows
from app.picture.printed_lines import opened_along_rows
from app.text.layout import ELONGATED, Floats, LineBox, rotated, weighted_median
from app.text.pages import PageNetwork
from app.text.strips import LEVEL, Pixels, Sheet, reduction

# A page is reduced to about so many pixels to find its print: a third of the time, and
# as exact.
PRINT_PIXELS = 400 * 400
# Of the reduced page on which rules are looked for, in pixels.
RULE_SIDE = 1000
# Length of a printed line on an empty page, such as between two digits, over the longer
# side of the page.
MIN_TICK = 0.01
SHORTEST = 5  # pixels of a rule on it
THIN = 7  # rows, of the thickest rule on the reduced page
LEAST_CONTRAST = 12  # of a rule, in levels
DARK = 127  # level of a background on which writing is lighter
END = 8  # columns of a rule at each end whose height is that of the end


def landmarks_of(
    sheet: Sheet, pages: PageNetwork, shortest: float = MIN_RULE
) -> Landmarks:
    """Find the landmarks of a page.

    Parameters
    ----------
    sheet : Sheet
        The page, at the resolution at which pages are read.
    pages : PageNetwork
        The network that finds lines of writing.
    shortest : float
        Length of a printed line, over the longer side of the page.
    """
    factor = reduction(sheet.grey, PRINT_PIXELS)
    lines = pages.lines_on(sheet.grey.reduce(factor))
    writing = factor * np.array([*map(middle_of, lines)]).reshape(-1, 4)
    rules = rules_on(sheet, tilt_of(lines), shortest)
    picture = sheet.picture
    corner = [picture.left, picture.top] * 2
    size = picture.width, picture.height
    scale = picture.scale
    return Landmarks(scale * (writing + corner), scale * (rules + corner), size)


def middle_of(line: LineBox) -> tuple[float, float, float, float]:
    """Return both ends of the middle of a line."""
    middle = (line.top + line.bottom) / 2
    begin = rotated(line.left, middle, line.tilt)
    return *begin, *rotated(line.right, middle, line.tilt)


def tilt_of(lines: list[LineBox]) -> float:
    """Return the usual tilt of the long lines of a page, in radians."""
    long = [line for line in lines if line.length > ELONGATED * line.height]
    tilts = np.array([line.tilt for line in long])
    return weighted_median(tilts, np.array([line.length for line in long]))


def rules_on(sheet: Sheet, tilt: float, shortest: float) -> Floats:
    """Find the printed lines along and across a page of this tilt: (n, 4), both ends of
    each, in pixels.
    """
    factor = max(1, min(round(max(sheet.grey.size) / RULE_SIDE), *sheet.grey.size))
    small = Image.fromarray(darkest_of(sheet, factor))
    turned = math.degrees(tilt)
    level = small.rotate(turned, Image.Resampling.BILINEAR, fillcolor=median_of(small))
    levels = np.asarray(level)
    pixels = max(SHORTEST, round(shortest * max(level.size)))
    along = runs_in(levels, pixels)
    across = runs_in(np.ascontiguousarray(levels.T), pixels)[:, [1, 0, 3, 2]]
    centre = np.array(level.size) / 2
    x, y = (np.concatenate([along, across]).reshape(-1, 2) - centre).T
    upright = np.stack(rotated(x, y, np.full(len(x), tilt)), axis=1) + centre
    return (factor * upright).reshape(-1, 4)


def darkest_of(sheet: Sheet, factor: int) -> Pixels:
    """Return the level of the ink in each square of pixels, dark on light, so that thin
    lines stay.
    """
    levels: Pixels = np.asarray(sheet.grey)
    if sheet.ground < DARK:
        levels = 255 - levels
    for _ in range(2):  # along one axis, then along the other
        rows = len(levels) // factor * factor
        levels = np.minimum.reduce([levels[k:rows:factor] for k in range(factor)]).T
    return levels


def median_of(image: Image.Image) -> int:
    """Return the median level of a grey image."""
    return int(np.median(sample(np.asarray(image))))


def thin_ink(levels: Pixels) -> Mask:
    """Return where it is darker than above and below: a black top-hat along columns."""
    wider = np.pad(levels, ((THIN - 1, THIN - 1), (0, 0)), mode="edge")
    closed = windows(np.minimum, windows(np.maximum, wider, THIN), THIN)
    darker = closed - levels
    strong = np.percentile(darker, 99)
    thin: Mask = darker > max(LEAST_CONTRAST, LEVEL * strong)
    return thin


def runs_in(levels: Pixels, shortest: int) -> Floats:
    """Return both ends of each thin line of ink along the rows, (n, 4), x and y."""
    inked = thin_ink(levels)
    # A line that is not quite level goes on in the next row.
    thicker = inked.copy()
    thicker[1:] |= inked[:-1]
    thicker[:-1] |= inked[1:]
    labels = connected(opened_along_rows(thicker, shortest))
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
