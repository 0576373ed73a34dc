"""Connectionist temporal classification (Graves et al. 2006): probabilities of each column → symbols.

Arrays of probabilities are (T, C): a row for each column of a strip. Class 0 is the blank. A path has a class for each
column; it stands for its classes without repetitions and then without blanks.
"""

import numpy as np
from numpy.typing import NDArray

BLANK = 0
WIDTH = 12  # of the beam
MIN_PROBABILITY = 1e-3  # of a symbol in a column; less likely ones are not tried
MIN_SHARE = 1e-4  # probability of a prefix, over that of the best one
TINY = 1e-30  # probability, so that its logarithm is finite
Symbols = tuple[int, ...]
Probabilities = NDArray[np.floating]
Prefixes = dict[Symbols, list[float]]  # probabilities that they end in a blank, and in a symbol; counted symbols


def best_symbols(probabilities: Probabilities, counted: range = range(0), count: int = 0) -> Symbols:
    """Return the most probable symbols, by a prefix beam search (Hannun et al. 2014, without a language model).

    They have `count` of the counted symbols; there are none if that is too unlikely.
    """
    beam: Prefixes = {(): [1.0, 0.0, 0]}
    is_blank = probabilities[:, BLANK] > 1 - MIN_PROBABILITY
    for column in probabilities[~(is_blank & np.roll(is_blank, 1))].tolist():  # one blank is as good as a run of them
        likely = [symbol for symbol, p in enumerate(column) if symbol != BLANK and p >= MIN_PROBABILITY]
        found: Prefixes = {}
        for prefix, (closed, unclosed, number) in beam.items():
            same = found.setdefault(prefix, [0.0, 0.0, number])
            same[0] += (closed + unclosed) * column[BLANK]
            same[1] += unclosed * column[prefix[-1]] if prefix else 0.0
            for symbol in likely:
                longer = found.setdefault((*prefix, symbol), [0.0, 0.0, number + (symbol in counted)])
                longer[1] += (closed if prefix[-1:] == (symbol,) else closed + unclosed) * column[symbol]
        beam = pruned(found, count)
    return next((prefix for prefix, (*_, number) in beam.items() if number == count), ())


def pruned(found: Prefixes, count: int) -> Prefixes:
    """Keep the best prefixes with each number of counted symbols up to `count`, best first; scale the best to 1."""
    kept: Prefixes = {}
    of_number: dict[float, list[float]] = {}
    for prefix, (closed, unclosed, number) in sorted(found.items(), key=lambda item: -sum(item[1][:2])):
        alike = of_number.setdefault(number, [])
        alike.append(closed + unclosed)
        best = next(iter(of_number.values()))[0]
        if number <= count and len(alike) <= WIDTH and alike[-1] > MIN_SHARE * alike[0]:
            kept[prefix] = [closed / best, unclosed / best, number]
    return kept


def aligned(probabilities: Probabilities, symbols: Symbols) -> tuple[float, list[tuple[int, int]]]:
    """Return the log-probability of symbols over all paths, and the first and last column of each symbol.

    This is the forward algorithm. The columns are found backwards, from each state to the most probable one before it.
    """
    states = np.zeros(2 * len(symbols) + 1, np.int64)  # a blank before, between and after the symbols
    states[1::2] = symbols
    logs = np.log(np.maximum(probabilities[:, states], TINY).astype(np.float64))
    is_closed = (states == BLANK) | (states == np.roll(states, 2))  # needs a blank before it, or is one
    reached, steps = np.where(np.arange(len(states)) < 2, logs[0], -np.inf), []
    ways = np.full((3, len(states)), -np.inf)  # from the same state, the one before it, and the one before that
    for column in logs[1:]:
        ways[0], ways[1, 1:], ways[2, 2:] = reached, reached[:-1], np.where(is_closed[2:], -np.inf, reached[:-2])
        steps.append(ways.argmax(axis=0))
        reached = np.logaddexp.reduce(ways) + column
    path = [len(states) - 1 - int(reached[::-1][:2].argmax())]
    for step in reversed(steps):
        path.append(path[-1] - int(step[path[-1]]))
    own = [np.flatnonzero(np.array(path[::-1]) == state) for state in range(1, len(states), 2)]
    spans = [(int(columns[0]), int(columns[-1])) for columns in own if len(columns)]
    return float(np.logaddexp.reduce(reached[-2:])), spans
