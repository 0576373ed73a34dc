"""Cut written numbers into segments: digits with traces of their neighbours, and segments that are not digits.

A line of digits is cut between neighbours, and through some digits. A segment is a run of adjacent pieces: a part of a
digit, a whole one, two digits at once, or a digit with a part of its neighbour or with a mark. Ambiguous segments are
left out, which nobody could judge without the rest of the line: narrow ones, which may be 1s, and low ones, such as the
loop of a 6.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from app.preprocess.frame import frame_from_ink
from app.preprocess.maps import Map
from training.data import Digits
from training.objective import NONE
from training.strokes import felt
from training.writing import FELT, INKED, TIGHT, TOUCHING, Hand, Row, mark, written

WHOLE, PARTIAL = 0.9, 0.65  # share of a digit's ink: a segment that is a digit has at least, a non-digit at most
PURE, MIXED = 0.9, 0.8  # the digit's share of the segment's ink, likewise
MARK = 0.02  # the most ink of marks in a segment that is a digit, as a share
SLENDER, LOW = 0.4, 0.7  # least width without slant by height, and least height by the line's, of a non-digit
MARKS = ".,-"
MAX_PIECES = 3  # per segment
MAX_PER_LINE = 3  # segments of each class from one line
STRAY = 0.03  # standard deviation of a cut between two digits, in digit heights
CUT_THROUGH = 0.5  # share of digits and marks that are cut


class Line(NamedTuple):
    """A written number.

    Attributes
    ----------
    ink : Map
        (H, W) float32 in [0, 1], ink = 1.
    source : NDArray
        (H, W) int64: the digit or mark that each pixel belongs to, counted from 1; 0 where there is no ink.
    labels : NDArray
        int64: what was written; a mark is NONE.
    """

    ink: Map
    source: NDArray[np.int64]
    labels: NDArray[np.int64]


def segments(digits: Digits, count: int, seed: int) -> tuple[Digits, Digits]:
    """Write numbers and cut them into segments.

    Parameters
    ----------
    digits : Digits
        The digits that the numbers are made of. Every second one is assumed to be by the same writer.
    count : int
        Number of segments of each class.
    seed : int
        Seed of the random generator.

    Returns
    -------
    (Digits, Digits)
        Segments that are one whole digit, and as many that are not.
    """
    rng = np.random.default_rng(seed)
    whole: list[tuple[Map, int]] = []
    none: list[tuple[Map, int]] = []
    while min(len(whole), len(none)) < count:
        judged = list(judged_segments(digits, rng))
        for found, of_it in ((whole, [s for s in judged if s[1] != NONE]), (none, [s for s in judged if s[1] == NONE])):
            found += [of_it[index] for index in rng.permutation(len(of_it))[:MAX_PER_LINE]]
    return as_digits(whole[:count]), as_digits(none[:count])


def as_digits(segments: Sequence[tuple[Map, int]]) -> Digits:
    """Stack frames and their labels."""
    frames, labels = zip(*segments, strict=True)
    return Digits(torch.from_numpy(np.round(255 * np.stack(frames)).astype(np.uint8)), torch.tensor(labels))


def judged_segments(digits: Digits, rng: Generator) -> Iterator[tuple[Map, int]]:
    """Write one number; yield the frames of its segments and their labels, except for ambiguous ones."""
    length = int(rng.integers(2, 5))
    chosen = rng.integers(len(digits) - 2 * length) + 2 * np.arange(length)  # every second image is by the same writer
    strokes = [felt(digit) for digit in digits.images.numpy()[chosen]]  # augmentation varies the pen
    writer = Hand(strokes, rng.uniform(28, 60), rng.uniform(-0.2, 0.4), FELT)
    line = number(writer, digits.labels.numpy()[chosen], rng)
    for segment in runs(line.ink > INKED, pieces(line.source, writer, rng)):
        rows, columns = (np.flatnonzero(segment.any(axis=axis)) for axis in (1, 0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ink = np.where(segment, line.ink, np.float32(0))[box]
        label = judge(line, segment)
        if label is not None and (label != NONE or not is_ambiguous(ink.shape, writer)):
            yield frame_from_ink(ink), label


def number(writer: Hand, labels: NDArray[np.int64], rng: Generator) -> Line:
    """Write a line of closely spaced digits, some of which touch, with marks among them."""
    line, written_labels = Row(writer.height), []
    has_marks = rng.random() < 0.3
    for strokes, label in zip(writer.strokes, labels.tolist(), strict=True):
        gap = rng.uniform(*(TOUCHING if rng.random() < 0.4 else TIGHT))
        if has_marks and rng.random() < 0.5:
            drawn, raised = mark(MARKS[rng.integers(len(MARKS))], writer.height, writer.pen_width, writer.slant, rng)
            line.write(drawn, gap, raised)
            written_labels.append(NONE)
        height = writer.height * rng.uniform(0.88, 1.08)
        line.write(written(strokes, height, writer.slant), gap, rng.uniform(-0.06, 0.06) + height / writer.height - 1)
        written_labels.append(label)
    return Line(line.cropped(), line.source[line.rows], np.array(written_labels))


def pieces(source: NDArray[np.int64], writer: Hand, rng: Generator) -> NDArray[np.int64]:
    """Cut a line along the writer's slant; return the piece (H, W) of each pixel, counted from 0."""
    rows, columns = (np.arange(side) for side in source.shape)
    upright: NDArray[np.float64] = columns + writer.slant * rows[:, None]
    own = [upright[source == index] for index in np.unique(source[source > 0])]
    spans = [(float(some.min()), float(some.max())) for some in own]
    stray = STRAY * writer.height
    between = [(one[1] + other[0]) / 2 + rng.normal(0, stray) for one, other in pairwise(spans)]
    through = [rng.uniform(*span) for span in spans if rng.random() < CUT_THROUGH]
    return np.searchsorted(np.sort([*between, *through]), upright)


def runs(inked: NDArray[np.bool_], piece: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Yield a mask of the ink in each run of one to MAX_PIECES pieces, except where there is none."""
    count = int(piece.max()) + 1
    for begin in range(count):
        for end in range(begin + 1, min(begin + MAX_PIECES, count) + 1):
            segment = inked & (begin <= piece) & (piece < end)
            if segment.any():
                yield segment


def judge(line: Line, segment: NDArray[np.bool_]) -> int | None:
    """Label a segment by whose ink it has: a digit, NONE, or None if neither is clear."""
    count = len(line.labels) + 1
    total = np.bincount(line.source.ravel(), line.ink.ravel(), count)[1:]
    inside = np.bincount(line.source[segment], line.ink[segment], count)[1:]
    is_mark = line.labels == NONE
    digit = np.where(is_mark, -1, inside).argmax()  # the one with most ink in the segment
    whole, pure = inside[digit] / max(total[digit], 1e-6), inside[digit] / inside.sum()
    if whole >= WHOLE and pure >= PURE and inside[is_mark].sum() <= MARK * inside.sum():
        return int(line.labels[digit])
    return NONE if whole <= PARTIAL or pure <= MIXED else None


def is_ambiguous(shape: tuple[int, ...], writer: Hand) -> bool:
    """Return whether a segment that is not a digit is so narrow or low that it might be one."""
    height, width = shape
    return width - abs(writer.slant) * height < SLENDER * height or height < LOW * writer.height
