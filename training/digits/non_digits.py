"""Generate frames that show no single whole digit, for the network to learn to tell
from digits.

They cover what a picture may show in the place of a digit: parts of digits, other
characters, scribbles, shapes and textures; `training.digits.segments` adds several
digits at once. They are framed as the service frames a picture.
`training.digits.augment` deforms them again in each epoch.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.picture.frame import FRAME_SIDE, frame_from_ink
from app.picture.maps import Map
from training.data import Digits
from training.omniglot import Characters, character
from training.writing.characters import (
    INK_LEVEL,
    crop,
    invented_character,
    letter,
    look_alike,
    printed_lines,
    scribble,
    shape,
    texture,
)
from training.writing.drawing import levels

REAL = 0.2  # share of real characters, if there are any
TURNED = (2, 3, 4, 5, 6, 7, 9)  # digits that stop being digits when rotated by 90°

Kind = Callable[[Digits, Generator], Map]
Kinds = Sequence[tuple[Kind, float]]


def digit(digits: Digits, rng: Generator, among: tuple[int, ...]) -> Map:
    """Pick the image (28, 28) of a random digit with one of the given labels."""
    candidates = np.flatnonzero(np.isin(digits.labels, among))
    return levels(digits.images[rng.choice(candidates)])


def part_of_digit(digits: Digits, rng: Generator) -> Map:
    """Cut a digit along a straight line and keep one side.

    Excludes 8s, whose halves are digits, and parts that look like a 1.
    """
    axis = np.arange(FRAME_SIDE) - (FRAME_SIDE - 1) / 2
    while True:
        whole = digit(digits, rng, (0, 2, 3, 4, 5, 6, 7, 9))
        angle = rng.uniform(0, 2 * math.pi)
        distance = axis * math.cos(angle) + axis[:, None] * math.sin(angle)
        part = whole * (distance > rng.uniform(-5, 5))
        rows, columns = np.nonzero(part > INK_LEVEL)
        share = part.sum() / whole.sum()
        if 0.25 < share < 0.6 and np.ptp(columns) > 0.4 * np.ptp(rows):
            return part


def turned_digit(digits: Digits, rng: Generator) -> Map:
    """Rotate a digit by 90° in either direction."""
    return np.rot90(digit(digits, rng, TURNED), rng.choice([1, 3])).copy()


KINDS: Kinds = (
    (part_of_digit, 0.29),
    (turned_digit, 0.1),
    (letter, 0.15),
    (look_alike, 0.09),
    (invented_character, 0.14),
    (scribble, 0.06),
    (printed_lines, 0.06),
    (shape, 0.07),
    (texture, 0.04),
)


def non_digits(
    digits: Digits,
    count: int,
    seed: int,
    characters: Characters = (),
    kinds: Kinds = KINDS,
) -> NDArray[np.uint8]:
    """Generate frames that show no single whole digit.

    Parameters
    ----------
    digits : Digits
        Source of the parts and groups of digits.
    count : int
        Number of frames.
    seed : int
        Seed of the random generator.
    characters : Characters
        Real ones; see `training.omniglot`.
    kinds : sequence of (Kind, float)
        With their shares of the frames that show no real character.

    Returns
    -------
    NDArray
        (count, 28, 28) uint8, ink = 255.
    """
    rng = np.random.default_rng(seed)
    real = REAL if characters else 0.0
    makers: list[Kind] = [lambda _, rng: character(characters, rng)]
    shares = [real]
    for kind, share in kinds:
        makers.append(kind)
        shares.append((1 - real) * share)
    frames = np.empty((count, FRAME_SIDE, FRAME_SIDE), np.uint8)
    chosen = rng.choice(len(makers), count, p=shares)
    for frame, place in zip(frames, chosen, strict=True):
        while (cropped := crop(makers[place](digits, rng))) is None:
            pass
        frame[:] = np.round(255 * frame_from_ink(cropped))
    return frames
