"""Decoding of matrices small enough to enumerate all paths."""

import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from app.inference.ctc import BLANK, MIN_PROBABILITY, best_path, best_path_with, likeliest, log_probability, spans_of

COUNTED = range(1, 3)
# Two columns, a blank and two symbols: "1" by 1-1, 1-blank and blank-1, "12" by 1-2, and so on.
SMALL = np.array([[0.3, 0.6, 0.1], [0.5, 0.2, 0.3]])


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in groupby(path) if symbol != BLANK)


def totals(probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """Return the probability of every text, by enumerating all paths."""
    found = defaultdict(float)
    for path in product(range(probabilities.shape[1]), repeat=len(probabilities)):
        found[collapsed(path)] += math.prod(probabilities[range(len(path)), path])
    return found


def random_columns(seed: int, columns: int = 6, classes: int = 4, peaked: float = 2.0) -> np.ndarray:
    logits = peaked * np.random.default_rng(seed).normal(size=(columns, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("symbols", "probability"),
    [([], 0.3 * 0.5), ([1], 0.6 * 0.2 + 0.6 * 0.5 + 0.3 * 0.2), ([1, 2], 0.6 * 0.3), ([2, 1], 0.1 * 0.2)],
)
def test_the_probability_of_symbols_computed_by_hand(symbols, probability):
    assert log_probability(SMALL, symbols) == pytest.approx(math.log(probability))


def test_a_repeated_symbol_needs_a_blank_between():
    assert log_probability(SMALL, [1, 1]) == -math.inf
    three = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert log_probability(three, [1, 1]) == pytest.approx(math.log(0.9 * 0.8 * 0.7))


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_is_that_of_all_paths(seed):
    columns = random_columns(seed)
    for symbols, total in totals(columns).items():
        assert log_probability(columns, list(symbols)) == pytest.approx(math.log(total))


def likelihood(columns: np.ndarray, path: list[int]) -> float:
    return math.prod(columns[range(len(path)), path])


@pytest.mark.parametrize("seed", range(5))
def test_the_best_path_is_the_most_probable_one(seed):
    columns = random_columns(seed)
    best = max(product(range(4), repeat=6), key=lambda path: likelihood(columns, path))
    assert tuple(best_path(columns)) == best


@pytest.mark.parametrize("seed", range(5))
def test_the_likeliest_texts_have_the_probability_of_all_their_paths(seed):
    columns = random_columns(seed, columns=3)
    expected = sorted(totals(columns).items(), key=lambda item: -item[1])[:3]
    for (symbols, probability), (text, total) in zip(likeliest(columns, 3), expected, strict=True):
        assert symbols == text
        assert probability == pytest.approx(total, rel=0.01)  # paths through very unlikely classes are left out


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_best_path_has_the_requested_number_of_counted_symbols(seed, count):
    columns = random_columns(seed, peaked=1.0)
    paths = [
        path
        for path in product(range(4), repeat=6)
        if sum(symbol in COUNTED for symbol in collapsed(path)) == count and columns[range(6), path].min() >= 1e-3
    ]
    path = best_path_with(columns, COUNTED, count)
    assert likelihood(columns, path) == pytest.approx(max(likelihood(columns, path) for path in paths))
    assert sum(symbol in COUNTED for symbol, _, _ in spans_of(path)) == count


def test_a_number_that_is_too_unlikely_is_not_found():
    sure = np.array([[0.999, 0.001 / 2, 0.001 / 2], [0.0005, 0.999, 0.0005]])
    assert MIN_PROBABILITY > 0.0005
    assert best_path_with(sure, COUNTED, 1) == [0, 1]
    assert best_path_with(sure, COUNTED, 2) == []
    assert best_path_with(random_columns(0), COUNTED, 7) == []  # more than there are columns


def test_any_number_of_symbols_is_found_in_a_long_line():
    columns = np.tile([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.98, 0.01, 0.01], [0.01, 0.01, 0.98]], (50, 1))
    assert [symbol for symbol, _, _ in spans_of(best_path(columns))] == [1, 2] * 50
    for count in (1, 64):
        assert len(spans_of(best_path_with(columns, COUNTED, count))) == count


def test_symbols_lie_in_the_columns_of_their_runs():
    assert spans_of([0, 1, 1, 0, 1, 0, 2, 2, 2]) == [(1, 1, 2), (1, 4, 4), (2, 6, 8)]
    assert spans_of([0, 0]) == []
    assert spans_of([]) == []


def test_a_probability_of_0_does_no_harm():
    columns = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    assert best_path_with(columns, COUNTED, 2) == [1, 0, 2]
    assert log_probability(columns, [1, 2]) == pytest.approx(0)
    assert math.isfinite(log_probability(columns, [2, 1]))
