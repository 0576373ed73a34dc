"""Segments of a line of writing, and what the network says of each → the most probable digits, and how probable.

Each segment is an edge of a graph from where it begins to where it ends, each part that is left out one too; a path is
a way to read the line. This is the graph transformer of LeCun et al. (1998), as a conditional random field: the
probability of a path is proportional to the exponential of the sum of its edges' scores, and those are weighted sums of
what is known of the edge. `training.weights` fits the weights. Ignores: where on the picture a segment lies.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classes
from app.preprocess.segments import Parts, Segments

CERTAIN, MOST_LOG_ODDS = 1e-6, 8.0
# What is known of a segment read as a digit, of a part left out, and of a layout; and how much each counts.
DIGIT_WEIGHTS = {"digit": -2.0, "legibility": 0.72, "height": -2.6, "offset": -0.39, "depth": -1.72}
PART_WEIGHTS = {"part": -1.85, "height": -1.46, "ink": 1.68}
LAYOUT_WEIGHTS = {"erased": -0.51}

Scores = NDArray[np.float64]


class Lattice(NamedTuple):
    """The ways to read N parts that follow each other.

    Attributes
    ----------
    skipped : NDArray
        (N,) float64: the score of leaving out each part.
    spans : list of (int, int)
        Of each of S segments, its first part and the one after its last.
    scores : NDArray
        (S,) float64: of reading it as a digit.
    labels : NDArray
        (S, 10) float64: the logarithms of the probabilities of the digits.
    """

    skipped: Scores
    spans: list[tuple[int, int]]
    scores: Scores
    labels: Scores


def lattice_of(segments: Segments, classes: Classes) -> Lattice:
    """A line's lattice."""
    features = digit_features(segments, classes.legibility)
    return Lattice(
        part_features(segments.parts) @ list(PART_WEIGHTS.values()),
        [(begin, end) for begin, end in segments.spans.tolist()],
        features @ list(DIGIT_WEIGHTS.values()),
        np.log(classes.probabilities.astype(np.float64).clip(min=1e-7)),
    )


def digit_features(segments: Segments, legibility: NDArray[np.float32]) -> Scores:
    """What is known of each segment (S, 5), in the order of DIGIT_WEIGHTS."""
    height, offset, depth = segments.shapes
    legible = legibility.astype(np.float64).clip(CERTAIN, 1 - CERTAIN)
    odds = np.log(legible / (1 - legible)).clip(-MOST_LOG_ODDS, MOST_LOG_ODDS)
    return np.stack([np.ones(len(odds)), odds, np.abs(np.log(height)), np.abs(offset), depth], axis=1)


def part_features(parts: Parts) -> Scores:
    """What is known of each part (N, 3), in the order of PART_WEIGHTS."""
    return np.stack([np.ones(len(parts.ink)), parts.height.clip(max=1.5), (4 * parts.ink).clip(max=2)], axis=1)


def joined(lattices: Sequence[Lattice]) -> Lattice:
    """Lines one after the other, as one lattice."""
    starts = np.cumsum([0, *(len(one.skipped) for one in lattices)]).tolist()
    return Lattice(
        np.concatenate([one.skipped for one in lattices]),
        [(b + start, e + start) for one, start in zip(lattices, starts, strict=False) for b, e in one.spans],
        np.concatenate([one.scores for one in lattices]),
        np.concatenate([one.labels for one in lattices]),
    )


def best_path(lattice: Lattice, length: int | None = None) -> tuple[float, list[int]]:
    """The path with the highest score, and its segments, with any number of digits or just so many.

    The score is minus infinity where there is none.
    """
    n, count = len(lattice.skipped), length or 0
    score = np.full((n + 1, count + 1), -np.inf)
    score[0, 0] = 0
    choice = np.full((n + 1, count + 1), -1)
    edges = lattice.scores + lattice.labels.max(axis=1)
    for end, segments in enumerate(ending(lattice), 1):
        score[end] = score[end - 1] + lattice.skipped[end - 1]
        for segment in segments:
            other = advanced(score[lattice.spans[segment][0]] + edges[segment], length is not None)
            better = other > score[end]
            score[end][better], choice[end][better] = other[better], segment
    path: list[int] = []
    end = n
    while end:
        segment = int(choice[end, count])
        if segment < 0:
            end -= 1
            continue
        path.append(segment)
        end = lattice.spans[segment][0]
        count -= length is not None
    return float(score[n, -1]), path[::-1]


def log_total(lattice: Lattice, text: Sequence[int] | int | None = None) -> float:
    """The logarithm of the sum over all paths, over those with so many digits, or over those that read a text."""
    count = 0 if text is None else text if isinstance(text, int) else len(text)
    digits = np.zeros((len(lattice.scores), count or 1))
    if isinstance(text, Sequence):
        digits = lattice.labels[:, list(text)]
    total = np.full((len(lattice.skipped) + 1, count + 1), -np.inf)
    total[0, 0] = 0
    for end, segments in enumerate(ending(lattice), 1):
        total[end] = total[end - 1] + lattice.skipped[end - 1]
        for segment in segments:
            before = total[lattice.spans[segment][0]] + lattice.scores[segment]
            if text is not None:
                before = advanced(before, True)
                before[1:] += digits[segment]
            total[end] = np.logaddexp(total[end], before)
    return float(total[-1, -1])


def advanced(scores: Scores, is_counted: bool) -> Scores:
    """Scores by the number of digits, (K + 1,), after one more digit."""
    return np.concatenate([[-np.inf], scores[:-1]]) if is_counted else scores


def ending(lattice: Lattice) -> list[list[int]]:
    """For each part, the segments that end with it."""
    found: list[list[int]] = [[] for _ in lattice.skipped]
    for segment, (_, end) in enumerate(lattice.spans):
        found[end - 1].append(segment)
    return found
