"""Effects on a digit's ink: direction, range, and the share of images."""

import pytest
import torch

from tensors import generator
from training import wear


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits).float() / 255


@pytest.mark.parametrize(
    ("effect", "adds", "removes"),
    [
        (wear.thickened, True, False),
        (wear.thinned, False, True),
        (wear.blurred, True, True),
        (wear.toned, True, True),
    ],
)
def test_an_effect_adds_or_removes_ink_in_each_image_in_its_own_way(effect, adds, removes, images):
    worn = effect(images, generator())
    change = worn - images
    assert -1e-6 <= worn.min() <= worn.max() <= 1 + 1e-6
    assert (change.max() > 1e-3, change.min() < -1e-3) == (adds, removes)
    assert len(torch.unique(effect(images[:1].expand(20, 28, 28), generator()), dim=0)) >= 18


def test_coarsened_images_keep_their_ink_and_every_second_one_is_binary(images):
    faint = 0.6 * images
    coarse = wear.coarsened(faint, generator())
    ink, strongest = coarse.sum(dim=(1, 2)) / faint.sum(dim=(1, 2)), coarse.amax(dim=(1, 2))
    assert ink[1::2].mean() == pytest.approx(1, abs=0.1)
    assert strongest[::2].min() > 0.7  # a stroke of one pixel fades when it is enlarged
    assert strongest[::2].median() > 0.9
    assert strongest[1::2].max() < 0.61


def test_a_third_of_the_streaks_erase_ink_and_the_others_are_straight_lines_half_of_them_from_edge_to_edge(images):
    change = wear.streaked(images, generator()) - images
    assert 0.2 < (change.amin(dim=(1, 2)) < 0).float().mean() < 0.4
    drawn = wear.streaked(torch.zeros((300, 28, 28)), generator()) > 0
    drawn = drawn[drawn.any(dim=2).any(dim=1)]
    rows, columns = drawn.any(dim=2).sum(dim=1), drawn.any(dim=1).sum(dim=1)
    assert (torch.minimum(rows, columns) <= 8).all()
    assert 0.35 < (torch.maximum(rows, columns) >= 27).float().mean() < 0.65
    assert 0.3 < (rows > columns).float().mean() < 0.7
