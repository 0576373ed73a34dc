"""Effects on a digit's ink: direction, range, and the share of images."""

import pytest
import torch

from tensors import generator
from training import wear


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits).float() / 255


def change_of_ink(effect, images: torch.Tensor) -> torch.Tensor:
    return (effect(images, generator()) - images).sum(dim=(1, 2))


def test_effects_add_remove_or_keep_ink_as_their_names_say(images):
    assert (change_of_ink(wear.thickened, images) >= 0).all()
    assert (change_of_ink(wear.thinned, images) <= 0).all()
    assert (change_of_ink(wear.torn, images) <= 0).all()
    assert (change_of_ink(wear.lined, images) >= 0).all()
    assert (change_of_ink(wear.ruled, images) >= 0).all()
    assert change_of_ink(wear.blurred, images).abs().max() < 0.01 * images.sum(dim=(1, 2)).max()


@pytest.mark.parametrize("effect", [row[0] for row in wear.EFFECTS])
def test_an_effect_stays_in_range(images, effect):
    worn = effect(images, generator())
    assert worn.shape == images.shape
    assert -1e-6 <= worn.min() <= worn.max() <= 1 + 1e-6


@pytest.mark.parametrize("effect", [effect for effect, _ in wear.EFFECTS if effect is not wear.coarsened])
def test_an_effect_changes_each_image_in_its_own_way(images, effect):
    assert len(torch.unique(effect(images[:1].expand(20, 28, 28), generator()), dim=0)) >= 18


@pytest.mark.parametrize("seed", range(3))
def test_coarsened_images_keep_their_ink_and_every_second_one_is_binary(images, seed):
    faint = 0.6 * images
    coarse = wear.coarsened(faint, generator(seed))
    ink, strongest = coarse.sum(dim=(1, 2)) / faint.sum(dim=(1, 2)), coarse.amax(dim=(1, 2))
    assert ink[1::2].mean() == pytest.approx(1, abs=0.1)
    assert strongest[::2].min() > 0.7  # a stroke of one pixel fades when it is enlarged
    assert strongest[::2].median() > 0.9
    assert strongest[1::2].max() < 0.61


def test_wear_changes_about_the_stated_share_of_images(images):
    before = images.clone()
    worn = wear.wear(images, generator())
    assert images.equal(before)
    untouched = torch.tensor([1 - share for _, share in wear.EFFECTS]).prod().item()
    changed = (worn != images).any(dim=2).any(dim=1).float().mean().item()
    assert changed == pytest.approx(1 - untouched, abs=0.08)


def test_dilation_reaches_the_four_neighbours():
    image = torch.zeros(1, 5, 5)
    image[0, 2, 2] = 1
    assert wear.dilated(image)[0].tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_ruled_line_runs_from_edge_to_edge():
    ruled = wear.ruled(torch.zeros((100, 28, 28)), generator()) > 0
    rows, columns = ruled.any(dim=2).sum(dim=1), ruled.any(dim=1).sum(dim=1)
    assert (torch.maximum(rows, columns) >= 27).all()
    assert (torch.minimum(rows, columns) <= 6).all()
    assert 20 < (rows > columns).sum() < 80
