"""Segments of numbers for training: reproducible from the seed, with labels that the
served network agrees with.
"""

import pytest

from tensors import as_digits
from training.data import NONE, Digits
from training.digits.segments import segments
from training.writing.drawing import levels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(shuffled) -> tuple[Digits, Digits]:
    return segments(as_digits(*shuffled), 200, seed=1)


def test_labels_agree_with_the_network(made, classifier):
    whole, none = made
    assert whole.images.shape == none.images.shape == (200, 28, 28)
    assert set(whole.labels.tolist()) == set(range(10))
    assert set(none.labels.tolist()) == {NONE}
    probabilities, legibility = classifier(levels(whole.images))
    assert (probabilities.argmax(axis=1) == whole.labels.numpy()).mean() >= 0.98
    assert (legibility > 0.5).mean() >= 0.97
    assert (classifier(levels(none.images)).legibility > 0.5).mean() <= 0.2
