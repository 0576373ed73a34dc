"""Segments of numbers for training: reproducible from the seed, with labels that the served network agrees with."""

from itertools import product

import numpy as np
import pytest

from tensors import as_digits
from training import segments as judged
from training.data import Digits
from training.objective import NONE
from training.strokes import felt
from training.writing import FELT, Hand

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(shuffled) -> Digits:
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def made(sample) -> tuple[Digits, Digits]:
    return judged.segments(sample, 200, seed=1)


def test_each_class_has_the_requested_number(made):
    whole, none = made
    assert whole.images.shape == none.images.shape == (200, 28, 28)
    assert set(whole.labels.tolist()) == set(range(10))
    assert set(none.labels.tolist()) == {NONE}


def test_segments_depend_only_on_the_seed(sample, made):
    again, other = judged.segments(sample, 200, seed=1), judged.segments(sample, 200, seed=2)
    for first, second, third in zip(made, again, other, strict=True):
        assert first.images.equal(second.images)
        assert not first.images.equal(third.images)


def test_labels_agree_with_the_network(made, classifier):
    whole, none = made
    probabilities, legibility = classifier(whole.images.numpy() / np.float32(255))
    assert (probabilities.argmax(axis=1) == whole.labels.numpy()).mean() >= 0.98
    assert (legibility > 0.5).mean() >= 0.97
    assert (classifier(none.images.numpy() / np.float32(255)).legibility > 0.5).mean() <= 0.2


def test_each_pixel_of_a_number_belongs_to_the_digit_that_was_written_there(digits, monkeypatch):
    monkeypatch.setattr(judged, "TIGHT", (0.3, 0.4))
    monkeypatch.setattr(judged, "TOUCHING", (0.3, 0.4))
    strokes = [felt(digits[place]) for place in (0, 150, 350)]
    for seed, (height, faint, least) in product(range(4), [(36, 0, 1), (60, 0.2, 0.97)]):  # 60 is downscaled
        line, owner = judged.number(Hand(strokes, height, 0.0, FELT), np.random.default_rng(seed))
        assert ((owner > 0) == (line.ink > faint)).mean() >= least
        columns = [np.flatnonzero((owner == digit).any(axis=0)) for digit in (1, 2, 3)]
        assert columns[0].max() < columns[1].min() <= columns[1].max() < columns[2].min()
