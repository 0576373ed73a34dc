"""Random deformation: what it may do to a digit, and what it may not."""

import math

import pytest
import torch

from training import augment


@pytest.fixture
def images(digits):
    return torch.from_numpy(digits[::5]).float() / 255


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def identity(n: int) -> torch.Tensor:
    return torch.nn.functional.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 1, 28, 28], align_corners=False)


def test_the_same_generator_gives_the_same_images(images):
    assert augment.deform(images, generator()).equal(augment.deform(images, generator()))
    assert not augment.deform(images, generator()).equal(augment.deform(images, generator(1)))


def test_deform_leaves_its_input_and_the_global_generator_alone(images):
    before, state = images.clone(), torch.get_rng_state()
    augment.deform(images, generator())
    assert images.equal(before)
    assert torch.get_rng_state().equal(state)


def test_deformed_digits_stay_in_range_and_keep_their_ink(images):
    deformed = augment.deform(images, generator())
    assert deformed.shape == images.shape
    assert 0 <= deformed.min() <= deformed.max() <= 1
    ink = deformed.sum((1, 2)) / images.sum((1, 2))
    assert 0.5 < ink.min() < ink.max() < 1.7
    assert ink.mean() == pytest.approx(1, abs=0.1)


def test_each_image_gets_its_own_deformation(images):
    deformed = augment.deform(images[:1].expand(20, 28, 28), generator())
    assert len(torch.unique(deformed, dim=0)) == 20


def test_without_amplitude_nothing_changes(images, monkeypatch):
    for name in ("ROTATION_DEGREES", "SCALE", "SHEAR", "SHIFT_PIXELS", "ELASTIC_PIXELS"):
        monkeypatch.setattr(augment, name, 0.0)
    torch.testing.assert_close(augment.deform(images, generator()), images, atol=1e-5, rtol=0)


def test_affine_turns_shifts_and_scales_within_its_limits(images):
    grid = augment.affine(images, generator())
    edges = grid[:, 0, -1] - grid[:, 0, 0]  # (N, 2): the top edge, from its left end to its right
    angles = torch.atan2(edges[:, 1], edges[:, 0]).abs()
    assert math.radians(10) < angles.max() < math.radians(augment.ROTATION_DEGREES)
    lengths = edges.norm(dim=1) / (2 * 27 / 28)
    assert 1 - augment.SCALE <= lengths.min() < 0.9
    assert 1.1 < lengths.max() <= 1 + augment.SCALE
    shifts = grid.mean(dim=(1, 2)).abs() * 14  # pixels
    assert 1 < shifts.max() <= augment.SHIFT_PIXELS


def test_elastic_is_smooth_and_of_the_stated_size(images):
    field = augment.elastic(images, generator()) * 14  # pixels
    assert field.shape == (len(images), 28, 28, 2)
    assert field.std() == pytest.approx(augment.ELASTIC_PIXELS, rel=0.35)
    assert field.diff(dim=1).abs().mean() < 0.4 * field.abs().mean()
