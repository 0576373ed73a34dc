"""Boxes on a map, computed by hand."""

import pytest

from app.preprocess.maps import Box


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (Box(0, 10, 0, 20), 1),  # itself
        (Box(2, 4, 3, 5), 1),  # inside
        (Box(0, 20, 0, 40), 0.25),  # around it
        (Box(5, 15, 10, 30), 0.25),
        (Box(0, 10, 20, 25), 0),  # beside it
        (Box(12, 14, 0, 20), 0),  # below it
        (Box(12, 14, 22, 24), 0),  # at its corner
    ],
)
def test_the_share_of_another_box_that_lies_in_a_box(other, share):
    assert Box(0, 10, 0, 20).share_of(other) == share
