"""Non-digits: reproducible from the seed, and told from digits by the network."""

import numpy as np
import pytest

from tensors import as_digits
from training import characters, non_digits
from training.data import Digits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(digits, labels) -> Digits:
    return as_digits(digits, labels)


def test_non_digits_depend_only_on_the_seed_and_change_no_digit(real):
    before = real.images.clone()
    once, again, other = (non_digits.non_digits(real, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert real.images.equal(before)


@pytest.mark.parametrize("kind", [kind for kind, _ in non_digits.KINDS], ids=lambda kind: kind.__name__)
def test_every_kind_gives_frames_with_ink(real, kind, monkeypatch):
    monkeypatch.setattr(non_digits, "KINDS", ((kind, 1.0),))
    frames = non_digits.non_digits(real, 20, seed=0)
    assert (frames.shape, frames.dtype) == ((20, 28, 28), np.uint8)
    assert (frames.max(axis=(1, 2)) == 255).all()
    assert (frames > 50).sum(axis=(1, 2)).min() > 10
    assert len(np.unique(frames, axis=0)) == 20


@pytest.mark.parametrize(("kinds", "most"), [(non_digits.KINDS, 0.2), (((characters.sign, 1.0),), 0.05)])
def test_the_network_tells_non_digits_from_digits(real, kinds, most, classifier, monkeypatch):
    monkeypatch.setattr(non_digits, "KINDS", kinds)
    frames = non_digits.non_digits(real, 500, seed=7) / np.float32(255)
    assert (classifier(frames).legibility > 0.5).mean() < most


@pytest.mark.parametrize(
    ("ink", "is_enough"),
    [(np.zeros((28, 28)), False), (np.eye(28), True), (np.pad(np.ones((5, 5)), 5), False), (np.eye(28) / 10, False)],
    ids=["nothing", "a line", "a speck", "faint"],
)
def test_too_little_ink_has_no_crop(ink, is_enough):
    assert (non_digits.crop(ink.astype(np.float32)) is not None) == is_enough


def test_a_crop_fits_its_ink_and_is_scaled_to_full_strength():
    ink = np.zeros((28, 28), np.float32)
    ink[4:20, 6:10] = 0.5
    cropped = non_digits.crop(ink)
    assert cropped.shape == (16, 4)
    assert cropped.max() == 1
