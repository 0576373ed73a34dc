"""Decoding of matrices small enough to enumerate all paths."""

import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from app.text.ctc import BLANK, best_path, best_path_with, likeliest, log_probability

COUNTED = range(1, 3)
Symbols = tuple[int, ...]


def collapsed(path: Symbols) -> Symbols:
    return tuple(symbol for symbol, _ in groupby(path) if symbol != BLANK)


def paths_of(probabilities: np.ndarray) -> dict[Symbols, float]:
    """Return the probability of every path."""
    rows, classes = probabilities.shape
    paths = product(range(classes), repeat=rows)
    return {path: math.prod(probabilities[range(rows), path]) for path in paths}


def totals(probabilities: np.ndarray) -> dict[Symbols, float]:
    """Return the probability of every text, by enumerating all paths."""
    found = defaultdict(float)
    for path, probability in paths_of(probabilities).items():
        found[collapsed(path)] += probability
    return found


def random_columns(seed: int, columns: int = 6, peaked: float = 2.0) -> np.ndarray:
    """Make columns of the probabilities of 4 classes."""
    rng = np.random.default_rng(seed)
    likely = np.exp(peaked * rng.normal(size=(columns, 4)))
    return likely / likely.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_are_those_of_all_paths_and_the_best_path_is_the_most_probable(
    seed,
):
    columns = random_columns(seed, columns=5)
    for symbols, total in totals(columns).items():
        assert log_probability(columns, list(symbols)) == pytest.approx(math.log(total))
    paths = paths_of(columns)
    assert tuple(best_path(columns)) == max(paths, key=paths.get)
    few = columns[:3]
    total = totals(few)
    for symbols, probability in likeliest(few)[:3]:
        # Paths through very unlikely classes are left out.
        assert probability == pytest.approx(total[symbols], rel=0.01)
    found = [symbols for symbols, _ in likeliest(few)]
    assert found[:3] == sorted(total, key=total.get, reverse=True)[:3]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", range(4))
def test_the_best_path_has_the_requested_number_of_counted_symbols(seed, count):
    columns = random_columns(seed, peaked=1.0)
    allowed = {}
    for path, likelihood in paths_of(columns).items():
        counted = [symbol for symbol in collapsed(path) if symbol in COUNTED]
        if len(counted) == count and columns[range(6), path].min() >= 1e-3:
            allowed[path] = likelihood
    best = tuple(best_path_with(columns, COUNTED, count))
    assert allowed[best] == pytest.approx(max(allowed.values()))


def test_a_number_that_is_too_unlikely_is_not_found():
    sure = np.array([[0.999, 0.001 / 2, 0.001 / 2], [0.0005, 0.999, 0.0005]])
    assert best_path_with(sure, COUNTED, 1) == [0, 1]
    assert best_path_with(sure, COUNTED, 2) is None
    # More than there are columns.
    assert best_path_with(random_columns(0), COUNTED, 7) is None


def test_a_probability_of_0_does_no_harm():
    columns = np.eye(3, dtype=np.float32)[[1, 0, 2]]
    assert best_path_with(columns, COUNTED, 2) == [1, 0, 2]
    assert log_probability(columns, [1, 2]) == pytest.approx(0)
    assert math.isfinite(log_probability(columns, [2, 1]))
