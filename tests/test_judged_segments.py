"""Segments of numbers for training: reproducible from the seed, with labels that the served network agrees with."""

import numpy as np
import pytest

from tensors import as_digits
from training.data import Digits
from training.objective import NONE
from training.segments import judge, segments

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(shuffled) -> tuple[Digits, Digits]:
    return segments(as_digits(*shuffled), 200, seed=1)


def test_labels_agree_with_the_network(made, classifier):
    whole, none = made
    assert whole.images.shape == none.images.shape == (200, 28, 28)
    assert set(whole.labels.tolist()) == set(range(10))
    assert set(none.labels.tolist()) == {NONE}
    probabilities, legibility = classifier(whole.images.numpy() / np.float32(255))
    assert (probabilities.argmax(axis=1) == whole.labels.numpy()).mean() >= 0.98
    assert (legibility > 0.5).mean() >= 0.97
    assert (classifier(none.images.numpy() / np.float32(255)).legibility > 0.5).mean() <= 0.2


# Two digits with a mark between them, as blocks: a 3 of 30 rows and 20 columns, a comma, and a 7.
SOURCE = np.zeros((36, 60), np.int64)
SOURCE[3:33, 5:25], SOURCE[28:36, 27:31], SOURCE[3:33, 33:53] = 1, 2, 3
INK, LABELS = (SOURCE > 0).astype(np.float32), np.array([3, NONE, 7])


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        (np.s_[0:26], 3),
        (np.s_[32:60], 7),
        (np.s_[0:60], NONE),  # both
        (np.s_[0:15], NONE),  # half a digit
        (np.s_[0:21], None),  # four fifths of a digit
        (np.s_[0:32], None),  # a digit and a mark
        (np.s_[0:35], None),  # a digit and a little of the next
        (np.s_[0:45], NONE),  # a digit and half of the next
    ],
)
def test_a_segment_is_judged_by_whose_ink_it_has(columns, label):
    segment = np.zeros(INK.shape, bool)
    segment[:, columns] = INK[:, columns] > 0
    assert judge(INK, SOURCE, LABELS, segment) == label
