"""Reading a digit: which candidate it is, and when no further view is tried."""

import gc
import re
import sys

import numpy as np
import pytest
from PIL import Image

from app.digit.candidates import Candidate
from app.digit.classifier import Classes
from app.digit.reading import read_digit
from app.digit.search import Choice, choose
from app.picture.errors import PictureError
from app.picture.ink import View
from app.picture.maps import PixelBox
from networks import reading_of
from pictures import drawing, encode, flat, load_sheet

BOXES = {
    "left": PixelBox(10, 50, 10, 40),
    "right": PixelBox(10, 50, 60, 90),
    "both": PixelBox(10, 50, 10, 90),
    "within": PixelBox(20, 40, 20, 30),
    "narrow": PixelBox(10, 50, 10, 30),
    "low": PixelBox(10, 29, 60, 75),
    "speck": PixelBox(10, 12, 10, 11),
}


CUT = encode(drawing(load_sheet()[0][0]))[:3000]


def choice_among(rows: str) -> Choice:
    """Choose among candidates, each a box, its legibility and its prior.

    The nth is certainly the digit n.
    """
    frame = np.zeros((28, 28), np.float32)
    view = View(np.zeros((60, 100), np.float32))
    found = []
    legibility = []
    for row in rows.split(","):
        box, legible, prior = row.split()
        found.append(Candidate(frame, BOXES[box], float(prior), None, view))
        legibility.append(float(legible))
    probabilities = np.eye(10, dtype=np.float32)[: len(found)]
    return choose(found, Classes(probabilities, np.array(legibility, np.float32)))


# Candidates, the chosen one, the digit's legibility, and whether there are several.
# A legibility of 0.9 is odds of 9, or e to 2.2.
CHOICES = """
the most legible one    left .2 0, left .9 0, left .6 0         1  0.9    one
a low prior             left .5 0, left .9 -1                   1  0.9    one
a lower prior           left .5 0, left .9 -3                   0  0.5    one
a legibility of 1       left 1 -20, left .9 0                   1  0.9    one
a legibility of 0       left 0 0, left .1 0                     1  0.1    one
a smaller one           speck .8 0, right .6 0                  1  0.6    one
one of the same height  narrow .8 0, right .6 0                 0  0.32   several
one beside it           left .99 0, right .9 -3, both .1 0      0  0.099  several
a small one beside it   left .99 0, low .98 -3                  0  0.99   one
one around it           left .99 0, both .98 -3                 0  0.99   one
one within it           left .99 0, within .98 -3               0  0.99   one
"""


@pytest.mark.parametrize("choice", CHOICES.strip().splitlines())
def test_legibility_prior_and_size_choose_the_digit_and_others_lower_its_legibility(
    choice,
):
    _, rows, digit, legibility, count = re.split("  +", choice)
    made = choice_among(rows)
    box, *_ = rows.split(",")[int(digit)].split()
    assert made.probabilities.argmax() == int(digit)
    assert made.best.box == BOXES[box]
    assert made.legibility == pytest.approx(float(legibility))
    assert made.has_several == (count == "several")


def side_by_side(*digits: np.ndarray) -> Image.Image:
    cells = [np.asarray(drawing(digit))[:, 50:350] for digit in digits]
    return Image.fromarray(np.hstack(cells))


def test_two_digits_side_by_side_are_several_with_low_legibility(digits):
    pairs = zip(digits[::50], digits[25::50], strict=True)
    both = [reading_of(side_by_side(*pair)) for pair in pairs]
    assert sum(each.has_several and each.legibility < 0.5 for each in both) >= 9
    alone = [reading_of(side_by_side(digit)) for digit in digits[::50]]
    assert not any(one.has_several for one in alone)
    assert min(one.legibility for one in alone) > 0.5


def small_on_a_large_sheet(digit: np.ndarray) -> Image.Image:
    return Image.fromarray(255 - np.pad(digit, ((300, 312), (200, 412))))


def test_a_small_digit_is_read_wherever_it_is_written(digits, labels):
    sheets = map(small_on_a_large_sheet, digits[::20])
    answers = [reading_of(sheet).digit for sheet in sheets]
    assert (answers != labels[::20]).sum() <= 1


@pytest.mark.parametrize("picture", [flat(255), CUT, b"text"])
def test_a_picture_that_cannot_be_read_is_freed_without_a_garbage_collection(
    picture, classifier
):
    def refuse() -> None:
        with pytest.raises(PictureError):
            read_digit(picture, classifier)

    refuse()
    gc.collect()
    gc.disable()
    before = sys.getrefcount(picture)
    refuse()
    after = sys.getrefcount(picture)
    gc.enable()
    assert after == before
