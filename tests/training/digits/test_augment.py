"""Augmentation: which changes to a digit are allowed."""

import pytest
import torch

from tensors import generator
from training.digits import augment
from training.writing.batch import affine_grid, extent, sample


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits[::5]).float() / 255


def test_the_same_generator_gives_the_same_images_and_nothing_else_changes(
    images, labels
):
    labels = torch.from_numpy(labels[::5])
    before = images.clone()
    state = torch.get_rng_state()
    once = augment.augment(images, labels, generator())
    assert once.equal(augment.augment(images, labels, generator()))
    assert not once.equal(augment.augment(images, labels, generator(1)))
    assert images.equal(before)
    assert torch.get_rng_state().equal(state)
    same = images[:1].expand(20, 28, 28)
    assert len(torch.unique(augment.deform(same, generator()), dim=0)) == 20


def test_up_to_a_quarter_of_some_digits_is_cut_off_at_a_random_side(images):
    many = images.repeat(20, 1, 1)
    cut = augment.cut(many, generator())
    changed = (cut != many).any(dim=2).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(augment.CUT, abs=0.03)
    assert ((cut == 0) | (cut == many)).all()  # nothing is added or moved
    before = torch.stack(extent(many[changed]))
    after = torch.stack(extent(cut[changed]))
    top, bottom, left, right = (after - before).abs()
    for moved in (top, bottom, left, right):
        assert 0 < (moved > 0).sum() < changed.sum()
    height = before[1] - before[0]
    assert (top + bottom <= 0.25 * height + 1.5).float().mean() > 0.9


def framed(images):
    return augment.deform(images, generator(), strength=0)


def test_without_randomness_digits_are_framed_as_by_the_service(images):
    difference = (framed(images) - images).abs().mean(dim=(1, 2))
    # MNIST rounds positions to whole pixels, reframing does not.
    assert difference.mean() < 0.04
    assert difference.max() < 0.1
    # Smaller, to the left and down.
    zoom = torch.tensor([[1.4, 0, 0.2], [0, 1.4, -0.1]]).expand(len(images), 2, 3)
    moved = sample(images, affine_grid(zoom, images))
    again = framed(moved)
    assert (again - images).abs().mean() < 0.5 * (moved - images).abs().mean()
    axis = torch.arange(28.0) + 0.5
    rows = again.sum(dim=2) @ axis / again.sum(dim=(1, 2))
    assert (rows - 14.5).abs().max() < 0.7
