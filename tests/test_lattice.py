"""Paths through a lattice small enough to count by hand, and its totals against an enumeration of all paths."""

import math
from itertools import product

import numpy as np
import pytest

from app.inference.lattice import Lattice, best_path, joined, log_total
from app.preprocess.segments import Span


def lattice(blanks: dict[Span, float], edges: dict[Span, tuple[float, int, float]]) -> Lattice:
    """Build a lattice from the score of blanks and edges (score, digit, its probability; the rest is shared)."""
    labels = np.array(
        [
            [probability if k == digit else (1 - probability) / 9 for k in range(10)]
            for _, digit, probability in edges.values()
        ]
    )
    count, scores = max(end for _, end in blanks), np.array([score for score, _, _ in edges.values()])
    return Lattice(count, list(blanks), np.array(list(blanks.values())), list(edges), scores, np.log(labels))


SOME = lattice(
    {(0, 1): -1.0, (1, 2): -2.0, (2, 3): -0.5, (0, 3): -1.5},
    {
        (0, 1): (0.5, 3, 0.9),
        (0, 2): (2.0, 8, 0.6),
        (1, 2): (0.2, 1, 0.7),
        (1, 3): (-1.0, 4, 0.5),
        (2, 3): (0.1, 7, 0.8),
    },
)


def paths(some: Lattice, start: int = 0):
    """List every path with its score and its segments."""
    if start == some.parts:
        yield 0.0, []
        return
    for (begin, end), blank in zip(some.blanks, some.blank_scores, strict=True):
        if begin == start:
            for score, rest in paths(some, end):
                yield blank + score, rest
    for segment, (begin, end) in enumerate(some.spans):
        if begin == start:
            for score, rest in paths(some, end):
                yield score + some.scores[segment], [segment, *rest]


def readings(some: Lattice):
    """List every path and every text along it, with its score."""
    for score, segments in paths(some):
        for text in product(range(10), repeat=len(segments)):
            yield score + sum(some.labels[s, k] for s, k in zip(segments, text, strict=True)), segments, list(text)


def log_sum(scores) -> float:
    return math.log(sum(map(math.exp, scores)))


def test_the_best_path_has_the_highest_score():
    score, segments, _ = max(readings(SOME))
    assert best_path(SOME) == (pytest.approx(score), segments)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_best_path_of_a_length_has_the_highest_score_of_that_length(length):
    score, segments, _ = max(one for one in readings(SOME) if len(one[1]) == length)
    assert best_path(SOME, length) == (pytest.approx(score), segments)


def test_an_impossible_length_has_no_path():
    assert best_path(SOME, 4)[0] == -math.inf
    assert log_total(SOME, 4) == -math.inf


def test_the_total_sums_all_paths():
    assert log_total(SOME) == pytest.approx(log_sum(score for score, _ in paths(SOME)))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_total_of_a_length_sums_its_paths(length):
    expected = log_sum(score for score, segments in paths(SOME) if len(segments) == length)
    assert log_total(SOME, length) == pytest.approx(expected)


@pytest.mark.parametrize("text", [[], [3], [8, 7], [3, 4], [3, 1, 7], [0, 0]])
def test_the_total_of_a_text_sums_all_its_readings(text):
    expected = log_sum(score for score, _, other in readings(SOME) if other == text)
    assert log_total(SOME, text) == pytest.approx(expected)


def test_lines_are_joined_in_order():
    both = joined([SOME, SOME])
    assert (both.spans[-1], both.blanks[-1]) == ((5, 6), (3, 6))
    assert log_total(both) == pytest.approx(2 * log_total(SOME))
    score, segments = best_path(SOME)
    assert best_path(both) == (pytest.approx(2 * score), segments + [segment + 5 for segment in segments])
