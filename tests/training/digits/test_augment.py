"""Augmentation: which changes to a digit are allowed."""

import pytest
import torch

from tensors import generator
from training.digits import augment
from training.writing.batch import affine_grid, sample


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
