"""Measures of separating digits from other pictures, on scores small enough to count by hand."""

import doctest

import numpy as np
import pytest

import rejection
from rejection import auroc, ccr


def test_the_examples_are_correct():
    failed, attempted = doctest.testmod(rejection)
    assert failed == 0 < attempted


@pytest.mark.parametrize(
    ("digits", "others", "area"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1),
        ([0.1, 0.2], [0.9, 0.8], 0),
        ([0.9, 0.1], [0.5], 0.5),
        ([1, 1, 1], [1, 1], 0.5),
        ([1, 1], [1, 0], 0.75),
        ([0.3, 0.6, 0.9], [0.6, 0.4, 0], (1 + 2.5 + 3) / 9),
    ],
)
def test_auroc_is_the_share_of_ordered_pairs_with_ties_counted_half(digits, others, area):
    assert auroc(digits, others) == pytest.approx(area)


def test_ccr_counts_correct_digits_above_the_threshold():
    others = np.arange(100) / 100  # at 1 % the threshold is 0.98: only 0.99 is above it
    assert ccr([1, 0.985, 0.98, 0.5], [True, True, True, True], others, fpr=0.01) == 0.5
    assert ccr([1, 0.985, 0.98, 0.5], [True, False, True, True], others, fpr=0.01) == 0.25


def test_ccr_never_exceeds_the_false_positive_rate():
    assert ccr([0.9, 0.6], [True, True], [0.8] * 2 + [0.1] * 98, fpr=0.01) == 0.5
    assert ccr([0.9, 0.7], [True, True], [0.8] + [0.1] * 99, fpr=0.01) == 1


def test_an_uninformative_score_has_a_ccr_of_zero():
    assert ccr(np.ones(5), np.ones(5, bool), np.ones(200), fpr=0.01) == 0
