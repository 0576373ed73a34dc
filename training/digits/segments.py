"""Cut written numbers into segments: digits with traces of their neighbours, and
segments that are not digits.

A line of digits is cut between neighbours, and through some digits. A segment is a run
of adjacent pieces: a part of a digit, a whole one, two digits at once, or a digit with
a part of its neighbour or with a mark. Ambiguous segments are left out, which nobody
could judge without the rest of the line: narrow ones, which may be 1s, and low ones,
such as the loop of a 6.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from app.digit.classifier import CLASSES
from app.picture.frame import frame_from_ink
from app.picture.maps import Map
from training.data import NONE, Digits
from training.writing.drawing import extent
from training.writing.strokes import INKED
from training.writing.writer import (
    DIGIT_HEIGHT,
    Glyphs,
    Writer,
    chosen,
    random_hand,
    redrawn,
)

# A segment is a digit with at least these shares of the digit's ink, and of the digit
# in the segment's ink, and at most this share of marks in it.
WHOLE = 0.9
PURE = 0.9
MARKED = 0.02
# It is a non-digit with at most one of these.
PARTIAL = 0.65
MIXED = 0.8
# Least width without slant by height, and least height by the line's, of a non-digit.
SLENDER = 0.4
LOW = 0.7
# Written before each digit, and how often.
BEFORE = {"": 0.85, ".": 0.05, ",": 0.05, "-": 0.05}
MAX_PER_LINE = 3  # segments of each class from one line
STRAY = 0.03  # standard deviation of a cut between two digits, in digit heights
CUT_THROUGH = 0.5  # share of digits and marks that are cut

Segment = tuple[Map, int]  # its frame and its label


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
    glyphs = Glyphs(digits, (), partial(redrawn, rng=rng))
    whole = list[Segment]()
    none = list[Segment]()
    while min(len(whole), len(none)) < count:
        judged = [*judged_segments(glyphs, rng)]
        whole += some([each for each in judged if each[1] != NONE], rng)
        none += some([each for each in judged if each[1] == NONE], rng)
    return as_digits(whole[:count]), as_digits(none[:count])


def some(segments: Sequence[Segment], rng: Generator) -> list[Segment]:
    """Pick up to MAX_PER_LINE segments."""
    return [segments[index] for index in rng.permutation(len(segments))[:MAX_PER_LINE]]


def as_digits(segments: Sequence[Segment]) -> Digits:
    """Stack frames and their labels."""
    frames, labels = zip(*segments, strict=True)
    images = np.round(255 * np.stack(frames)).astype(np.uint8)
    return Digits(torch.from_numpy(images), torch.tensor(labels))


def judged_segments(glyphs: Glyphs, rng: Generator) -> Iterator[Segment]:
    """Write one number; yield its segments, except for ambiguous ones."""
    writer = Writer(glyphs, random_hand(len(glyphs.labels), rng), rng)
    pattern = ""
    for _ in range(rng.integers(2, 5)):
        pattern += chosen(BEFORE, rng) + "d"
    writer.write(pattern.lstrip(".,-"))
    ink = writer.row.cropped()
    source = writer.row.source[writer.row.rows]
    digits = np.array(writer.symbols) - 1
    labels = np.where(digits < CLASSES, digits, NONE)
    # X without slant.
    upright = np.arange(ink.shape[1]) + writer.hand.slant * np.arange(len(ink))[:, None]
    for begin, end in combinations(cuts(upright, source, rng), 2):
        segment = (ink > INKED) & (begin <= upright) & (upright < end)
        label = judge(ink, source, labels, segment) if segment.any() else None
        if label is None:
            continue
        part = ink * segment
        part = part[extent(part, 0)]
        if label != NONE or not is_ambiguous(part.shape, writer.hand.slant):
            yield frame_from_ink(part), label


def cuts(
    upright: NDArray[np.float64], source: NDArray[np.int64], rng: Generator
) -> list[float]:
    """Return where to cut a line: at both ends, between neighbours, and through some
    digits and marks.

    `source` is the digit or mark that each pixel belongs to, counted from 1; 0 where
    there is no ink.
    """
    own = [upright[source == index] for index in np.unique(source[source > 0])]
    spans = [(some.min(), some.max()) for some in own]
    places = [-np.inf, np.inf]
    for (_, end), (begin, _) in pairwise(spans):
        places.append((end + begin) / 2 + rng.normal(0, STRAY * DIGIT_HEIGHT))
    for span in spans:
        if rng.random() < CUT_THROUGH:
            places.append(rng.uniform(*span))
    return sorted(places)


def judge(
    ink: Map,
    source: NDArray[np.int64],
    labels: NDArray[np.int64],
    segment: NDArray[np.bool_],
) -> int | None:
    """Label a segment by whose ink it has: a digit, NONE, or None if unclear."""
    count = len(labels) + 1
    total = np.bincount(source.ravel(), ink.ravel(), count)[1:]
    inside = np.bincount(source[segment], ink[segment], count)[1:]
    is_mark = labels == NONE
    # The one with most ink in the segment.
    digit = np.where(is_mark, -1, inside).argmax()
    whole = inside[digit] / max(total[digit], 1e-6)
    amount = inside.sum()
    pure = inside[digit] / amount
    marks = inside[is_mark].sum()
    if whole >= WHOLE and pure >= PURE and marks <= MARKED * amount:
        return int(labels[digit])
    return NONE if whole <= PARTIAL or pure <= MIXED else None


def is_ambiguous(shape: tuple[int, ...], slant: float) -> bool:
    """Return whether a non-digit is so narrow or low that it might be a digit."""
    height, width = shape
    is_slender = width - abs(slant) * height < SLENDER * height
    return is_slender or height < LOW * DIGIT_HEIGHT
