"""Make segments of numbers: digits as the service cuts them out of a line, and segments that are not digits.

Most frames that `POST /read` classifies are segments: parts of a digit, two digits at once, a digit with part of its
neighbour or with a sign, and digits that lost a little ink to a neighbour or gained some. Ambiguous segments are left
out, which nobody could judge without the rest of the line: narrow ones, which may be 1s, and low ones, such as the loop
of a 6.
"""

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from app.preprocess.layouts import LEVEL
from app.preprocess.lines import Line, downscaled
from app.preprocess.maps import Box
from app.preprocess.seams import cuts_of
from app.preprocess.segments import segments_of
from training.data import NOTHING, Digits
from training.objective import NONE
from training.strokes import felt
from training.writing import FELT, SEPARATORS, SIGNS, TIGHT, TOUCHING, Hand, Row, sign, written

WHOLE, PARTIAL = 0.9, 0.65  # share of a digit's ink: a segment that is a digit has at least, a non-digit at most
PURE, MIXED = 0.9, 0.8  # the digit's share of the segment's ink, likewise
SIGN = 0.02  # the most ink of signs in a segment that is a digit, as a share
SLENDER, LOW = 0.4, 0.7  # least width without slant by height, and least height by the line's, of a non-digit
MAX_PER_LINE = 3  # segments of each class from one line
DOUBTFUL = -2  # the label of an ambiguous segment


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
    found: list[list[Digits]] = [[], []]
    missing = [count, count]
    while max(missing) > 0:
        judged = judged_segments(digits, rng)
        for sort, of_it in enumerate((judged.labels >= 0, judged.labels == NONE)):
            some = rng.permutation(np.flatnonzero(of_it))[: min(MAX_PER_LINE, missing[sort])]
            found[sort].append(judged.take(torch.from_numpy(some)))
            missing[sort] -= len(some)
    whole, none = (NOTHING.joined(*parts) for parts in found)
    return whole, none


def judged_segments(digits: Digits, rng: Generator) -> Digits:
    """Write one number, and return all its segments (S, 28, 28) with their labels: a digit, NONE or DOUBTFUL."""
    length = int(rng.integers(2, 5))
    chosen = rng.integers(len(digits) - 2 * length) + 2 * np.arange(length)  # every second image is by the same writer
    strokes = [felt(digit) for digit in digits.images.numpy()[chosen]]  # augmentation varies the pen
    writer = Hand(strokes, rng.uniform(28, 60), rng.uniform(-0.2, 0.4), FELT)
    line, owner = number(writer, rng)
    cuts = cuts_of(line)
    found = segments_of(line, cuts, LEVEL)
    ink = np.zeros((cuts.part.max() + 2, length + 2))  # of each part, by owner
    np.add.at(ink, (cuts.part + 1, owner), line.ink * (line.ink >= LEVEL))
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
    return Digits(torch.from_numpy(np.round(255 * found.frames).astype(np.uint8)), torch.from_numpy(labels))


def number(writer: Hand, rng: Generator) -> tuple[Line, NDArray[np.uint8]]:
    """Write a line of closely spaced digits, some of which touch, with signs among them.

    Also returns the owner of each pixel: 0 is nobody, then come the digits in order, then the signs.
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
    ink, owner = line.cropped(), np.array([0, *owners], np.uint8)[line.source[line.rows]]
    small = downscaled(Line(ink, Box(0, ink.shape[0], 0, ink.shape[1]), float(np.median(heights))))
    size = small.ink.shape[1], small.ink.shape[0]
    return small, np.asarray(Image.fromarray(owner).resize(size, Image.Resampling.NEAREST))
