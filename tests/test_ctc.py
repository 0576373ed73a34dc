"""Decoding of matrices small enough to enumerate all paths."""

import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from app.text.ctc import (
    BLANK,
    best_path,
    best_path_with,
    likeliest,
    log_probability,
    spans_of,
)

COUNTED = range(1, 3)
Symbols = tuple[int, ...]


def collapsed(path: Symbols) -> Symbols:
    return tuple(symbol for symbol, _ in groupby(path) if symbol != BLANK)


def paths_of(probabilities: np.ndarray) -> dict[Symbols, float]:
    """Return the probability of every path."""
    rows, classes = probabilities.shape
    return {
        path: math.prod(probabilities[range(rows), path])
        for path in product(range(classes), repeat=rows)
    }


def totals(probabilities: np.ndarray) -> dict[Symbols, float]:
    """Return the probability of every text, by enumerating all paths."""
    found = defaultdict(float)
    for path, probability in paths_of(probabilities).items():
        found[collapsed(path)] += probability
    return found


def random_columns(
    seed: int, columns: int = 6, classes: int = 4, peaked: float = 2.0
) -> np.ndarray:
    logits = peaked * np.random.default_rng(seed).normal(size=(columns, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_are_those_of_all_paths_and_the_best_path_is_the_most_probable(
    seed,
):
    columns = random_columns(seed, columns=5)
    for symbols, total in totals(columns).items():
        assert log_probability(columns, list(symbols)) == pytest.approx(math.log(total))
    paths = paths_of(columns)
    assert tuple(best_path(columns)) == max(paths, key=paths.get)
    expected = sorted(totals(columns[:3]).items(), key=lambda item: -item[1])[:3]
    for (symbols, probability), (text, total) in zip(
        likeliest(columns[:3])[:3], expected, strict=True
    ):
        assert symbols == text
        # Paths through very unlikely classes are left out.
        assert probability == pytest.approx(total, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", range(4))
def test_the_best_path_has_the_requested_number_of_counted_symbols(seed, count):
    columns = random_columns(seed, peaked=1.0)
    paths = {
        path: likelihood
        for path, likelihood in paths_of(columns).items()
        if sum(symbol in COUNTED for symbol in collapsed(path)) == count
        and columns[range(6), path].min() >= 1e-3
    }
    assert paths[tuple(best_path_with(columns, COUNTED, count))] == pytest.approx(
        max(paths.values())
    )


def test_a_number_that_is_too_unlikely_is_not_found():
    sure = np.array([[0.999, 0.001 / 2, 0.001 / 2], [0.0005, 0.999, 0.0005]])
    assert best_path_with(sure, COUNTED, 1) == [0, 1]
    assert best_path_with(sure, COUNTED, 2) == []
    # More than there are columns.
    assert best_path_with(random_columns(0), COUNTED, 7) == []


def test_any_number_of_symbols_is_found_in_a_long_line():
    columns = np.tile(
        [
            [0.98, 0.01, 0.01],
            [0.01, 0.98, 0.01],
            [0.98, 0.01, 0.01],
            [0.01, 0.01, 0.98],
        ],
        (50, 1),
    )
    assert [symbol for symbol, _, _ in spans_of(best_path(columns))] == [1, 2] * 50
    for count in (1, 64):
        assert len(spans_of(best_path_with(columns, COUNTED, count))) == count


def test_a_probability_of_0_does_no_harm():
    columns = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    assert best_path_with(columns, COUNTED, 2) == [1, 0, 2]
    assert log_probability(columns, [1, 2]) == pytest.approx(0)
    assert math.isfinite(log_probability(columns, [2, 1]))
