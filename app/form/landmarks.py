"""What is printed on a page, by which it is found again."""

from dataclasses import dataclass

import numpy as np

from app.form.form import FormPage
from app.text.layout import Floats

# Length of a rule by which a page is found, over the longer side of the page; strokes
# of writing are shorter.
MIN_RULE = 0.03


@dataclass(frozen=True)
class Landmarks:
    """What is printed on a page, or may be.

    Attributes
    ----------
    writing : NDArray
        (n, 4) float64: both ends of the middle of each line of writing, x1, y1, x2, y2,
        in pixels of the upright picture.
    rules : NDArray
        (m, 4) float64: both ends of each printed line.
    size : tuple of int
        Width and height of the upright picture.
    """

    writing: Floats
    rules: Floats
    size: tuple[int, int]

    @property
    def long_rules(self) -> Floats:
        """The rules by which the page is found."""
        x, y = (self.rules[:, 2:] - self.rules[:, :2]).T
        long: Floats = self.rules[np.hypot(x, y) >= MIN_RULE * max(self.size)]
        return long


def landmarks_in(page: FormPage) -> Landmarks:
    """Return the landmarks of a form's page, in pixels."""
    size = np.array([*page.size, *page.size], float)
    writing = np.array(page.landmarks.writing, float).reshape(-1, 4)
    rules = np.array(page.landmarks.rules, float).reshape(-1, 4)
    return Landmarks(writing * size, rules * size, page.size)
