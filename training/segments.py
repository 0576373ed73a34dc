"""Segments of numbers: digits as the service cuts them out of a line, and what it cuts out that is none.

Most frames that `POST /read` asks the network about are these: parts of a digit, two at once, a digit with a piece of
its neighbour or with a sign, and digits that lost a little to a neighbour or gained a little of it. Ignores: segments
that nobody could judge without the line they stand in: slender ones, which may be 1s, and low ones, as the ring of a 6.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from app.preprocess.layouts import LEVEL
from app.preprocess.lines import Line
from app.preprocess.maps import Box
from app.preprocess.seams import parts_of
from app.preprocess.segments import segments_of
from training.data import Digits
from training.objective import NONE
from training.strokes import felt
from training.writing import FELT, SEPARATORS, SIGNS, TIGHT, TOUCHING, Hand, Row, sign, written

WHOLE, PARTIAL = 0.9, 0.65  # of a digit's ink, in a segment that is one: at least; in one that is none: at most
PURE, MIXED = 0.9, 0.8  # the same shares of the segment's ink
SIGN = 0.02  # share of the ink, from which on a sign's makes it doubtful whether it is a digit
SLENDER, LOW = 0.4, 0.7  # the width but for the slant as a share of the height, the height as a share of the line's
MOST = 3  # of a line, of each sort
DOUBTFUL = -2  # the label of what is neither


class Judged(NamedTuple):
    """The segments of a line (S, 28, 28) uint8, and their labels (S,): a digit, NONE, or DOUBTFUL."""

    frames: NDArray[np.uint8]
    labels: NDArray[np.int64]


def segments(digits: Digits, count: int, seed: int) -> tuple[Digits, Digits]:
    """Write numbers, and cut them.

    Parameters
    ----------
    digits : Digits
        What the numbers are made of; neighbours are taken to be in one hand.
    count : int
        How many segments of each sort.
    seed : int
        Decides all of them.

    Returns
    -------
    (Digits, Digits)
        Segments that are one whole digit, and some that are none: as many of both.
    """
    rng = np.random.default_rng(seed)
    found: list[list[Judged]] = [[], []]
    missing = [count, count]
    while max(missing) > 0:
        judged = judged_segments(digits, rng)
        for sort, of_it in enumerate((judged.labels >= 0, judged.labels == NONE)):
            some = rng.permutation(np.flatnonzero(of_it))[: min(MOST, missing[sort])]
            found[sort].append(Judged(judged.frames[some], judged.labels[some]))
            missing[sort] -= len(some)
    whole, none = (
        Digits(*(torch.from_numpy(np.concatenate(parts)) for parts in zip(*of_sort, strict=True))) for of_sort in found
    )
    return whole, none


def judged_segments(digits: Digits, rng: Generator) -> Judged:
    """All segments of one number, and what they are."""
    length = int(rng.integers(2, 5))
    chosen = rng.integers(len(digits) - 2 * length) + 2 * np.arange(length)  # every second image is by one writer
    strokes = [felt(digit) for digit in digits.images.numpy()[chosen]]  # training changes the pen
    writer = Hand(strokes, rng.uniform(28, 60), rng.uniform(-0.2, 0.4), FELT)
    line, owner = number(writer, rng)
    found = segments_of(line, LEVEL)
    part = parts_of(line).part
    ink = np.zeros((part.max() + 2, length + 2))  # of each part, by whose it is
    np.add.at(ink, (part + 1, owner), line.ink * (line.ink >= LEVEL))
    sums = ink.cumsum(axis=0)
    begin, end = found.spans.T
    inside = sums[end] - sums[begin]  # (S, length + 2)
    whole, pure = (inside / total.clip(min=1e-6) for total in (sums[-1], inside.sum(axis=1, keepdims=True)))
    digit = pure[:, :-1].argmax(axis=1)
    of_it = np.arange(len(digit)), digit
    is_one = (whole[of_it] >= WHOLE) & (pure[of_it] >= PURE) & (pure[:, -1] <= SIGN)
    is_none = (whole[of_it] <= PARTIAL) | (pure[of_it] <= MIXED)
    top, bottom, left, right = found.boxes.T
    upright = right - left - abs(writer.slant) * (bottom - top)
    is_none &= (upright >= SLENDER * (bottom - top)) & (bottom - top >= LOW * line.height)
    labels = np.where(is_one, digits.labels.numpy()[chosen][digit - 1], np.where(is_none, NONE, DOUBTFUL))
    return Judged(np.round(255 * found.frames).astype(np.uint8), labels)


def number(writer: Hand, rng: Generator) -> tuple[Line, NDArray[np.int64]]:
    """A line of digits close together, some of them touching, with signs among them.

    Beside it whose each pixel is: 0 nobody's, then the digits' in their order, then the signs'.
    """
    line, heights, owners = Row(writer.height), [], []
    signs = SEPARATORS + SIGNS if rng.random() < 0.3 else ""
    for place, strokes in enumerate(writer.strokes, 1):
        gap = rng.uniform(*(TOUCHING if rng.random() < 0.4 else TIGHT))
        if signs and rng.random() < 0.5:
            line.write(sign(signs[rng.integers(len(signs))], writer.height, writer.pen_width), gap)
            owners.append(len(writer.strokes) + 1)
        heights.append(writer.height * rng.uniform(0.88, 1.08))
        mask = written(strokes, heights[-1], writer.slant)
        line.write(mask, gap, rng.uniform(-0.06, 0.06) + heights[-1] / writer.height - 1)
        owners.append(place)
    ink = line.cropped()
    box = Box(0, ink.shape[0], 0, ink.shape[1])
    return Line(ink, box, float(np.median(heights))), np.array([0, *owners])[line.source[line.rows]]
