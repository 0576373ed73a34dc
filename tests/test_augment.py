"""Augmentation: which changes to a digit are allowed."""

import pytest
import torch

from tensors import generator
from training import augment
from training.pen import extent


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits[::5]).float() / 255


@pytest.fixture
def still(monkeypatch):
    """Turn off all randomness, so that deformation only frames."""
    monkeypatch.setattr(augment, "OFF_LINEAR", ((0.0, 0.0), (0.0, 0.0)))
    for name in ("ELASTIC_PIXELS", "OFF_SIZE", "OFF_PLACE_PIXELS"):
        monkeypatch.setattr(augment, name, 0.0)


def test_the_same_generator_gives_the_same_images_and_nothing_else_changes(
    images, labels
):
    labels, before, state = (
        torch.from_numpy(labels[::5]),
        images.clone(),
        torch.get_rng_state(),
    )
    once = augment.augment(images, labels, generator())
    assert once.equal(augment.augment(images, labels, generator()))
    assert not once.equal(augment.augment(images, labels, generator(1)))
    assert images.equal(before)
    assert torch.get_rng_state().equal(state)
    assert (
        len(
            torch.unique(
                augment.deform(images[:1].expand(20, 28, 28), generator()), dim=0
            )
        )
        == 20
    )


def test_deformed_digits_stay_in_range_and_keep_their_ink(images):
    deformed = augment.deform(images, generator())
    assert deformed.shape == images.shape
    assert 0 <= deformed.min() <= deformed.max() <= 1
    ink = deformed.sum((1, 2)) / images.sum((1, 2))
    assert 0.3 < ink.min() < ink.max() < 2.5
    assert ink.mean() == pytest.approx(1, abs=0.1)


def test_up_to_a_quarter_of_some_digits_is_cut_off_at_a_random_side(images):
    many = images.repeat(20, 1, 1)
    cut = augment.cut(many, generator())
    changed = (cut != many).any(dim=2).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(augment.CUT, abs=0.03)
    assert ((cut == 0) | (cut == many)).all()  # nothing is added or moved
    before, after = (extent(each[changed]) for each in (many, cut))
    sides = [
        (getattr(after, side) - getattr(before, side)).abs()
        for side in ("top", "bottom", "left", "right")
    ]
    assert all(0 < (moved > 0).sum() < changed.sum() for moved in sides)
    assert (sides[0] + sides[1] <= 0.25 * before.height + 1.5).float().mean() > 0.9


def test_without_randomness_digits_are_framed_as_by_the_service(images, still):
    difference = (augment.deform(images, generator()) - images).abs().mean(dim=(1, 2))
    # MNIST rounds positions to whole pixels, reframing does not.
    assert difference.mean() < 0.04
    assert difference.max() < 0.1
    # Smaller, to the left and down.
    zoom = torch.tensor([[1.4, 0, 0.2], [0, 1.4, -0.1]]).expand(len(images), 2, 3)
    grid = torch.nn.functional.affine_grid(
        zoom, [len(images), 1, 28, 28], align_corners=False
    )
    moved = augment.sample(images, grid)
    framed = augment.deform(moved, generator())
    assert (framed - images).abs().mean() < 0.5 * (moved - images).abs().mean()
    axis = torch.arange(28.0) + 0.5
    rows = framed.sum(dim=2) @ axis / framed.sum(dim=(1, 2))
    assert (rows - 14.5).abs().max() < 0.7
