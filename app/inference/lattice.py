"""Segments of a line of writing, and the network's output for each → the most probable digits and their probability.

Each segment is an edge of a graph, from the cut where it starts to the cut where it ends. A skipped part is an edge as
well, and so is a line without digits. Each path is one reading of the line. This is the graph transformer network of
LeCun et al. (1998) as a conditional random field: the probability of a path is proportional to the exponential of its
score, which is the sum of its edges' scores. The score of an edge is a weighted sum of its features; `training.weights`
fits the weights.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classes
from app.preprocess.segments import Parts, Segments, Span

CERTAIN = 1 / (1 + np.exp(8))  # legibility is clipped this close to 0 and 1, and so its log-odds to ±8
# Weights of the features: of a segment read as a digit, and of a skipped part or line.
DIGIT_WEIGHTS = {
    "digit": -0.75,
    "legibility": 0.63,
    "height": -3.03,
    "offset": -0.51,
    "depth": -0.94,
    "printed": -2.16,
    "cut-off": -1.12,
    "faint": -1.76,
}
BLANK_WEIGHTS = {"part": -0.72, "height": -1.61, "ink": -1.45, "cut-off": 0.75, "line": -1.27}

Scores = NDArray[np.float64]


class Lattice(NamedTuple):
    """A graph of the readings of N adjacent parts.

    Attributes
    ----------
    parts : int
        N.
    blanks : list of (int, int)
        For each of B edges without a digit, its first part and the one after its last.
    blank_scores : NDArray
        (B,) float64: their scores.
    spans : list of (int, int)
        For each of S segments, its first part and the one after its last.
    scores : NDArray
        (S,) float64: scores of reading the segments as digits.
    labels : NDArray
        (S, 10) float64: log-probabilities of the digits.
    """

    parts: int
    blanks: list[Span]
    blank_scores: Scores
    spans: list[Span]
    scores: Scores
    labels: Scores


def lattice_of(segments: Segments, classes: Classes) -> Lattice:
    """Build the lattice of a line."""
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
    """Return the features of each segment (S, 8), in the order of DIGIT_WEIGHTS."""
    height, offset, depth, printed, cut_off, strength = segments.shapes
    legible = legibility.astype(np.float64).clip(CERTAIN, 1 - CERTAIN)
    odds = np.log(legible / (1 - legible))
    shapes = [np.abs(np.log(height)), np.abs(offset), depth, printed, cut_off, -np.log(strength)]
    return np.stack([np.ones(len(odds)), odds, *shapes], axis=1)


def blank_features(parts: Parts) -> Scores:
    """Return the features of N parts and their line, if skipped: (N + 1, 5), in the order of BLANK_WEIGHTS."""
    count = len(parts.ink)
    height, ink = parts.height.clip(max=1.5), (4 * parts.ink).clip(max=2)
    features = np.zeros((count + 1, len(BLANK_WEIGHTS)))
    features[:count, :-1] = np.stack([np.ones(count), height, ink, parts.cut_off], axis=1)
    features[count, -1] = 1
    return features


def joined(lattices: Sequence[Lattice]) -> Lattice:
    """Join the lattices of lines, one after the other."""
    starts = np.cumsum([0, *(lattice.parts for lattice in lattices)]).tolist()
    shifted = list(zip(lattices, starts, strict=False))
    return Lattice(
        starts[-1],
        [(begin + start, end + start) for lattice, start in shifted for begin, end in lattice.blanks],
        np.concatenate([lattice.blank_scores for lattice in lattices]),
        [(begin + start, end + start) for lattice, start in shifted for begin, end in lattice.spans],
        np.concatenate([lattice.scores for lattice in lattices]),
        np.concatenate([lattice.labels for lattice in lattices]),
    )


def best_path(lattice: Lattice, length: int | None = None) -> tuple[float, list[int]]:
    """Return the score and the segments of the best path, with any number of digits or exactly `length`.

    This is the Viterbi algorithm. The score is minus infinity if there is no path.
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
            after = score[begin] + edges[k]
            ways.append((begin, k, after if length is None else advanced(after)))
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
    """Return the log of the summed exponential scores of all paths: the forward algorithm.

    With `text`, only paths that have this number of digits, or that read these digits, count.
    """
    labels = np.zeros((len(lattice.scores), text)) if isinstance(text, int) else lattice.labels[:, list(text or ())]
    total = np.full((lattice.parts + 1, labels.shape[1] + 1), -np.inf)
    total[0, 0] = 0
    blanks, segments = ending(lattice.blanks, lattice.parts), ending(lattice.spans, lattice.parts)
    for end in range(1, lattice.parts + 1):
        for blank in blanks[end]:
            total[end] = np.logaddexp(total[end], total[lattice.blanks[blank][0]] + lattice.blank_scores[blank])
        for segment in segments[end]:
            before = total[lattice.spans[segment][0]] + lattice.scores[segment]
            if text is not None:
                before = advanced(before)
                before[1:] += labels[segment]
            total[end] = np.logaddexp(total[end], before)
    return float(total[-1, -1])


def advanced(scores: Scores) -> Scores:
    """Shift scores, indexed by the number of digits (K + 1,), by one digit."""
    return np.concatenate([[-np.inf], scores[:-1]])


def ending(spans: Sequence[Span], count: int) -> list[list[int]]:
    """Return the indices of the spans that end at each position from 0 to `count`."""
    found: list[list[int]] = [[] for _ in range(count + 1)]
    for index, (_, end) in enumerate(spans):
        found[end].append(index)
    return found
