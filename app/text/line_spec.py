"""What a line network's file says of it: sizes, and what its classes stand for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_type_hints

from app.network import log_odds_of
from app.text.ctc import BLANK, Probabilities
from app.text.formats import DIGITS


@dataclass(frozen=True)
class LineSpec:
    """What the file of a line network says; the names are those of its file's metadata.

    Attributes
    ----------
    height : int
        Height of its strips, in pixels.
    stride : int
        Pixels of a strip for each column of its output.
    padding : int
        Strips are padded to widths that are multiples of this many pixels.
    delay : float
        How far a symbol's column lies behind its middle on average, in columns.
    least_contrast : float
        Grey levels, of 255, that count as full ink in a strip with less contrast.
    characters : str
        The characters of its classes; before them comes the blank, after them something
        else.
    marks, space : str
        Which of them are marks, and the one that stands for a gap; they are read unless
        others are requested.
    threshold : float
        The square of the probability from which a symbol counts for a reading.
    other_weight : float
        By which the probability of something else is multiplied. It is the sum of many
        characters, of which some share a stroke with a digit.
    confidence_scale, confidence_offset : float
        Slope and offset of a text's log-odds: they make its probability a calibrated
        confidence.
    """

    height: int
    stride: int
    padding: int
    delay: float
    least_contrast: float
    characters: str
    marks: str
    space: str
    threshold: float
    other_weight: float
    confidence_scale: float
    confidence_offset: float

    @classmethod
    def of(cls, height: int, metadata: Mapping[str, str]) -> "LineSpec":
        """Read the metadata of a file.

        Raises KeyError if something is missing, and ValueError if it is wrong.
        """
        said = {**metadata, "height": height}
        types = get_type_hints(cls)
        spec = cls(**{name: types[name](said[name]) for name in types})
        read = DIGITS + spec.marks + spec.space
        if (
            not is_set(spec.characters)
            or not is_set(read)
            or not {*read} <= {*spec.characters}
            or len(spec.space) != 1
        ):
            raise ValueError(
                f"characters {spec.characters!r}, marks {spec.marks!r}, space "
                f"{spec.space!r}"
            )
        sizes = spec.stride, spec.padding, spec.least_contrast
        are_sizes = all(0 < size < math.inf for size in sizes)
        if not (are_sizes and math.isfinite(spec.delay)):
            raise ValueError("sizes")
        if not 0 <= spec.threshold < 1:
            raise ValueError(f"threshold {spec.threshold}")
        if not 0 < spec.other_weight < math.inf:
            raise ValueError(f"other_weight {spec.other_weight}")
        is_scale = 0 < spec.confidence_scale < math.inf
        if not (is_scale and math.isfinite(spec.confidence_offset)):
            raise ValueError("calibration")
        return spec

    @property
    def other(self) -> int:
        """The class of something else."""
        return len(self.characters) + 1

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.characters) + 2

    @property
    def gap(self) -> int:
        """The class of a gap."""
        return self.class_of(self.space)

    @cached_property
    def digits(self) -> list[int]:
        """The classes of the digits 0 to 9."""
        return [*map(self.class_of, DIGITS)]

    @property
    def signs(self) -> str:
        """All characters that can be requested: all but the gap."""
        return self.characters.replace(self.space, "")

    def class_of(self, character: str) -> int:
        """Return the class of a character."""
        return self.characters.index(character) + 1

    def spelled(self, symbols: Sequence[int]) -> str:
        """Return the characters that classes stand for."""
        return "".join(self.characters[symbol - 1] for symbol in symbols)

    def is_sign(self, symbol: int) -> bool:
        """Return whether a class is a digit, a mark or another sign."""
        return symbol not in (BLANK, self.gap, self.other)

    def calibrated(self, probability: float) -> float:
        """Return the confidence of a text, given its probability (Platt 1999)."""
        odds = self.confidence_scale * log_odds_of(probability) + self.confidence_offset
        return 1 / (1 + math.exp(-odds))

    def weighed(self, output: Probabilities) -> Probabilities:
        """Multiply the probabilities (T, C) of something else by its weight."""
        columns = output.copy()
        columns[:, self.other] *= self.other_weight
        columns /= columns.sum(axis=1, keepdims=True)
        return columns

    def only(self, output: Probabilities, characters: str) -> Probabilities:
        """Count all characters but these and the gap as something else, in (T, C)."""
        kept = characters + self.space
        others = [each for each in self.characters if each not in kept]
        return moved(output, [*map(self.class_of, others)], self.other)


def is_set(characters: str) -> bool:
    """Return whether no character occurs twice."""
    return len({*characters}) == len(characters)


def moved(output: Probabilities, sources: list[int], target: int) -> Probabilities:
    """Add the probabilities (T, C) of some classes to another, and set theirs to 0."""
    columns = output.copy()
    columns[:, target] += columns[:, sources].sum(axis=1)
    columns[:, sources] = 0
    return columns
