"""Write a line in one hand, sign by sign: digits, marks, letters and other things, and
what they say.

Its symbols are classes of the reader. What is no character of its alphabet is one
symbol, however long.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from app.picture.maps import Map
from training import line_text, omniglot
from training.alphabet import OTHER, SPACE, class_of
from training.characters import (
    invented_character,
    letter,
    look_alike,
    printed_lines,
    scribble,
)
from training.data import NOTHING, Digits
from training.drawing import resized
from training.non_digits import crop, shape, texture
from training.omniglot import Characters
from training.strokes import Digit, felt, pen, smaller
from training.writing import Row, Span, mark, written

# Share of the digits that are redrawn with a pen of their own, which takes 30 ms each.
OWN_PEN = 1 / 3
HEIGHT = 34.0  # of a digit in a line, in pixels
# Share of the lines that are in one hand: every second image of MNIST is by the same
# writer.
SAME_HAND = 0.7
NEARBY = 40  # digits by one writer from which those of a line are drawn
STRAIGHT = 0.5  # share of the 1s that are one straight stroke
# Share of the hands that raise decimal points, and by how many digit heights.
RAISED, RAISE = 0.25, (0.1, 0.55)
REAL = 0.45  # share of real characters among the other things, if there are any
LETTERS = 0.3  # share of letters among the rest of them
ALPHABET = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
)
SPACE_CLASS = class_of(SPACE)
# How close digits are: apart, close, touching, loose; and how often. In digit heights,
# as all gaps.
GAPS, GAP_SHARES = (
    ((0.1, 0.45), (0.0, 0.14), (-0.16, 0.05), (0.2, 0.6)),
    (0.32, 0.3, 0.25, 0.13),
)
MARK_GAP, SPACE_GAP = (0.03, 0.3), (0.95, 2.2)
SLANTS, SLANT_SHARES = ((-0.1, 0.1), (-0.15, 0.45), (0.2, 0.75)), (0.5, 0.35, 0.15)
Pen = Callable[[Digit], Map]  # redraws a digit
THINGS = invented_character, scribble, printed_lines, shape, texture


class Glyphs:
    """Digits to write with, and pictures (105, 105) of other characters, if any;
    `redraw` is one pen for all digits.
    """

    def __init__(
        self,
        digits: Digits,
        others: Characters,
        rng: Generator,
        redraw: Pen | None = None,
    ) -> None:
        self.labels: NDArray[np.int64] = digits.labels.numpy()
        self.others, self._rng, self._redraw = others, rng, redraw or self.redrawn
        self._images, self._strokes = digits.images.numpy(), dict[int, Map]()

    def redrawn(self, digit: Digit) -> Map:
        """Redraw a digit: some with a pen of their own, the others with MNIST's
        strokes.
        """
        is_own, width = self._rng.random() < OWN_PEN, 1 / self._rng.uniform(7, 26)
        return pen(digit, width) if is_own else felt(digit)

    def strokes(self, index: int) -> Map:
        """Return the strokes of a digit."""
        if index not in self._strokes:
            self._strokes[index] = smaller(self._redraw(self._images[index]))
        return self._strokes[index]


def chosen(spans: tuple[Span, ...], shares: tuple[float, ...], rng: Generator) -> Span:
    """Choose one of several spans."""
    return spans[int(rng.choice(len(spans), p=shares))]


class Writer:
    """Writes one line in one hand; see `training.line_text` for the patterns."""

    def __init__(self, glyphs: Glyphs, rng: Generator) -> None:
        self.glyphs, self.rng, self.row, self.symbols = (
            glyphs,
            rng,
            Row(HEIGHT),
            list[int](),
        )
        self.slant = rng.uniform(*chosen(SLANTS, SLANT_SHARES, rng))
        self.stretch, self.pen_width = rng.uniform((0.7, 0.05), (1.25, 0.13))
        first = int(rng.integers(len(glyphs.labels) - 2 * NEARBY))
        # In MNIST's order, 7 often follows 6.
        nearby = first + 2 * rng.permutation(NEARBY)
        self.digits = (
            nearby
            if rng.random() < SAME_HAND
            else rng.integers(len(glyphs.labels), size=NEARBY)
        )
        self.uneven, self.straight = rng.uniform(0.02, 0.14), STRAIGHT
        self.point_raised = rng.uniform(*RAISE) if rng.random() < RAISED else 0.0
        self.gap, self.letter_gap = (
            chosen(GAPS, GAP_SHARES, rng),
            rng.uniform(0.02, 0.2),
        )
        self.space_gap, self.beside = (
            rng.uniform(*SPACE_GAP),
            rng.uniform((0.1, 0.4), (0.4, 1.5)),
        )

    def write(self, pattern: str) -> None:
        """Write a line."""
        self.gap = GAPS[int(self.rng.integers(2))] if " " in pattern else self.gap
        for before, kind in zip(" " + pattern, pattern, strict=False):
            if kind != " ":
                mask, symbol, raised = self.sign(kind)
                self.row.write(
                    mask, self.rng.uniform(*self.gap_between(before, kind)), raised
                )
                self.add(symbol, is_apart=before == " ")

    def add(self, symbol: int, is_apart: bool = False) -> None:
        """Add to what the line says; a space too, unless it is beside something else."""
        last = self.symbols[-1] if self.symbols else OTHER
        if is_apart and OTHER not in (last, symbol):
            self.symbols.append(SPACE_CLASS)
        if symbol != OTHER or self.symbols[-1:] != [OTHER]:
            self.symbols.append(symbol)

    def gap_between(self, before: str, kind: str) -> Span:
        """Return the gap between two signs."""
        if before == " ":
            return self.space_gap, self.space_gap + 0.4
        if kind == "l":
            return self.letter_gap, self.letter_gap + 0.1
        if before in line_text.OTHERS or kind in line_text.OTHERS:
            return float(self.beside[0]), float(self.beside[1])
        return MARK_GAP if {before, kind} - {*line_text.DIGITS} else self.gap

    def sign(self, kind: str) -> tuple[Map, int, float]:
        """Draw a sign: its mask, its symbol, and by how many digit heights it is
        raised.
        """
        rng = self.rng
        if kind in line_text.OTHERS:
            return self.other(kind)
        if kind not in line_text.DIGITS:
            return self.stroke(
                kind,
                rng.uniform(-0.04, 0.04) + (self.point_raised if kind == "." else 0),
            )
        index = self.next_digit(kind in line_text.ZEROS)
        if (
            self.glyphs.labels[index] == 1
            and kind not in line_text.SMALL
            and rng.random() < self.straight
        ):
            return self.stroke("1", 0.0)
        height = rng.uniform(0.55, 0.85) if kind in line_text.SMALL else 1.0
        height *= 1 + rng.uniform(-self.uneven, self.uneven)
        raised = rng.uniform(-0.05, 0.05) + (height - 1) * rng.uniform(0.4, 1)
        return self.digit(index, height), int(self.glyphs.labels[index]) + 1, raised

    def next_digit(self, is_zero: bool) -> int:
        """Return the index of the next digit, or of any zero."""
        if is_zero:
            return int(self.rng.choice(np.flatnonzero(self.glyphs.labels == 0)))
        self.digits = np.roll(self.digits, -1)
        return int(self.digits[-1])

    def digit(self, index: int, height: float) -> Map:
        """Draw a digit, `height` digit heights high, (h, w) in [0, 1]."""
        slant, stretch = (
            self.slant + self.rng.uniform(-0.06, 0.06),
            self.stretch * self.rng.uniform(0.92, 1.08),
        )
        return written(self.glyphs.strokes(index), height * HEIGHT, slant, stretch)

    def stroke(self, kind: str, raised: float) -> tuple[Map, int, float]:
        """Draw a mark, or a 1 as one stroke."""
        width = self.pen_width * self.rng.uniform(0.8, 1.3)
        mask, above = mark(kind, HEIGHT, width, max(0.0, self.slant), self.rng)
        return mask, class_of(kind), raised + above

    def other(self, kind: str) -> tuple[Map, int, float]:
        """Draw what is neither digit nor mark: a letter, a sign or any other thing."""
        rng = self.rng
        while (ink := crop(self.thing(kind))) is None:
            pass
        height = rng.uniform(
            *{"l": (0.55, 0.75), "=": (0.25, 0.5)}.get(kind, (0.6, 1.15))
        )
        width = min(ink.shape[1] * height / len(ink), 3)
        mask = resized(
            ink, (max(2, round(width * HEIGHT)), max(3, round(height * HEIGHT)))
        ).clip(0, 1)
        symbol = class_of(kind) if kind in line_text.SIGNS else OTHER
        return (
            mask,
            symbol,
            (-0.3 if kind == "=" else height - 1) + rng.uniform(-0.1, 0.1),
        )

    def thing(self, kind: str) -> Map:
        """Draw a letter, a sign or any other thing on a canvas."""
        if kind in line_text.SIGNS:
            return look_alike(NOTHING, self.rng, kind)
        if kind == "*" and len(self.glyphs.others) and self.rng.random() < REAL:
            return omniglot.character(self.glyphs.others, self.rng)
        if kind in line_text.LETTERS or self.rng.random() < LETTERS:
            return letter(NOTHING, self.rng, ALPHABET)
        return THINGS[int(self.rng.integers(len(THINGS)))](NOTHING, self.rng)
