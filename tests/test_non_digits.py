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


def test_non_digits_depend_only_on_the_seed(real):
    once, again, other = (non_digits.non_digits(real, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_shares_of_the_kinds_add_up_to_one():
    assert sum(share for _, share in non_digits.KINDS) == pytest.approx(1)


@pytest.mark.parametrize("kind", [kind for kind, _ in non_digits.KINDS], ids=lambda kind: kind.__name__)
def test_every_kind_gives_frames_with_ink(real, kind, monkeypatch):
    monkeypatch.setattr(non_digits, "KINDS", ((kind, 1.0),))
    frames = non_digits.non_digits(real, 20, seed=0)
    assert (frames.shape, frames.dtype) == ((20, 28, 28), np.uint8)
    assert (frames.max(axis=(1, 2)) == 255).all()
    assert (frames > 50).sum(axis=(1, 2)).min() > 10
    assert len(np.unique(frames, axis=0)) == 20


def test_the_source_digits_are_not_changed(real):
    before = real.images.clone()
    non_digits.non_digits(real, 20, seed=0)
    assert real.images.equal(before)


def test_the_network_tells_non_digits_from_digits(real, classifier):
    frames = non_digits.non_digits(real, 1000, seed=7) / np.float32(255)
    assert (classifier(frames).legibility > 0.5).mean() < 0.2


def test_the_network_tells_dollars_and_number_signs_from_digits(real, classifier, monkeypatch):
    monkeypatch.setattr(non_digits, "KINDS", ((characters.sign, 1.0),))
    frames = non_digits.non_digits(real, 500, seed=7) / np.float32(255)
    assert (classifier(frames).legibility > 0.5).mean() < 0.05


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


def test_half_of_the_invented_characters_are_three_strokes_that_meet(real, monkeypatch):
    monkeypatch.setattr(characters, "written", lambda strokes, rng: strokes)
    rng = np.random.default_rng(0)
    drawn = [characters.invented_character(real, rng) for _ in range(200)]
    meeting = [all(touches(stroke, strokes[:k]) for k, stroke in enumerate(strokes) if k) for strokes in drawn]
    assert np.mean(meeting) == pytest.approx(0.5, abs=0.1)
    assert {len(strokes) for strokes, meets in zip(drawn, meeting, strict=True) if meets} == {3}


def touches(stroke: np.ndarray, others: list[np.ndarray]) -> bool:
    """Return whether an end or the middle of a stroke lies on another stroke."""
    return any(np.isclose(stroke[[0, 10, -1], None], other).all(axis=2).any() for other in others)
