"""Lines on images small enough to compute by hand."""

import pytest
import torch

from training.pen import draw, stroke_width


def test_a_horizontal_line_has_the_requested_width():
    image = draw(torch.tensor([[[5.0, 10], [15, 10]]]), torch.tensor([2.0]))[0]
    assert image[8:13, 10].tolist() == [0, 0.5, 1, 0.5, 0]
    assert image[10, 3:7].tolist() == [0, 0.5, 1, 1]  # its end is round and reaches a pixel further


def test_a_polyline_passes_through_its_vertices():
    corners = torch.tensor([[[4.0, 4], [4, 20], [20, 20]], [[2, 2], [9, 2], [16, 2]]])
    image, other = draw(corners, torch.tensor([1.0, 3]))
    assert all(image[int(y), int(x)] == 1 for x, y in corners[0])
    assert image[12, 12] == other[20].sum() == 0  # each image has its own line


@pytest.mark.parametrize("width", [2.0, 3.0, 4.0])
def test_the_width_of_a_drawn_line_is_estimated(width):
    line = draw(torch.tensor([[[4.0, 4], [14, 24]]]), torch.tensor([width]))
    assert stroke_width(line).item() == pytest.approx(width, rel=0.25)
