"""A page → its landmarks: lines of print and printed rules, by which it is found."""

import numpy as np

from app.form.landmarks import MIN_RULE, Landmarks
from app.text.layout import LineBox, rotated
from app.text.pages import PageNetwork
from app.text.rules import Kind, rules_on
from app.text.strips import Sheet, reduction

# A page is reduced to about so many pixels to find its print: a third of the time, and
# as exact.
PRINT_PIXELS = 400 * 400
# Length of a printed line on an empty page, such as between two digits, over the longer
# side of the page.
MIN_TICK = 0.01
# Where lines cross, each ends, and is found again.
CRISP = Kind(MIN_RULE, least_contrast=12, contrast=0.3, near=0)


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
    rules = np.concatenate(rules_on(sheet, CRISP._replace(shortest=shortest)))
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
