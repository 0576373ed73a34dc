"""Connectionist temporal classification (Graves et al. 2006): probabilities of each
column → symbols.

Arrays of probabilities are (T, C): a row for each column of a strip. Class 0 is the
blank. A path has a class for each column; it stands for its classes without repetitions
and then without blanks.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLANK = 0
# Of a class in a column: a search leaves out less likely ones.
MIN_PROBABILITY = 1e-3
BEAM = 24  # prefixes
TINY = 1e-30  # probability, so that its logarithm is finite
Probabilities = NDArray[np.floating]
Logs = NDArray[np.float64]
Path = list[int]
Symbols = tuple[int, ...]


class Span(NamedTuple):
    """A symbol, and its first and last column."""

    symbol: int
    first: int
    last: int


def best_path(probabilities: Probabilities) -> Path:
    """Return the most probable path."""
    return [*probabilities.argmax(axis=1).tolist()]


def best_path_with(
    probabilities: Probabilities, counted: Sequence[int], count: int
) -> Path | None:
    """Return the most probable path with `count` of the counted symbols.

    It is None if such paths are too unlikely. Dynamic programming over the columns,
    the class of each, and the number of counted symbols so far.
    """
    classes = np.arange(probabilities.shape[1])
    is_same = np.eye(len(classes), dtype=bool)
    is_counted = np.isin(classes, counted)
    likely = np.where(probabilities >= MIN_PROBABILITY, probabilities, 0)
    with np.errstate(divide="ignore"):
        logs = np.log(likely.astype(np.float64))
    # By number and class; the last row is for more than are wanted.
    reached = np.full((count + 2, len(classes)), -np.inf)
    reached[is_counted.astype(int), classes] = logs[0]
    steps = []  # for each column, the class of the one before: by number and class
    for column in logs[1:]:
        fewer = np.roll(reached, 1, axis=0)  # by the number before
        fewer[0] = -np.inf
        before = np.where(is_counted[:, None], fewer[:, None], reached[:, None])
        changed = np.where(is_same, -np.inf, before)  # number, to, from
        best = changed.max(axis=2)
        came = changed.argmax(axis=2)
        steps.append(np.where(reached >= best, classes, came))
        reached = np.maximum(reached, best) + column
    last = int(reached[count].argmax())
    if reached[count, last] == -np.inf:
        return None
    path = [last]
    for step in reversed(steps):
        symbol = path[-1]
        path.append(int(step[count, symbol]))
        if is_counted[symbol] and path[-1] != symbol:
            count -= 1
    return path[::-1]


def spans_of(path: Path) -> list[Span]:
    """Return the symbols of a path, and where they lie."""
    spans = []
    column = 0
    for symbol, run in groupby(path):
        end = column + len(list(run))
        if symbol != BLANK:
            spans.append(Span(symbol, column, end - 1))
        column = end
    return spans


def symbols_of(path: Path) -> Symbols:
    """Return the symbols of a path."""
    return tuple(span.symbol for span in spans_of(path))


def anything(_: Symbols) -> bool:
    """Allow all symbols."""
    return True


def likeliest(
    probabilities: Probabilities, can_begin: Callable[[Symbols], bool] = anything
) -> list[tuple[Symbols, float]]:
    """Return the most probable sequences of symbols, each with its probability.

    A search over prefixes (Graves & Jaitly 2014) that keeps the BEAM best ones; for
    each, the probability that the paths so far end in a blank, and that they end in its
    last symbol. Prefixes that cannot be completed are dropped.
    """
    kept: dict[Symbols, list[float]] = {(): [1.0, 0.0]}
    is_possible = cache(can_begin)
    for column in probabilities.tolist():
        found = defaultdict[Symbols, list[float]](lambda: [0.0, 0.0])
        classes = range(1, len(column))
        likely = [each for each in classes if column[each] >= MIN_PROBABILITY]
        for prefix, (blank, ink) in kept.items():
            same = found[prefix]
            same[0] += (blank + ink) * column[BLANK]
            if prefix:
                same[1] += ink * column[prefix[-1]]
            for symbol in likely:
                longer = (*prefix, symbol)
                if is_possible(longer):
                    before = blank if prefix[-1:] == (symbol,) else blank + ink
                    found[longer][1] += before * column[symbol]
        best = sorted(found.items(), key=lambda item: sum(item[1]), reverse=True)
        kept = dict(best[:BEAM])
    return [(prefix, sum(ends)) for prefix, ends in kept.items()]


def log_probability(probabilities: Probabilities, symbols: Sequence[int]) -> float:
    """Return the log-probability of symbols over all their paths: forward algorithm."""
    _, logs, skips = trellis(probabilities, symbols)
    reached = logs[0]
    for column in logs[1:]:
        reached = np.logaddexp.reduce(ways_to(reached, skips)) + column
    return float(np.logaddexp.reduce(reached[-2:]))


def spans_along(probabilities: Probabilities, symbols: Sequence[int]) -> list[Span]:
    """Return where symbols lie on their most probable path: Viterbi's algorithm."""
    states, logs, skips = trellis(probabilities, symbols)
    reached = logs[0]
    steps = []  # (S,) for each column: by how many states the best path came forward
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
    return spans_of(states[passed[::-1]].tolist())


def trellis(
    probabilities: Probabilities, symbols: Sequence[int]
) -> tuple[NDArray[np.int64], Logs, Logs]:
    """Return the states of the paths that stand for symbols, and what leads to them.

    Returns
    -------
    states : NDArray
        (S,): the class of each, the symbols with a blank before, between and after.
    logs : NDArray
        (T, S): the log-probability of each state in each column. A path begins in one
        of the first two.
    skips : NDArray
        (S,): 0 for states that may follow without the blank before them, else -inf.
    """
    states = np.full(2 * len(symbols) + 1, BLANK)
    states[1::2] = symbols
    likely = np.maximum(probabilities[:, states], TINY)
    logs = np.log(likely.astype(np.float64))
    logs[0, 2:] = -np.inf
    needs_blank = (states == BLANK) | (states == np.roll(states, 2))
    return states, logs, np.where(needs_blank, -np.inf, 0.0)


def ways_to(reached: Logs, skips: Logs) -> Logs:
    """Return the log-probabilities (3, S) of the ways into each state.

    A path stays there, comes from the state before, or skips a blank.
    """
    ways = np.full((3, len(reached)), -np.inf)
    ways[0] = reached
    ways[1, 1:] = reached[:-1]
    ways[2, 2:] = reached[:-2] + skips[2:]
    return ways
