"""Picture bytes or layouts → text: all digits in a picture, line by line.

The segments of each layout are classified in one batch. The best path through each layout proposes a text, and the
empty text is always proposed unless a length is given. The text with the highest probability, summed over all paths
through all layouts, is the answer. If it is in doubt, a reading of the same ink as one digit replaces it.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.classifier import Classes, Classifier
from app.inference.lattice import Lattice, best_path, joined, lattice_of, log_total
from app.inference.reading import Reading, read_bytes
from app.inference.search import LAYOUTS, find
from app.inference.stage import Stage
from app.inference.thresholds import LEGIBLE, MAX_DIGITS, MAX_PIXELS
from app.preprocess.errors import PreprocessError, TooComplex, TooMuchWriting
from app.preprocess.layouts import Layout
from app.preprocess.maps import Box, Map
from app.preprocess.segments import Segments

SURE_PER_DIGIT = 0.96  # a text needs no close look if its confidence is at least this for each digit
# A text is in doubt below these probabilities: that there is no digit; that there is the one read, or that there are
# several. Chosen on numbers made from validation digits, and on bhmsds and Omniglot; see docs/experiments.md.
NO_DIGIT, DOUBT = 0.7, 0.9
COVERED = 0.75  # share of a text's box that the box of a single digit has to cover to replace the text
TOO_MUCH = TooComplex, TooMuchWriting  # if a close look raises one of these, the result of the glance is the answer


class ImpossibleLength(Exception):
    """No reading of the picture has the requested number of digits."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The picture cannot be read with a length of {length}: leave the length out, or correct it.")


class Digit(NamedTuple):
    """A digit in a text.

    Attributes
    ----------
    frame : Map
        (28, 28) float32 in [0, 1], ink = 1: the network's input.
    box : Box
        Its bounding box, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit.
    legibility : float
        Probability that the frame shows one whole digit.
    """

    frame: Map
    box: Box
    probabilities: NDArray[np.float32]
    legibility: float

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


class TextLine(NamedTuple):
    """A line of a text: its digits from left to right, at least one, and the probability of this reading of it."""

    digits: tuple[Digit, ...]
    confidence: float

    @property
    def text(self) -> str:
        """The digits as a string."""
        return "".join(str(digit.digit) for digit in self.digits)

    @property
    def box(self) -> Box:
        """The bounding box of the digits."""
        return Box.around(np.array([digit.box for digit in self.digits]))


class Text(NamedTuple):
    """All digits in a picture.

    Attributes
    ----------
    lines : tuple of TextLine
        Its lines from top to bottom, if any.
    confidence : float
        Probability of the whole text.
    stages : tuple of Stage
        The timed stages, as of `Reading`.
    is_in_doubt : bool
        Whether a reading of the same ink as one digit, or as none, is more likely to be right.
    """

    lines: tuple[TextLine, ...]
    confidence: float
    stages: tuple[Stage, ...] = ()
    is_in_doubt: bool = False

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(line.text for line in self.lines)

    @property
    def box(self) -> Box:
        """The bounding box of the lines, if there are any."""
        return Box.around(np.array([line.box for line in self.lines]))

    @property
    def is_sure(self) -> bool:
        """Whether a close look is unlikely to find a better text."""
        digits = sum(len(line.digits) for line in self.lines)
        return digits > 0 and self.confidence >= SURE_PER_DIGIT**digits


def read_text_bytes(
    data: bytes, classifier: Classifier, max_pixels: int = MAX_PIXELS, length: int | None = None
) -> Text:
    """Read all digits in one picture, or exactly `length`; raises PreprocessError, or ImpossibleLength."""
    text = text_of(find(data, max_pixels, LAYOUTS, closely=False).results, classifier, length)
    if not text.is_sure:
        with suppress(*(TOO_MUCH if text.lines else ())):
            text = text_of(find(data, max_pixels, LAYOUTS, closely=True).results, classifier, length)
    if text.is_in_doubt:
        with suppress(PreprocessError):
            text = text_or_digit(text, read_bytes(data, classifier, max_pixels))
    return checked(text, length)


def text_or_digit(text: Text, reading: Reading) -> Text:
    """Return a text in doubt, or the digit of a reading instead if it covers the text: none if it is not legible."""
    if text.lines and reading.box.share_of(text.box) < COVERED:
        return text
    if reading.legibility < LEGIBLE:
        return Text((), 1 - reading.legibility)
    digit = Digit(reading.frame, reading.box, reading.probabilities, reading.legibility)
    confidence = reading.legibility * float(reading.probabilities.max())
    return Text((TextLine((digit,), confidence),), confidence)


def checked(text: Text, length: int | None) -> Text:
    """Return the text; raise ImpossibleLength if a length was requested and no reading has it."""
    if length is not None and not text.lines:
        raise ImpossibleLength(length)
    return text


def text_of(layouts: Sequence[Layout], classifier: Classifier, length: int | None = None) -> Text:
    """Read the text of a picture.

    Parameters
    ----------
    layouts : sequence of Layout
        The layouts of the picture.
    classifier : Classifier
        The network.
    length : int, optional
        Number of digits, if known.

    Returns
    -------
    Text
        Without lines if there are no digits, or if no reading has `length` digits.

    Raises
    ------
    TooMuchWriting
        A line has more than MAX_DIGITS digits.
    """
    proposals = [proposal_of(layout, classifier, length) for layout in layouts]
    texts = {proposal.text for proposal in proposals if proposal.score > -math.inf}
    if not texts:
        return Text((), 1.0)
    if length is None:
        texts.add(())
    totals = {text: log_sum(proposals, text) for text in texts}
    text, total = max(totals, key=totals.__getitem__), log_sum(proposals, length)
    confidence = min(1.0, math.exp(totals[text] - total))
    if not text:
        return Text((), confidence, is_in_doubt=confidence < NO_DIGIT)
    matching = [proposal for proposal in proposals if proposal.text == text]
    lines = text_lines(max(matching, key=lambda proposal: proposal.score))
    if max(len(line.digits) for line in lines) > MAX_DIGITS:
        raise TooMuchWriting
    is_in_doubt = length is None and confidence < DOUBT
    if is_in_doubt and len(text) > 1:
        few = np.logaddexp(totals[()], log_sum(proposals, 1))
        is_in_doubt = 1 - math.exp(few - total) < DOUBT
    return Text(lines, confidence, is_in_doubt=is_in_doubt)


class Proposal(NamedTuple):
    """The best path through a layout.

    Attributes
    ----------
    layout : Layout
        The layout.
    classes : list of Classes
        Output of the network for the segments of each line.
    lattices : list of Lattice
        The lattice of each line.
    whole : Lattice
        The lattices of all lines, joined.
    score : float
        The score of the path; minus infinity if there is none.
    path : list of int
        The indices of the segments, counted over all lines.
    """

    layout: Layout
    classes: list[Classes]
    lattices: list[Lattice]
    whole: Lattice
    score: float
    path: list[int]

    @property
    def text(self) -> tuple[int, ...]:
        """The digits, without line breaks."""
        return tuple(self.whole.labels[self.path].argmax(axis=1).tolist())


def proposal_of(layout: Layout, classifier: Classifier, length: int | None) -> Proposal:
    """Find the best path through a layout, with any number of digits or exactly `length`."""
    classes = classify(layout, classifier)
    lattices = [lattice_of(line, output) for line, output in zip(layout, classes, strict=True)]
    whole = joined(lattices)
    score, path = best_path(whole, length)
    return Proposal(layout, classes, lattices, whole, score, path)


def log_sum(proposals: Sequence[Proposal], text: Sequence[int] | int | None) -> float:
    """Return the log of the summed exponential scores of all paths through all layouts; see `lattice.log_total`."""
    return float(np.logaddexp.reduce([log_total(proposal.whole, text) for proposal in proposals]))


def classify(layout: Layout, classifier: Classifier) -> list[Classes]:
    """Classify all segments of a layout in one batch; return the network's output for each line."""
    frames = np.concatenate([line.frames for line in layout])
    return classifier(frames).split(len(line.frames) for line in layout)


def text_lines(proposal: Proposal) -> tuple[TextLine, ...]:
    """Return the lines of a proposal that have digits."""
    lines, start = [], 0
    for segments, classes, lattice in zip(proposal.layout, proposal.classes, proposal.lattices, strict=True):
        own = [segment - start for segment in proposal.path if 0 <= segment - start < len(segments.frames)]
        start += len(segments.frames)
        if own:
            digits = tuple(digit_of(segments, classes, segment) for segment in own)
            confidence = log_total(lattice, [digit.digit for digit in digits]) - log_total(lattice)
            lines.append(TextLine(digits, min(1.0, math.exp(confidence))))
    return tuple(lines)


def digit_of(segments: Segments, classes: Classes, index: int) -> Digit:
    """Convert a segment to a digit."""
    box, legibility = Box(*segments.boxes[index].tolist()), float(classes.legibility[index])
    return Digit(segments.frames[index], box, classes.probabilities[index], legibility)
