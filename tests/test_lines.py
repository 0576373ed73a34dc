"""A map of where something is written → lines and rows: on maps with known boxes."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.text.layout import (
    Finding,
    LineBox,
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


def found_in(writing: np.ndarray) -> list[LineBox]:
    return lines_in(writing, writing.shape[::-1], FINDING)


def degrees_of(lines: list[LineBox]) -> list[float]:
    return [math.degrees(line.tilt) for line in lines]


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
    assert len(found_in(writing)) == count


@pytest.mark.parametrize("degrees", [-20, -10, -3, 0, 3, 10, 20])
def test_a_tilted_line_has_a_box_that_is_tilted_as_it_is(degrees):
    lines = found_in(turned(degrees))
    assert degrees_of(lines) == pytest.approx([degrees] * 3, abs=0.5)
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
    lines = found_in(writing)
    assert degrees_of(lines) == pytest.approx([5] * 4, abs=0.5)
    (alone,) = found_in(drawn((20, 20, 32, 30), (26, 30, 38, 40)))
    assert alone.tilt == 0


@pytest.mark.parametrize("degrees", [0, 4, -8])
def test_rows_come_from_top_to_bottom_and_their_lines_from_left_to_right(degrees):
    sheet = Image.new("L", (600, 400))
    for y in (60, 120, 180, 240):
        for x in (80, 240, 400):
            if (x, y) != (240, 120):
                ImageDraw.Draw(sheet).rectangle((x, y, x + 79, y + 11), fill=255)
    lines = found_in(np.asarray(sheet.rotate(-degrees), np.float32) / 255)
    np.random.default_rng(0).shuffle(lines)
    rows = in_rows(lines)
    assert [len(row) for row in rows] == [3, 2, 3, 3]
    for row in rows:
        ends = [line.level_centre(math.radians(degrees))[0] for line in row]
        assert ends == sorted(ends)


# Lines, each as top, bottom, left and right; what they are then; and why.
OVERLAPS = """
0 40 0 200, 10 20 50 60 = 0 40 0 200: inside
10 20 50 60, 0 40 0 200 = 0 40 0 200
0 40 0 200, -10 30 190 210 = 0 40 0 200, -10 30 190 210: beside
0 40 0 200, 0 40 170 205 = 0 40 0 205
0 40 0 200, 14 54 0 200 = 0 40 0 200, 14 54 0 200: two close rows
0 40 0 200, 0 45 150 205, 25 45 140 170 = 0 45 0 205
"""


def lines_of(text: str) -> list[LineBox]:
    return [LineBox(*map(float, edges.split())) for edges in text.split(",")]


@pytest.mark.parametrize("row", OVERLAPS.strip().splitlines())
def test_lines_of_which_most_lies_in_another_one_are_joined(row):
    lines, expected = map(lines_of, row.partition(":")[0].split("="))
    assert without_overlaps(lines) == expected
    tilt = math.radians(5)
    tilted = without_overlaps([line._replace(tilt=tilt) for line in lines])
    assert np.array(tilted) == pytest.approx(
        np.array([line._replace(tilt=tilt) for line in expected])
    )


def test_lines_joined_are_the_box_around_them():
    for tilt in (0, math.radians(6)):
        lines = [LineBox(10, 30, 5, 40, tilt), LineBox(12, 36, 60, 90, tilt)]
        assert joined(lines) == pytest.approx((10, 36, 5, 90, tilt))
