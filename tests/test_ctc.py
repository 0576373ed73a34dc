"""Decoding of matrices small enough to enumerate all paths."""

import math
from collections import defaultdict
from itertools import groupby, pairwise, product

import numpy as np
import pytest

from app.inference.ctc import BLANK, MIN_PROBABILITY, aligned, best_symbols

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
    [((), 0.3 * 0.5), ((1,), 0.6 * 0.2 + 0.6 * 0.5 + 0.3 * 0.2), ((1, 2), 0.6 * 0.3), ((2, 1), 0.1 * 0.2)],
)
def test_the_probability_of_symbols_computed_by_hand(symbols, probability):
    assert aligned(SMALL, symbols)[0] == pytest.approx(math.log(probability))


def test_a_repeated_symbol_needs_a_blank_between():
    assert aligned(SMALL, (1, 1))[0] == -math.inf
    three = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert aligned(three, (1, 1))[0] == pytest.approx(math.log(0.9 * 0.8 * 0.7))


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_is_that_of_all_paths(seed):
    columns = random_columns(seed)
    for symbols, total in totals(columns).items():
        assert aligned(columns, symbols)[0] == pytest.approx(math.log(total))


@pytest.mark.parametrize("seed", range(20))
def test_the_best_symbols_are_the_most_probable_ones(seed):
    columns = random_columns(seed)
    found = totals(columns)
    assert best_symbols(columns) == max(found, key=found.__getitem__)


def test_many_unlikely_paths_of_one_text_outweigh_the_best_path():
    columns = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert best_symbols(columns) == (1,)  # 0.64, though the best single path has only blanks: 0.36


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_best_symbols_have_the_requested_number_of_counted_ones(seed, count):
    columns = random_columns(seed, peaked=1.0)
    found = {text: p for text, p in totals(columns).items() if sum(symbol in COUNTED for symbol in text) == count}
    assert best_symbols(columns, COUNTED, count) == max(found, key=found.__getitem__)


def test_a_number_that_is_too_unlikely_is_not_found():
    sure = np.array([[0.999, 0.001 / 2, 0.001 / 2], [0.0005, 0.999, 0.0005]])
    assert MIN_PROBABILITY > 0.0005
    assert best_symbols(sure, COUNTED, 1) == (1,)
    assert best_symbols(sure, COUNTED, 2) == ()
    assert best_symbols(random_columns(0), COUNTED, 7) == ()  # more than there are columns


def test_any_number_of_symbols_up_to_the_best_is_found_in_a_long_line():
    columns = np.tile([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.98, 0.01, 0.01], [0.01, 0.01, 0.98]], (50, 1))
    assert best_symbols(columns) == (1, 2) * 50
    for count in (1, 64):
        assert len(best_symbols(columns, COUNTED, count)) == count


def test_symbols_are_aligned_with_their_columns():
    columns = np.full((9, 3), 0.02)
    for column, symbol in enumerate([0, 1, 1, 0, 1, 0, 2, 2, 2]):
        columns[column, symbol] = 0.96
    assert aligned(columns, (1, 1, 2))[1] == [(1, 2), (4, 4), (6, 8)]
    assert aligned(columns, ()) == (pytest.approx(math.log(0.96**3 * 0.02**6)), [])


@pytest.mark.parametrize("seed", range(10))
def test_an_alignment_is_a_path_of_its_symbols(seed):
    columns = random_columns(seed, columns=12)
    symbols = best_symbols(columns)
    spans = aligned(columns, symbols)[1]
    assert all(first <= last for first, last in spans)
    for ((_, last), (first, _)), (one, other) in zip(pairwise(spans), pairwise(symbols), strict=True):
        assert first > last + (one == other)


def test_a_probability_of_0_does_no_harm():
    columns = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    assert best_symbols(columns) == (1, 2)
    assert aligned(columns, (1, 2)) == (pytest.approx(0), [(0, 0), (2, 2)])
    assert math.isfinite(aligned(columns, (2, 1))[0])
