"""Boxes on a map, computed by hand."""

import pytest

from app.preprocess.maps import Box


@pytest.mark.parametrize(
    ("box", "within"),
    [
        (Box(2, 4, 3, 5), Box(2, 4, 3, 5)),
        (Box(-3, 30, -1, 50), Box(0, 10, 0, 20)),  # around it
        (Box(4, 4, 7, 7), Box(4, 5, 7, 8)),  # empty
        (Box(12, 14, 22, 24), Box(9, 10, 19, 20)),  # beyond its corner
        (Box(-5, -2, -9, -8), Box(0, 1, 0, 1)),  # before it
    ],
)
def test_a_box_within_a_picture_has_at_least_one_pixel_of_it(box, within):
    assert box.within(width=20, height=10) == within
