"""A map of where something is written → lines, rows: on drawn maps, with boxes known
beforehand.
"""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.text.layout import (
    Finding,
    Line,
    in_rows,
    joined,
    lines_in,
    tilt_of,
    without_overlaps,
)

FINDING = Finding(threshold=0.3, least_probability=0.5, growth=1.6)


def drawn(
    *boxes: tuple[int, int, int, int],
    size: tuple[int, int] = (300, 200),
    level: float = 1.0,
) -> np.ndarray:
    """Draw a map with full boxes, each (left, top, right, bottom)."""
    writing = np.zeros(size[::-1], np.float32)
    for left, top, right, bottom in boxes:
        writing[top:bottom, left:right] = level
    return writing


def turned(degrees: float, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    """Draw three lines, 200×10, that descend to the right."""
    sheet = Image.new("L", size)
    for top in (60, 140, 220):
        ImageDraw.Draw(sheet).rectangle((100, top, 299, top + 9), fill=255)
    return np.asarray(sheet.rotate(-degrees), np.float32) / 255


def test_the_box_around_a_line_grows_by_a_share_of_its_area_over_its_perimeter():
    (line,) = lines_in(drawn((50, 80, 150, 100)), (300, 200), FINDING)
    growth = 1.6 * 100 * 20 / (2 * (100 + 20))
    assert line[:4] == pytest.approx(
        (80 - growth, 100 + growth, 50 - growth, 150 + growth)
    )
    assert (line.tilt, line.height) == (0, pytest.approx(20 + 2 * growth))


def test_lines_are_in_pixels_of_the_image_of_which_the_map_is_a_smaller_one():
    (small,) = lines_in(drawn((50, 80, 150, 100)), (300, 200), FINDING)
    (large,) = lines_in(drawn((50, 80, 150, 100)), (900, 600), FINDING)
    assert large[:4] == pytest.approx([3 * edge for edge in small[:4]])


@pytest.mark.parametrize(
    ("writing", "count"),
    [
        (drawn(), 0),
        (drawn((20, 20, 60, 40), (20, 60, 60, 80), (80, 20, 120, 40)), 3),
        (drawn((20, 20, 60, 40), (60, 40, 100, 60)), 1),  # which touch at a corner
        (drawn((50, 80, 150, 100), (90, 70, 98, 76)), 1),  # one lies in the other's box
        (drawn((50, 80, 150, 100), (90, 50, 98, 56)), 2),
        # Above the threshold, but not probable enough.
        (drawn((20, 20, 60, 40), level=0.4), 0),
        (drawn((20, 20, 60, 40), level=0.29), 0),
        (drawn((20, 20, 60, 40), level=0.5), 1),
        (drawn((20, 20, 60, 22)), 0),  # too low
        (drawn((20, 20, 22, 60)), 0),
    ],
)
def test_lines_are_connected_pixels_that_are_probable_and_large_enough(writing, count):
    assert len(lines_in(writing, (300, 200), FINDING)) == count


@pytest.mark.parametrize("degrees", [-20, -10, -3, 0, 3, 10, 20])
def test_a_tilted_line_has_a_box_that_is_tilted_as_it_is(degrees):
    lines = lines_in(turned(degrees), (400, 300), FINDING)
    assert [math.degrees(line.tilt) for line in lines] == pytest.approx(
        [degrees] * 3, abs=0.5
    )
    growth = 1.6 * 200 * 10 / (2 * (200 + 10))
    for line in lines:
        assert line.right - line.left == pytest.approx(200 + 2 * growth, abs=4)
        assert line.height == pytest.approx(10 + 2 * growth, abs=4)
    assert math.degrees(tilt_of(lines)) == pytest.approx(degrees, abs=0.5)


def test_a_short_line_is_tilted_as_the_long_ones_of_its_page():
    """Its own shape says little: one digit may be lower than the next."""
    writing = turned(5)
    writing[20:30, 20:32] = 1
    writing[30:40, 26:38] = 1
    assert [
        math.degrees(line.tilt) for line in lines_in(writing, (400, 300), FINDING)
    ] == pytest.approx([5] * 4, abs=0.5)
    (alone,) = lines_in(drawn((20, 20, 32, 30), (26, 30, 38, 40)), (300, 200), FINDING)
    assert alone.tilt == 0


@pytest.mark.parametrize("degrees", [0, 4, -8])
def test_rows_come_from_top_to_bottom_and_their_lines_from_left_to_right(degrees):
    sheet = Image.new("L", (600, 400))
    cells = [
        (x, y)
        for y in (60, 120, 180, 240)
        for x in (80, 240, 400)
        if (x, y) != (240, 120)
    ]
    for x, y in cells:
        ImageDraw.Draw(sheet).rectangle((x, y, x + 79, y + 11), fill=255)
    lines = lines_in(
        np.asarray(sheet.rotate(-degrees), np.float32) / 255, sheet.size, FINDING
    )
    rows = in_rows(
        [lines[place] for place in np.random.default_rng(0).permutation(len(lines))]
    )
    assert [len(row) for row in rows] == [3, 2, 3, 3]
    for row in rows:
        ends = [line.level_centre(math.radians(degrees))[0] for line in row]
        assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([Line(0, 40, 0, 200), Line(10, 20, 50, 60)], [Line(0, 40, 0, 200)]),
        ([Line(10, 20, 50, 60), Line(0, 40, 0, 200)], [Line(0, 40, 0, 200)]),
        (
            [Line(0, 40, 0, 200), Line(-10, 30, 190, 210)],
            [Line(0, 40, 0, 200), Line(-10, 30, 190, 210)],
        ),
        ([Line(0, 40, 0, 200), Line(0, 40, 170, 205)], [Line(0, 40, 0, 205)]),
        # Two close rows.
        (
            [Line(0, 40, 0, 200), Line(14, 54, 0, 200)],
            [Line(0, 40, 0, 200), Line(14, 54, 0, 200)],
        ),
        (
            [Line(0, 40, 0, 200), Line(0, 45, 150, 205), Line(25, 45, 140, 170)],
            [Line(0, 45, 0, 205)],
        ),
        ([], []),
    ],
)
def test_lines_of_which_most_lies_in_another_one_are_joined(lines, expected):
    assert without_overlaps(lines) == expected
    tilted = [line._replace(tilt=math.radians(5)) for line in lines]
    assert [tuple(line) for line in without_overlaps(tilted)] == [
        pytest.approx((*line[:4], math.radians(5))) for line in expected
    ]


def test_lines_joined_are_the_box_around_them():
    first, second = Line(10, 30, 5, 40), Line(12, 36, 60, 90)
    assert joined([first, second]) == Line(10, 36, 5, 90)
    tilt = math.radians(6)
    assert joined(
        [first._replace(tilt=tilt), second._replace(tilt=tilt)]
    ) == pytest.approx((10, 36, 5, 90, tilt))
