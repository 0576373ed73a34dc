"""Write a line in one hand, sign by sign: digits, marks, letters and other things, and
what they say.

Its symbols are classes of the reader. What is no character of its alphabet is one
symbol, however long.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.picture.maps import Map
from training import omniglot
from training.data import NOTHING, Digits
from training.omniglot import Characters
from training.writing import characters
from training.writing.alphabet import OTHER, SPACE, class_of
from training.writing.drawing import resized
from training.writing.patterns import (
    DIGIT_KINDS,
    LETTER_KINDS,
    OTHER_KINDS,
    SIGN_KINDS,
    SMALL_KINDS,
    ZERO_KINDS,
)
from training.writing.row import Row, Span
from training.writing.strokes import (
    MARKS,
    Digit,
    Shapes,
    felt,
    mark,
    pen,
    smaller,
    written,
)

# Share of the digits that are redrawn with a pen of their own, which takes 30 ms each.
OWN_PEN = 1 / 3
DIGIT_HEIGHT = 34.0  # of a digit in a line, in pixels
# Share of the lines that are in one hand: every second image of MNIST is by the same
# writer.
SAME_HAND = 0.7
NEARBY = 40  # digits by one writer from which those of a line are drawn
STRAIGHT = 0.5  # share of the 1s that are one straight stroke
RAISED = 0.25  # share of the hands that raise decimal points
REAL = 0.45  # share of real characters among the other things, if there are any
LETTER_SHARE = 0.3  # share of letters among the rest of them
ALPHABET = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
)
SPACE_CLASS = class_of(SPACE)
# How close digits are, in digit heights, and how often: apart, close, touching, loose.
GAPS = {(0.1, 0.45): 0.32, (0.0, 0.14): 0.3, (-0.16, 0.05): 0.25, (0.2, 0.6): 0.13}
MARK_GAP = (0.03, 0.3)
POINTS = ".:"
SLANTS = {(-0.1, 0.1): 0.5, (-0.15, 0.45): 0.35, (0.2, 0.75): 0.15}
# Heights of other things, in digit heights.
HEIGHTS = {"l": (0.55, 0.75), "=": (0.25, 0.5)}
OTHER_HEIGHTS = (0.6, 1.15)
THINGS = (
    characters.invented_character,
    characters.scribble,
    characters.printed_lines,
    characters.shape,
    characters.texture,
)

T = TypeVar("T")
Pen = Callable[[Digit], Map]  # redraws a digit
Sign = tuple[Map, int, float]  # its mask, its symbol, and how many heights it is raised


class Glyphs:
    """Digits to write with, and pictures (105, 105) of other characters, if any.

    `redraw` gives the strokes of a digit's image.
    """

    def __init__(self, digits: Digits, others: Characters, redraw: Pen) -> None:
        self.labels: NDArray[np.int64] = digits.labels.numpy()
        self.others = others
        self._redraw = redraw
        self._images = digits.images.numpy()
        self._strokes = dict[int, Map]()

    def strokes(self, index: int) -> Map:
        """Return the strokes of a digit."""
        if index not in self._strokes:
            self._strokes[index] = smaller(self._redraw(self._images[index]))
        return self._strokes[index]


def redrawn(digit: Digit, rng: Generator) -> Map:
    """Redraw a digit with a pen of its own, or with MNIST's strokes."""
    is_own = rng.random() < OWN_PEN
    width = 1 / rng.uniform(7, 26)
    return pen(digit, width) if is_own else felt(digit)


def chosen(shares: Mapping[T, float], rng: Generator) -> T:
    """Choose one of several things, with their shares."""
    index = rng.choice(len(shares), p=[*shares.values()])
    return [*shares][index]


@dataclass(frozen=True)
class Hand:
    """How someone writes. All gaps, and the width of the pen, are in digit heights."""

    slant: float
    stretch: float
    pen_width: float
    digits: NDArray[np.int64]  # indices of the digits to write with, in this order
    uneven: float  # how much heights differ
    straight: float  # share of the 1s that are one straight stroke
    point_raised: float  # how high decimal points are
    gap: Span
    letter_gap: float
    space_gap: float
    other_gap: Span
    mark_gap: Span = MARK_GAP
    pressed: float = 1.0  # width of points, over that of the pen


def random_hand(count: int, rng: Generator) -> Hand:
    """Choose a hand that writes with some of so many digits."""
    slant = rng.uniform(*chosen(SLANTS, rng))
    stretch = rng.uniform(0.7, 1.25)
    pen_width = rng.uniform(0.05, 0.13)
    first = rng.integers(count - 2 * NEARBY)
    # In MNIST's order, 7 often follows 6.
    digits = first + 2 * rng.permutation(NEARBY)
    if rng.random() >= SAME_HAND:
        digits = rng.integers(count, size=NEARBY)
    return Hand(
        slant,
        stretch,
        pen_width,
        digits,
        uneven=rng.uniform(0.02, 0.14),
        straight=STRAIGHT,
        point_raised=rng.uniform(0.1, 0.55) if rng.random() < RAISED else 0.0,
        gap=chosen(GAPS, rng),
        letter_gap=rng.uniform(0.02, 0.2),
        space_gap=rng.uniform(0.95, 2.2),
        other_gap=(rng.uniform(0.1, 0.4), rng.uniform(0.4, 1.5)),
    )


class Writer:
    """Writes lines in one hand; see `training.writing.patterns` for the patterns.

    `row` and `symbols` are the ink and the text of the last one.
    """

    def __init__(
        self, glyphs: Glyphs, hand: Hand, rng: Generator, shapes: Shapes = MARKS
    ) -> None:
        self.shapes = shapes
        self.glyphs = glyphs
        self.hand = hand
        self.rng = rng
        self.digits: Iterator[int] = cycle(hand.digits.tolist())
        self.gap = hand.gap
        self.row = Row(DIGIT_HEIGHT)
        self.symbols = list[int]()

    def write(self, pattern: str) -> None:
        """Write a line."""
        self.row = Row(DIGIT_HEIGHT)
        self.symbols = []
        if " " in pattern:
            self.gap = [*GAPS][self.rng.integers(2)]
        for before, kind in zip(" " + pattern, pattern, strict=False):
            if kind == " ":
                continue
            mask, symbol, raised = self.sign(kind)
            gap = self.rng.uniform(*self.gap_between(before, kind))
            self.row.write(mask, gap, raised)
            self.add(symbol, is_apart=before == " ")

    def add(self, symbol: int, is_apart: bool = False) -> None:
        """Add a symbol, and a space before it, unless it is beside something else."""
        last = self.symbols[-1] if self.symbols else OTHER
        if is_apart and OTHER not in (last, symbol):
            self.symbols.append(SPACE_CLASS)
        if symbol != OTHER or self.symbols[-1:] != [OTHER]:
            self.symbols.append(symbol)

    def gap_between(self, before: str, kind: str) -> Span:
        """Return the gap between two signs."""
        if before == " ":
            return self.hand.space_gap, self.hand.space_gap + 0.4
        if kind == "l":
            return self.hand.letter_gap, self.hand.letter_gap + 0.1
        if before in OTHER_KINDS or kind in OTHER_KINDS:
            return self.hand.other_gap
        return self.gap if {before, kind} <= {*DIGIT_KINDS} else self.hand.mark_gap

    def sign(self, kind: str) -> Sign:
        """Draw a sign."""
        rng = self.rng
        if kind in OTHER_KINDS:
            return self.other(kind)
        if kind not in DIGIT_KINDS:
            raised = self.hand.point_raised if kind == "." else 0
            return self.stroke(kind, rng.uniform(-0.04, 0.04) + raised)
        is_small = kind in SMALL_KINDS
        index = self.next_digit(kind in ZERO_KINDS)
        label = int(self.glyphs.labels[index])
        if label == 1 and not is_small and rng.random() < self.hand.straight:
            return self.stroke("1", 0.0)
        height = rng.uniform(0.55, 0.85) if is_small else 1.0
        height *= 1 + rng.uniform(-self.hand.uneven, self.hand.uneven)
        raised = rng.uniform(-0.05, 0.05) + (height - 1) * rng.uniform(0.4, 1)
        return self.digit(index, height), label + 1, raised

    def next_digit(self, is_zero: bool) -> int:
        """Return the index of the next digit, or of any zero."""
        if is_zero:
            return int(self.rng.choice(np.flatnonzero(self.glyphs.labels == 0)))
        return next(self.digits)

    def digit(self, index: int, height: float) -> Map:
        """Draw a digit, `height` digit heights high, (h, w) in [0, 1]."""
        slant = self.hand.slant + self.rng.uniform(-0.06, 0.06)
        stretch = self.hand.stretch * self.rng.uniform(0.92, 1.08)
        return written(
            self.glyphs.strokes(index), height * DIGIT_HEIGHT, slant, stretch
        )

    def stroke(self, kind: str, raised: float) -> Sign:
        """Draw a mark, or a 1 as one stroke."""
        width = self.hand.pen_width * self.rng.uniform(0.8, 1.3)
        if kind in POINTS:
            width *= self.hand.pressed
        slant = max(0.0, self.hand.slant)
        mask, above = mark(kind, DIGIT_HEIGHT, width, slant, self.rng, self.shapes)
        return mask, class_of(kind), raised + above

    def other(self, kind: str) -> Sign:
        """Draw what is neither digit nor mark: a letter, a sign or any other thing."""
        while (ink := characters.crop(self.thing(kind))) is None:
            pass
        height = self.rng.uniform(*HEIGHTS.get(kind, OTHER_HEIGHTS))
        width = min(ink.shape[1] * height / len(ink), 3)
        size = (
            max(2, round(width * DIGIT_HEIGHT)),
            max(3, round(height * DIGIT_HEIGHT)),
        )
        symbol = class_of(kind) if kind in SIGN_KINDS else OTHER
        raised = -0.3 if kind == "=" else height - 1
        raised += self.rng.uniform(-0.1, 0.1)
        return resized(ink, size).clip(0, 1), symbol, raised

    def thing(self, kind: str) -> Map:
        """Draw a letter, a sign or any other thing on a canvas."""
        rng = self.rng
        if kind in SIGN_KINDS:
            return characters.look_alike(NOTHING, rng, kind)
        if kind == "*" and len(self.glyphs.others) and rng.random() < REAL:
            return omniglot.character(self.glyphs.others, rng)
        if kind in LETTER_KINDS or rng.random() < LETTER_SHARE:
            return characters.letter(NOTHING, rng, ALPHABET)
        return THINGS[rng.integers(len(THINGS))](NOTHING, rng)
