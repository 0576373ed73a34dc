"""Connectionist temporal classification (Graves et al. 2006): probabilities of each
column → symbols.

Arrays of probabilities are (T, C): a row for each column of a strip. Class 0 is the
blank. A path has a class for each column; it stands for its classes without repetitions
and then without blanks.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

BLANK = 0
# Of a class in a column; a path with a length goes through no less likely one.
MIN_PROBABILITY = 1e-3
BEAM = 24  # prefixes
TINY = 1e-30  # probability, so that its logarithm is finite
Probabilities = NDArray[np.floating]
Path = list[int]
Span = tuple[int, int, int]  # a symbol, and its first and last column
Spans = list[Span]
Symbols = tuple[int, ...]


def best_path(probabilities: Probabilities) -> Path:
    """Return the most probable path."""
    path: Path = probabilities.argmax(axis=1).tolist()
    return path


def best_path_with(
    probabilities: Probabilities, counted: Sequence[int], count: int
) -> Path:
    """Return the most probable path with so many of the counted symbols; [] if that is
    too unlikely.

    Dynamic programming over the columns, the class of each, and the number of counted
    symbols so far.
    """
    classes = np.arange(probabilities.shape[1])
    is_counted = np.isin(classes, counted)
    with np.errstate(divide="ignore"):
        logs = np.log(
            np.where(probabilities >= MIN_PROBABILITY, probabilities, 0).astype(
                np.float64
            )
        )
    # The last row is for more than are wanted.
    reached = np.full((count + 2, len(classes)), -np.inf)
    reached[is_counted.astype(int), classes] = logs[0]
    before = []  # for each column, the class of the one before
    for column in logs[1:]:
        # Number, to, from.
        changed = np.where(
            np.eye(len(classes), dtype=bool), -np.inf, reached[:, None, :]
        )
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


def symbols_of(path: Path) -> Symbols:
    """Return the symbols of a path."""
    return tuple(symbol for symbol, _, _ in spans_of(path))


def anything(_: Symbols) -> bool:
    """Allow all symbols."""
    return True


def likeliest(
    probabilities: Probabilities, can_begin: Callable[[Symbols], bool] = anything
) -> list[tuple[Symbols, float]]:
    """Return the most probable sequences of symbols and their probabilities, which add
    up those of many paths.

    A search over prefixes (Graves & Jaitly 2014) that keeps the BEAM best ones; for
    each, the probability that the paths so far end in a blank, and that they end in its
    last symbol. Prefixes that cannot be completed are dropped.
    """
    kept: dict[Symbols, tuple[float, float]] = {(): (1.0, 0.0)}
    is_possible = cache(can_begin)
    for column in probabilities.tolist():
        found: dict[Symbols, list[float]] = {}
        likely = [
            symbol
            for symbol, share in enumerate(column)
            if symbol and share >= MIN_PROBABILITY
        ]
        for prefix, (blank, ink) in kept.items():
            same = found.setdefault(prefix, [0.0, 0.0])
            same[0] += (blank + ink) * column[BLANK]
            if prefix:
                same[1] += ink * column[prefix[-1]]
            for symbol in likely:
                longer = (*prefix, symbol)
                if is_possible(longer):
                    before = blank if prefix[-1:] == (symbol,) else blank + ink
                    found.setdefault(longer, [0.0, 0.0])[1] += before * column[symbol]
        best = sorted(found.items(), key=lambda item: -sum(item[1]))[:BEAM]
        kept = {prefix: (blank, ink) for prefix, (blank, ink) in best}
    return [(prefix, blank + ink) for prefix, (blank, ink) in kept.items()]


def log_probability(probabilities: Probabilities, symbols: Sequence[int]) -> float:
    """Return the log-probability of symbols, over all paths that stand for them: the
    forward algorithm.
    """
    states = with_blanks(symbols)
    logs, skips = log_of(probabilities, states), skips_to(states)
    reached = first_of(logs)
    for column in logs[1:]:
        reached = np.logaddexp.reduce(ways_to(reached, skips)) + column
    return float(np.logaddexp.reduce(reached[-2:]))


def spans_along(probabilities: Probabilities, symbols: Sequence[int]) -> Spans:
    """Return where each symbol lies on the most probable path that stands for them:
    Viterbi's algorithm.
    """
    states = with_blanks(symbols)
    logs, skips = log_of(probabilities, states), skips_to(states)
    reached = first_of(logs)
    # For each column and state, by how many states the best path came forward.
    steps = []
    for column in logs[1:]:
        ways = ways_to(reached, skips)
        steps.append(ways.argmax(axis=0))
        reached = ways.max(axis=0) + column
    state = len(states) - 1
    if state and reached[-2] > reached[-1]:
        state -= 1
    passed = [state]
    for step in reversed(steps):
        state -= int(step[state])
        passed.append(state)
    columns = np.array(passed[::-1])
    places = [
        np.flatnonzero(columns == 2 * number + 1) for number in range(len(symbols))
    ]
    return [
        (symbol, int(place[0]), int(place[-1]))
        for symbol, place in zip(symbols, places, strict=True)
    ]


def with_blanks(symbols: Sequence[int]) -> NDArray[np.int64]:
    """Return the states of paths that stand for symbols: a blank before, between and
    after them.
    """
    states = np.full(2 * len(symbols) + 1, BLANK)
    states[1::2] = symbols
    return states


def log_of(
    probabilities: Probabilities, states: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the log-probability (T, S) of each state in each column."""
    return np.log(np.maximum(probabilities[:, states], TINY).astype(np.float64))


def first_of(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-probabilities of the states in the first column: a path begins in
    one of the first two.
    """
    return np.where(np.arange(logs.shape[1]) < 2, logs[0], -np.inf)


def skips_to(states: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 0 (S,) for the states that a path may reach without the blank before them,
    and -inf for the others.
    """
    # Before it, or is one.
    needs_blank = (states == BLANK) | (states == np.roll(states, 2))
    return np.where(needs_blank, -np.inf, 0.0)


def ways_to(
    reached: NDArray[np.float64], skips: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-probabilities (3, S) of paths that stay in a state, come from the
    one before, or skip a blank.
    """
    ways = np.full((3, len(reached)), -np.inf)
    ways[0] = reached
    ways[1, 1:] = reached[:-1]
    ways[2, 2:] = reached[:-2] + skips[2:]
    return ways
