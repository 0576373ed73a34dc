"""Segments of a line of writing, and what the network says of each → the most probable digits, and how probable.

Each segment is an edge of a graph from where it begins to where it ends; a part that is left out is one too, and so is
a line without any digit; a path is a way to read the line. This is the graph transformer of LeCun et al. (1998), as a
conditional random field: the probability of a path is proportional to the exponential of the sum of its edges' scores,
and those are weighted sums of what is known of the edge. `training.weights` fits the weights. Ignores: where on the
picture a segment lies.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classes
from app.preprocess.segments import Parts, Segments, Span

CERTAIN, MOST_LOG_ODDS = 1e-6, 8.0
# What is known of a segment read as a digit, of a part or a line left out, and of a layout; and how much each counts.
DIGIT_WEIGHTS = {"digit": -1.55, "legibility": 0.68, "height": -2.64, "offset": -0.49, "depth": -1.16}
BLANK_WEIGHTS = {"part": -1.0, "height": -1.52, "ink": -1.24, "line": -1.03}
LAYOUT_WEIGHTS = {"erased": -0.3, "share": 0.0}

Scores = NDArray[np.float64]


class Lattice(NamedTuple):
    """The ways to read N parts that follow each other.

    Attributes
    ----------
    parts : int
        N.
    blanks : list of (int, int)
        Of each of B edges that read nothing, its first part and the one after its last.
    blank_scores : NDArray
        (B,) float64.
    spans : list of (int, int)
        The same of each of S segments.
    scores : NDArray
        (S,) float64: of reading it as a digit.
    labels : NDArray
        (S, 10) float64: the logarithms of the probabilities of the digits.
    """

    parts: int
    blanks: list[Span]
    blank_scores: Scores
    spans: list[Span]
    scores: Scores
    labels: Scores


def lattice_of(segments: Segments, classes: Classes) -> Lattice:
    """A line's lattice."""
    count = len(segments.parts.ink)
    return Lattice(
        count,
        [*((part, part + 1) for part in range(count)), (0, count)],
        blank_features(segments.parts) @ list(BLANK_WEIGHTS.values()),
        [(begin, end) for begin, end in segments.spans.tolist()],
        digit_features(segments, classes.legibility) @ list(DIGIT_WEIGHTS.values()),
        np.log(classes.probabilities.astype(np.float64).clip(min=1e-7)),
    )


def digit_features(segments: Segments, legibility: NDArray[np.float32]) -> Scores:
    """What is known of each segment (S, 5), in the order of DIGIT_WEIGHTS."""
    height, offset, depth = segments.shapes
    legible = legibility.astype(np.float64).clip(CERTAIN, 1 - CERTAIN)
    odds = np.log(legible / (1 - legible)).clip(-MOST_LOG_ODDS, MOST_LOG_ODDS)
    return np.stack([np.ones(len(odds)), odds, np.abs(np.log(height)), np.abs(offset), depth], axis=1)


def blank_features(parts: Parts) -> Scores:
    """What is known of each of N parts, and at last of their line, as blanks: (N + 1, 4), as in BLANK_WEIGHTS."""
    count = len(parts.ink)
    features = np.zeros((count + 1, 4))
    features[:count, :3] = np.stack([np.ones(count), parts.height.clip(max=1.5), (4 * parts.ink).clip(max=2)], axis=1)
    features[count, 3] = 1
    return features


def joined(lattices: Sequence[Lattice]) -> Lattice:
    """Lines one after the other, as one lattice."""
    starts = np.cumsum([0, *(one.parts for one in lattices)]).tolist()
    shifted = list(zip(lattices, starts, strict=False))
    return Lattice(
        starts[-1],
        [(begin + start, end + start) for one, start in shifted for begin, end in one.blanks],
        np.concatenate([one.blank_scores for one in lattices]),
        [(begin + start, end + start) for one, start in shifted for begin, end in one.spans],
        np.concatenate([one.scores for one in lattices]),
        np.concatenate([one.labels for one in lattices]),
    )


def best_path(lattice: Lattice, length: int | None = None) -> tuple[float, list[int]]:
    """The path with the highest score, and its segments, with any number of digits or just so many.

    The score is minus infinity where there is none.
    """
    n, count = lattice.parts, length or 0
    score = np.full((n + 1, count + 1), -np.inf)
    score[0, 0] = 0
    edges = lattice.scores + lattice.labels.max(axis=1)
    came_from = np.zeros((n + 1, count + 1), np.int64)
    digit = np.full((n + 1, count + 1), -1)
    blanks, segments = ending(lattice.blanks, n), ending(lattice.spans, n)
    for end in range(1, n + 1):
        ways = [(lattice.blanks[k][0], -1, score[lattice.blanks[k][0]] + lattice.blank_scores[k]) for k in blanks[end]]
        for k in segments[end]:
            begin = lattice.spans[k][0]
            ways.append((begin, k, advanced(score[begin] + edges[k], length is not None)))
        for begin, segment, other in ways:
            better = other > score[end]
            score[end][better], came_from[end][better], digit[end][better] = other[better], begin, segment
    path: list[int] = []
    end = n if score[n, count] > -np.inf else 0
    while end:
        segment, end = int(digit[end, count]), int(came_from[end, count])
        if segment >= 0:
            path.append(segment)
            count -= length is not None
    return float(score[n, -1]), path[::-1]


def log_total(lattice: Lattice, text: Sequence[int] | int | None = None) -> float:
    """The logarithm of the sum over all paths, over those with so many digits, or over those that read a text."""
    count = 0 if text is None else text if isinstance(text, int) else len(text)
    digits = np.zeros((len(lattice.scores), count or 1))
    if isinstance(text, Sequence):
        digits = lattice.labels[:, list(text)]
    total = np.full((lattice.parts + 1, count + 1), -np.inf)
    total[0, 0] = 0
    blanks, segments = ending(lattice.blanks, lattice.parts), ending(lattice.spans, lattice.parts)
    for end in range(1, lattice.parts + 1):
        for blank in blanks[end]:
            total[end] = np.logaddexp(total[end], total[lattice.blanks[blank][0]] + lattice.blank_scores[blank])
        for segment in segments[end]:
            before = total[lattice.spans[segment][0]] + lattice.scores[segment]
            if text is not None:
                before = advanced(before, True)
                before[1:] += digits[segment]
            total[end] = np.logaddexp(total[end], before)
    return float(total[-1, -1])


def advanced(scores: Scores, is_counted: bool) -> Scores:
    """Scores by the number of digits, (K + 1,), after one more digit."""
    return np.concatenate([[-np.inf], scores[:-1]]) if is_counted else scores


def ending(spans: Sequence[Span], count: int) -> list[list[int]]:
    """For each place from 0 to `count`, which spans end there."""
    found: list[list[int]] = [[] for _ in range(count + 1)]
    for index, (_, end) in enumerate(spans):
        found[end].append(index)
    return found
