"""Cut written numbers into segments: digits with traces of their neighbours, and
segments that are not digits.

A line of digits is cut between neighbours, and through some digits. A segment is a run
of adjacent pieces: a part of a digit, a whole one, two digits at once, or a digit with
a part of its neighbour or with a mark. Ambiguous segments are left out, which nobody
could judge without the rest of the line: narrow ones, which may be 1s, and low ones,
such as the loop of a 6.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from app.digit.classifier import CLASSES
from app.picture.frame import frame_from_ink
from app.picture.maps import Map
from training.data import Digits
from training.drawing import extent
from training.line_writer import HEIGHT, Glyphs, Writer
from training.objective import NONE
from training.writing import INKED

# Share of a digit's ink: a segment that is a digit has at least, a non-digit at most.
WHOLE, PARTIAL = 0.9, 0.65
PURE, MIXED = 0.9, 0.8  # the digit's share of the segment's ink, likewise
MARK = 0.02  # the most ink of marks in a segment that is a digit, as a share
# Least width without slant by height, and least height by the line's, of a non-digit.
SLENDER, LOW = 0.4, 0.7
MARKS = ".,-"
SIGNS, SHARES = ["", *MARKS], [0.85, 0.05, 0.05, 0.05]  # before each digit
MAX_PER_LINE = 3  # segments of each class from one line
STRAY = 0.03  # standard deviation of a cut between two digits, in digit heights
CUT_THROUGH = 0.5  # share of digits and marks that are cut


def segments(digits: Digits, count: int, seed: int) -> tuple[Digits, Digits]:
    """Write numbers and cut them into segments.

    Parameters
    ----------
    digits : Digits
        The digits that the numbers are made of. Every second one is assumed to be by
        the same writer.
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
    glyphs, whole, none = (
        Glyphs(digits, (), rng),
        list[tuple[Map, int]](),
        list[tuple[Map, int]](),
    )
    while min(len(whole), len(none)) < count:
        judged = list(judged_segments(glyphs, rng))
        for found, of_it in (
            (whole, [s for s in judged if s[1] != NONE]),
            (none, [s for s in judged if s[1] == NONE]),
        ):
            found += [
                of_it[index] for index in rng.permutation(len(of_it))[:MAX_PER_LINE]
            ]
    return as_digits(whole[:count]), as_digits(none[:count])


def as_digits(segments: Sequence[tuple[Map, int]]) -> Digits:
    """Stack frames and their labels."""
    frames, labels = zip(*segments, strict=True)
    return Digits(
        torch.from_numpy(np.round(255 * np.stack(frames)).astype(np.uint8)),
        torch.tensor(labels),
    )


def judged_segments(glyphs: Glyphs, rng: Generator) -> Iterator[tuple[Map, int]]:
    """Write one number; yield the frames of its segments and their labels, except for
    ambiguous ones.
    """
    writer = Writer(glyphs, rng)
    writer.write(
        "".join(
            rng.choice(SIGNS, p=SHARES) + "d" for _ in range(rng.integers(2, 5))
        ).lstrip(MARKS)
    )
    ink, source = writer.row.cropped(), writer.row.source[writer.row.rows]
    labels = np.array(
        [symbol - 1 if symbol <= CLASSES else NONE for symbol in writer.symbols]
    )
    # X without slant.
    upright = np.arange(ink.shape[1]) + writer.slant * np.arange(len(ink))[:, None]
    for begin, end in combinations(cuts(upright, source, rng), 2):
        segment = (ink > INKED) & (begin <= upright) & (upright < end)
        if segment.any() and (label := judge(ink, source, labels, segment)) is not None:
            cut = ink * segment
            cut = cut[extent(cut, 0)]
            if label != NONE or not is_ambiguous(cut.shape, writer.slant):
                yield frame_from_ink(cut), label


def cuts(
    upright: NDArray[np.float64], source: NDArray[np.int64], rng: Generator
) -> list[float]:
    """Return where to cut a line: at both ends, between neighbours, and through some
    digits and marks.

    `source` is the digit or mark that each pixel belongs to, counted from 1; 0 where
    there is no ink.
    """
    own = [upright[source == index] for index in np.unique(source[source > 0])]
    spans = [(float(some.min()), float(some.max())) for some in own]
    between = [
        (one[1] + other[0]) / 2 + rng.normal(0, STRAY * HEIGHT)
        for one, other in pairwise(spans)
    ]
    through = [rng.uniform(*span) for span in spans if rng.random() < CUT_THROUGH]
    return sorted([-np.inf, *between, *through, np.inf])


def judge(
    ink: Map,
    source: NDArray[np.int64],
    labels: NDArray[np.int64],
    segment: NDArray[np.bool_],
) -> int | None:
    """Label a segment by whose ink it has: a digit, NONE, or None if neither is clear."""
    total, inside = (
        np.bincount(source[where], ink[where], len(labels) + 1)[1:]
        for where in (source > 0, segment & (source > 0))
    )
    is_mark = labels == NONE
    # The one with most ink in the segment.
    digit = np.where(is_mark, -1, inside).argmax()
    whole, pure = inside[digit] / max(total[digit], 1e-6), inside[digit] / inside.sum()
    if whole >= WHOLE and pure >= PURE and inside[is_mark].sum() <= MARK * inside.sum():
        return int(labels[digit])
    return NONE if whole <= PARTIAL or pure <= MIXED else None


def is_ambiguous(shape: tuple[int, ...], slant: float) -> bool:
    """Return whether a segment that is not a digit is so narrow or low that it might be
    one.
    """
    height, width = shape
    return width - abs(slant) * height < SLENDER * height or height < LOW * HEIGHT
