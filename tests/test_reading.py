"""Pictures → readings: which candidate is the digit, and when no further view is tried."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.digit.candidates import Candidate
from app.digit.reading import Reading, chosen
from app.picture.ink import View
from app.picture.maps import Box
from support import cropped, drawing, reading_of

LEFT, RIGHT, BOTH = Box(10, 50, 10, 40), Box(10, 50, 60, 90), Box(10, 50, 10, 90)
Row = tuple[Box, float, float]  # box, legibility and prior of a candidate


def judged_among(*rows: Row) -> Reading:
    """Choose among candidates; the nth is certainly the digit n."""
    boxes, legibility, priors = zip(*rows, strict=True)
    frame, view = np.zeros((28, 28), np.float32), View(np.zeros((60, 100), np.float32))
    found = [
        Candidate(frame, box, prior, None, view)
        for box, prior in zip(boxes, priors, strict=True)
    ]
    return chosen(
        found,
        np.eye(10, dtype=np.float32)[: len(rows)],
        np.array(legibility, np.float32),
    )[1]


# The digit, its legibility, and whether there are several.
CHOICES: dict[str, tuple[list[Row], int, float, bool]] = {
    "the most legible one": (
        [(LEFT, 0.2, 0), (LEFT, 0.9, 0), (LEFT, 0.6, 0)],
        1,
        0.9,
        False,
    ),
    "a low prior": ([(LEFT, 0.5, 0), (LEFT, 0.9, -1)], 1, 0.9, False),
    # 0.9 is odds of 9, or e to 2.2.
    "a lower prior": ([(LEFT, 0.5, 0), (LEFT, 0.9, -3)], 0, 0.5, False),
    "a legibility of 1": ([(LEFT, 1, -20), (LEFT, 0.9, 0)], 1, 0.9, False),
    "a legibility of 0": ([(LEFT, 0, 0), (LEFT, 0.1, 0)], 1, 0.1, False),
    "a smaller one": ([(Box(10, 12, 10, 11), 0.8, 0), (RIGHT, 0.6, 0)], 1, 0.6, False),
    "one of the same height": (
        [(Box(10, 50, 10, 30), 0.8, 0), (RIGHT, 0.6, 0)],
        0,
        0.8 * 0.4,
        True,
    ),
    "one beside it": (
        [(LEFT, 0.99, 0), (RIGHT, 0.9, -3), (BOTH, 0.1, 0)],
        0,
        0.99 * 0.1,
        True,
    ),
    "a small one beside it": (
        [(LEFT, 0.99, 0), (Box(10, 29, 60, 75), 0.98, -3)],
        0,
        0.99,
        False,
    ),
    "one around it": ([(LEFT, 0.99, 0), (BOTH, 0.98, -3)], 0, 0.99, False),
    "one within it": (
        [(LEFT, 0.99, 0), (Box(20, 40, 20, 30), 0.98, -3)],
        0,
        0.99,
        False,
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_digit_is_chosen_by_legibility_prior_and_size_and_others_beside_it_lower_its_legibility(
    name,
):
    rows, digit, legibility, has_several = CHOICES[name]
    read = judged_among(*rows)
    assert (read.digit, read.box, read.has_several) == (
        digit,
        rows[digit][0],
        has_several,
    )
    assert read.legibility == pytest.approx(legibility)


@pytest.mark.parametrize(
    ("legibility", "prior", "is_sure"),
    [(0.99, 0, True), (0.9, 0, False), (0.99, -3, False)],
)
def test_a_reading_is_sure_by_its_odds(legibility, prior, is_sure):
    assert judged_among((LEFT, legibility, prior)).is_sure == is_sure


def side_by_side(*digits: np.ndarray) -> Image.Image:
    return Image.fromarray(
        np.hstack([np.asarray(drawing(digit))[:, 50:350] for digit in digits])
    )


def test_two_digits_side_by_side_are_several_with_low_legibility(digits):
    pairs = [
        reading_of(side_by_side(a, b))
        for a, b in zip(digits[::50], digits[25::50], strict=True)
    ]
    assert sum(pair.has_several and pair.legibility < 0.5 for pair in pairs) >= 9
    alone = [reading_of(side_by_side(digit)) for digit in digits[::50]]
    assert not any(one.has_several for one in alone)
    assert min(one.legibility for one in alone) > 0.5


def small_on_a_large_sheet(digit: np.ndarray) -> Image.Image:
    return Image.fromarray(
        np.pad(255 - digit, ((300, 312), (200, 412)), constant_values=255)
    )


def in_a_form(digit: np.ndarray) -> Image.Image:
    """Write a digit into the first of two printed boxes, so that it touches the lines
    on its left and below it.
    """
    sheet = Image.new("L", (300, 180), 255)
    for left, right in ((30, 150), (150, 270)):
        ImageDraw.Draw(sheet).rectangle((left, 20, right, 160), outline=90, width=3)
    ink = Image.fromarray(cropped(digit))
    ink = ink.resize((5 * ink.width, 5 * ink.height), Image.Resampling.BICUBIC)
    sheet.paste(40, (32, 162 - ink.height), ink)
    return sheet


@pytest.mark.parametrize(
    ("write", "most"), [(small_on_a_large_sheet, 1), (in_a_form, 2)]
)
def test_a_digit_is_read_wherever_it_is_written(digits, labels, write, most):
    read = [reading_of(write(digit)).digit for digit in digits[::20]]
    assert (read != labels[::20]).sum() <= most
