"""Connectionist temporal classification (Graves et al. 2006): probabilities of each column → symbols.

Arrays of probabilities are (T, C): a row for each column of a strip. Class 0 is the blank. A path has a class for each
column; it stands for its classes without repetitions and then without blanks.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

BLANK = 0
MIN_PROBABILITY = 1e-3  # of a class in a column; a path with a length goes through no less likely one
BEAM = 24  # prefixes
TINY = 1e-30  # probability, so that its logarithm is finite
Probabilities = NDArray[np.floating]
Path = list[int]
Span = tuple[int, int, int]  # a symbol, and its first and last column
Spans = list[Span]


def best_path(probabilities: Probabilities) -> Path:
    """Return the most probable path."""
    path: Path = probabilities.argmax(axis=1).tolist()
    return path


def best_path_with(probabilities: Probabilities, counted: Sequence[int], count: int) -> Path:
    """Return the most probable path with so many of the counted symbols; [] if that is too unlikely.

    Dynamic programming over the columns, the class of each, and the number of counted symbols so far.
    """
    classes = np.arange(probabilities.shape[1])
    is_counted = np.isin(classes, counted)
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(probabilities >= MIN_PROBABILITY, probabilities, 0).astype(np.float64))
    reached = np.full((count + 2, len(classes)), -np.inf)  # the last row is for more than are wanted
    reached[is_counted.astype(int), classes] = logs[0]
    before = []  # for each column, the class of the one before
    for column in logs[1:]:
        changed = np.where(np.eye(len(classes), dtype=bool), -np.inf, reached[:, None, :])  # number, to, from
        came = changed.argmax(axis=2)
        best = np.take_along_axis(changed, came[:, :, None], axis=2)[:, :, 0]
        for table in (came, best):
            table[1:, is_counted] = table[:-1, is_counted].copy()
        best[0, is_counted] = -np.inf
        before.append(np.where(reached >= best, classes, came))
        reached = np.maximum(reached, best) + column
    path = [int(reached[count].argmax())]
    if reached[count, path[0]] == -np.inf:
        return []
    for step in reversed(before):
        last = path[-1]
        path.append(int(step[count, last]))
        count -= bool(is_counted[last] and path[-1] != last)
    return path[::-1]


def spans_of(path: Path) -> Spans:
    """Return the symbols of a path, and where they lie."""
    spans, column = [], 0
    for symbol, run in groupby(path):
        length = len(list(run))
        spans.append((symbol, column, column + length - 1))
        column += length
    return [span for span in spans if span[0] != BLANK]


def symbols_of(path: Path) -> tuple[int, ...]:
    """Return the symbols of a path."""
    return tuple(symbol for symbol, _, _ in spans_of(path))


def likeliest(probabilities: Probabilities, count: int) -> list[tuple[tuple[int, ...], float]]:
    """Return the most probable sequences of symbols and their probabilities, which add up those of many paths.

    A search over prefixes (Graves & Jaitly 2014) that keeps the BEAM best ones; for each, the probability that the
    paths so far end in a blank, and that they end in its last symbol.
    """
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for column in probabilities.tolist():
        found: dict[tuple[int, ...], list[float]] = {}
        likely = [symbol for symbol, share in enumerate(column) if symbol and share >= MIN_PROBABILITY]
        for prefix, (blank, ink) in kept.items():
            same = found.setdefault(prefix, [0.0, 0.0])
            same[0] += (blank + ink) * column[BLANK]
            if prefix:
                same[1] += ink * column[prefix[-1]]
            for symbol in likely:
                before = blank if prefix[-1:] == (symbol,) else blank + ink
                found.setdefault((*prefix, symbol), [0.0, 0.0])[1] += before * column[symbol]
        best = sorted(found.items(), key=lambda item: -sum(item[1]))[:BEAM]
        kept = {prefix: (blank, ink) for prefix, (blank, ink) in best}
    return [(prefix, blank + ink) for prefix, (blank, ink) in kept.items()][:count]


def log_probability(probabilities: Probabilities, symbols: list[int]) -> float:
    """Return the log-probability of symbols, over all paths that stand for them: the forward algorithm."""
    states = np.zeros(2 * len(symbols) + 1, np.int64)  # a blank before, between and after the symbols
    states[1::2] = symbols
    logs = np.log(np.maximum(probabilities[:, states], TINY).astype(np.float64))
    is_closed = (states == BLANK) | (states == np.roll(states, 2))  # needs a blank before it, or is one
    reached = np.where(np.arange(len(states)) < 2, logs[0], -np.inf)
    ways = np.full((3, len(states)), -np.inf)  # from the same state, the one before it, and the one before that
    for column in logs[1:]:
        ways[0], ways[1, 1:], ways[2, 2:] = reached, reached[:-1], np.where(is_closed[2:], -np.inf, reached[:-2])
        reached = np.logaddexp.reduce(ways) + column
    return float(np.logaddexp.reduce(reached[-2:]))
