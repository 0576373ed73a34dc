"""Picture bytes or strips → text: what is written in a picture, line by line.

The line network reads the strips of each proposal. The proposal for which most speaks is the answer.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.ctc import aligned, best_symbols
from app.inference.lines import CHARACTERS, CLASSES, OTHER, LineNetwork
from app.inference.search import STRIPS, find
from app.inference.stage import Stage
from app.inference.thresholds import MAX_DIGITS, MAX_PIXELS
from app.inference.transcript import DIGITS, MARKS, Transcript
from app.preprocess.errors import TooMuchWriting
from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.maps import Box, Map
from app.preprocess.strips import Proposal

SURE = 0.9  # confidence from which a text needs no close look
Reading = tuple[Transcript, ...]  # of a proposal: a transcript for each of its lines


class ImpossibleLength(Exception):
    """No reading of the picture has the requested number of digits."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The picture cannot be read with a length of {length}: leave the length out, or correct it.")


class Digit(NamedTuple):
    """A digit in a text.

    Attributes
    ----------
    box : Box
        Its bounding box, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit.
    legibility : float
        Probability that it is a digit or a mark, not something else.
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1: its ink, scaled and centred as for the dense network.
    """

    box: Box
    probabilities: NDArray[np.float32]
    legibility: float
    frame: Map

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


class Mark(NamedTuple):
    """A mark in a text, one of . , - / and :, and its bounding box in pixels of the upright picture."""

    mark: str
    box: Box


class TextLine(NamedTuple):
    """A line of a text: as written, the probability of that, its box, and its digits and marks, at least one."""

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]
    marks: tuple[Mark, ...]


class Text(NamedTuple):
    """What is written in a picture.

    Attributes
    ----------
    lines : tuple of TextLine
        Its lines from top to bottom, if any.
    confidence : float
        Probability of the whole text.
    stages : tuple of Stage
        The timed stages, as of `Reading`.
    """

    lines: tuple[TextLine, ...]
    confidence: float
    stages: tuple[Stage, ...] = ()

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(line.text for line in self.lines)

    @property
    def is_sure(self) -> bool:
        """Whether a close look is unlikely to find a better text."""
        return bool(self.lines) and self.confidence >= SURE

    def digits_only(self) -> "Text":
        """Return the text without marks and spaces, and without the lines that have no digits."""
        lines = tuple(
            line._replace(text="".join(str(digit.digit) for digit in line.digits), marks=())
            for line in self.lines
            if line.digits
        )
        return self._replace(lines=lines)


def read_text_bytes(data: bytes, network: LineNetwork, max_pixels: int = MAX_PIXELS, length: int | None = None) -> Text:
    """Read what is written in one picture, with exactly `length` digits if given.

    Raises PreprocessError, or ImpossibleLength.
    """
    text = text_of(find(data, max_pixels, STRIPS, closely=False).results, network, length)
    if not text.is_sure:
        text = text_of(find(data, max_pixels, STRIPS, closely=True).results, network, length)
    return checked(text, length)


def checked(text: Text, length: int | None) -> Text:
    """Return the text; raise ImpossibleLength if a length was requested and no reading has it."""
    if length is not None and not text.lines:
        raise ImpossibleLength(length)
    return text


def text_of(proposals: Sequence[Proposal], network: LineNetwork, length: int | None = None) -> Text:
    """Read the text of a picture.

    Parameters
    ----------
    proposals : sequence of Proposal
        The proposals for its lines.
    network : LineNetwork
        The network.
    length : int, optional
        Number of digits, if known.

    Returns
    -------
    Text
        Without lines if nothing is written there, or if no reading has `length` digits.

    Raises
    ------
    TooMuchWriting
        In all proposals, a line has more than MAX_DIGITS digits.
    """
    found = list(filter(None, (reading_of(proposal, network, length) for proposal in proposals)))
    few = [one for one in found if all(sum(s in DIGITS for s in line.symbols) <= MAX_DIGITS for line in one)]
    if found and not few:
        raise TooMuchWriting
    best = max(few, key=score, default=())
    if length is None and score(best) <= 0:
        best = tuple(line._replace(symbols=(), spans=[]) for line in best)
    confidence = math.prod(line.confidence for line in best)
    return Text(tuple(line_of(line) for line in best if line.text), confidence)


def reading_of(proposal: Proposal, network: LineNetwork, length: int | None) -> Reading:
    """Return the most probable reading of a proposal, with exactly `length` digits if given; () if there is none.

    All lines are decoded together, each with a last column of a class of its own.
    """
    outputs = [network(strip.pixels) for strip in proposal]
    end = np.eye(1, CLASSES + 1, CLASSES)
    columns = np.concatenate([part for output in outputs for part in (np.pad(output, ((0, 0), (0, 1))), end)])
    symbols = best_symbols(columns) if length is None else best_symbols(columns, DIGITS, length)
    ends = [index for index, symbol in enumerate(symbols) if symbol == CLASSES]
    lines = [symbols[before + 1 : after] for before, after in pairwise([-1, *ends])]
    parts = zip(proposal, outputs, lines, strict=bool(symbols))
    return tuple(Transcript(strip, output, line, aligned(output, line)[1]) for strip, output, line in parts)


def score(reading: Reading) -> float:
    """Return how much speaks for a reading; the proposal with the highest score is chosen. See `Transcript.score`."""
    return sum(line.score for line in reading)


def line_of(line: Transcript) -> TextLine:
    """Convert a line that has digits or marks."""
    digits: list[Digit] = []
    marks: list[Mark] = []
    for index, (place, ink) in enumerate(line.places()):
        symbol, box = line.symbols[index], line.strip.box(*place)
        if symbol in DIGITS:
            legibility = 1 - float(line.columns(index)[:, OTHER].min())
            digits.append(Digit(box, line.shares(index), legibility, frame_of(ink)))
        elif symbol in MARKS:
            marks.append(Mark(CHARACTERS[symbol - 1], box))
    around = Box.around(np.array([*(digit.box for digit in digits), *(mark.box for mark in marks)]))
    return TextLine(line.text, line.confidence, around, tuple(digits), tuple(marks))


def frame_of(ink: Map) -> Map:
    """Return the frame of a digit's ink, an empty one if there is none."""
    return frame_from_ink(ink) if ink.any() else np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
