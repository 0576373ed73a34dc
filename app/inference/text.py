"""Picture bytes or strips → text: what is written in a picture, line by line.

The line network reads one proposal after the other, until it is sure. The one for which most speaks is the answer.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.ctc import BLANK, TINY, best_path, best_path_with, spans_of
from app.inference.lines import LineNetwork
from app.inference.stage import Stage, Stopwatch
from app.inference.transcript import Transcript
from app.preprocess.decode import decode_image, open_image
from app.preprocess.errors import MAX_DIGITS, TooMuchWriting
from app.preprocess.formats import MAX_PIXELS
from app.preprocess.frame import FRAME_SIDE, frame_from_ink
from app.preprocess.maps import Box, Map
from app.preprocess.shown import Shown, shown
from app.preprocess.strips import Proposal, proposals, strip_side

LINE = 0.5  # cost of a further line, in symbols
PAGE = 5  # lines from which their digits are too small to be seen in one strip of the whole picture
LEAST_WEIGHT = 0.5  # of a text in one direction, if there is too much writing in another
SURE = 0.95  # probability of a text from which no further proposal is read
Hypothesis = tuple[Transcript, ...]  # to read a proposal: a transcript for each of its lines


class ImpossibleLength(Exception):
    """No reading of the picture has the requested number of digits."""


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
    ink : Map
        (h, w) float32 in [0, 1]: its ink, cropped to the box, in pixels of the strip.
    """

    box: Box
    probabilities: NDArray[np.float32]
    legibility: float
    ink: Map

    @property
    def frame(self) -> Map:
        """The ink, scaled and centred as for the dense network: (28, 28) float32 in [0, 1]; empty without ink."""
        return frame_from_ink(self.ink) if self.ink.any() else np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


class Mark(NamedTuple):
    """A mark or another sign in a text, and its bounding box in pixels of the upright picture."""

    mark: str
    box: Box


class TextLine(NamedTuple):
    """A line of a text.

    Attributes
    ----------
    text : str
        As written.
    confidence : float
        The probability of that.
    box : Box
        Its bounding box, in pixels of the upright picture.
    digits, marks : tuple
        What it consists of, at least one of both.
    alternatives : tuple
        The most probable other texts with their probabilities, if requested.
    """

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]
    marks: tuple[Mark, ...]
    alternatives: tuple[tuple[str, float], ...] = ()


class Text(NamedTuple):
    """What is written in a picture.

    Attributes
    ----------
    lines : tuple of TextLine
        Its lines from top to bottom, if any.
    confidence : float
        Probability of the whole text.
    turn : int
        By how many degrees the picture was turned, counter-clockwise, to read it: 0, 90, 180 or 270. Boxes are in
        pixels of the turned picture.
    picture : Shown or None
        The turned picture, if requested.
    stages : tuple of Stage
        The timed stages, as of `Reading`.
    """

    lines: tuple[TextLine, ...]
    confidence: float
    turn: int = 0
    picture: Shown | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(line.text for line in self.lines)

    @property
    def weight(self) -> float:
        """The number of digits and marks, multiplied by the confidence."""
        return self.confidence * sum(len(line.digits) + len(line.marks) for line in self.lines)

    def digits_only(self) -> "Text":
        """Return the text without marks and spaces, and without the lines that have no digits."""
        lines = tuple(
            line._replace(text="".join(str(digit.digit) for digit in line.digits), marks=())
            for line in self.lines
            if line.digits
        )
        return self._replace(lines=lines)


def read_text(
    data: bytes,
    network: LineNetwork,
    max_pixels: int = MAX_PIXELS,
    length: int | None = None,
    page: int | None = None,
    turns: Sequence[int] = (0,),
    alternatives: int = 0,
    characters: str | None = None,
    with_picture: bool = False,
) -> Text:
    """Read what is written in one picture.

    Parameters
    ----------
    data : bytes
        A picture file.
    network : LineNetwork
        The line network.
    max_pixels, page
        As for `open_image`.
    length : int, optional
        Number of digits, if known.
    turns : sequence of int
        By how many degrees the picture may have to be turned, counter-clockwise. The answer is the text with the
        highest confidence, multiplied by its number of digits and marks.
    alternatives : int
        Number of other texts to return for each line.
    characters : str, optional
        The digits and signs that may stand in the text, of `Form.signs`; by default digits and marks.
    with_picture : bool
        Whether to return the picture, turned as it was read.

    Raises
    ------
    PreprocessError
    ImpossibleLength
        A length is given, and no reading has it.
    """
    watch = Stopwatch()
    image = open_image(data, max_pixels, page=page)
    picture = decode_image(image, strip_side(image.size))
    watch.end("decode")
    texts, is_too_much = [], False
    for turn in turns:
        try:
            found = proposals(picture.turned(turn), network.form.height)
            texts.append(text_of(found, network, length, alternatives, characters)._replace(turn=turn))
            watch.end("inference")
        except TooMuchWriting:  # perhaps not in another direction
            is_too_much = True
    text = max(texts, key=lambda text: text.weight, default=Text((), 0.0))
    if is_too_much and text.weight < LEAST_WEIGHT:
        raise TooMuchWriting
    if length is not None and not text.lines:
        raise ImpossibleLength(
            f"The picture cannot be read with a length of {length}: leave the length out, or correct it."
        )
    if with_picture:
        turned = picture.turned(text.turn)
        text = text._replace(picture=shown(image, turned.width, turned.height, text.turn))
        watch.end("decode")
    return text._replace(stages=tuple(watch.stages))


def text_of(
    proposals: Iterable[Proposal],
    network: LineNetwork,
    length: int | None = None,
    alternatives: int = 0,
    characters: str | None = None,
) -> Text:
    """Read the text of a picture.

    Parameters
    ----------
    proposals : iterable of Proposal
        The proposals for its lines. Once the network is sure, no further one is made.
    network : LineNetwork
        The network.
    length, alternatives, characters
        As in `read_text`.

    Returns
    -------
    Text
        Without lines if nothing is written there, or if no reading has `length` digits.

    Raises
    ------
    TooMuchWriting
        There is too much writing for proposals, or in a line more than MAX_DIGITS digits, and nothing else is read.
    """
    found = hypotheses_of(proposals, network, length, characters)
    best = max(found, key=score, default=())
    agreed = agreement(best, found)
    lines = tuple(line_of(line, alternatives, agreed) for line in best if line.signs)
    return Text(lines, network.form.calibrated(agreed * certainty(best)))


def hypotheses_of(
    proposals: Iterable[Proposal], network: LineNetwork, length: int | None, characters: str | None
) -> list[Hypothesis]:
    """Read proposals until the network is sure; raise TooMuchWriting if there is too much, and nothing else is read."""
    found = list[Hypothesis]()
    is_too_much = False
    try:
        for proposal in proposals:
            hypothesis = hypothesis_of(proposal, network, length, characters)
            if any(digits_in(line) > MAX_DIGITS for line in hypothesis):
                is_too_much = True
            elif hypothesis:
                found.append(hypothesis)
                if is_sure(hypothesis):
                    break
    except TooMuchWriting:
        is_too_much = True
    if is_too_much and not any(map(signs_in, found)):
        raise TooMuchWriting
    return found


def hypothesis_of(
    proposal: Proposal, network: LineNetwork, length: int | None = None, characters: str | None = None
) -> Hypothesis:
    """Return the most probable way to read a proposal, with exactly `length` digits if given; () if there is none."""
    form = network.form
    outputs = [form.only(network(strip.pixels), characters) for strip in proposal]
    blank = np.eye(1, form.classes, BLANK)
    columns = np.concatenate([part for output in outputs for part in (output, blank)])  # a blank between lines
    path = best_path(columns) if length is None else best_path_with(columns, form.digits, length)
    ends = accumulate((len(output) + 1 for output in outputs), initial=0)
    paths = [path[begin : end - 1] for begin, end in pairwise(ends)] if path else []
    parts = zip(proposal, outputs, paths, strict=bool(path))
    lines = [Transcript(strip, output, form, spans_of(own)) for strip, output, own in parts]
    if length is not None:
        return tuple(lines)
    if characters is None:
        lines = [line.without_marks_of_words() for line in lines]
    return tuple(line if line.score > 0 else replace(line, spans=[]) for line in lines)


def digits_in(line: Transcript) -> int:
    """Count the digits in a line."""
    return sum(symbol in line.form.digits for symbol, _, _ in line.spans)


def is_sure(hypothesis: Hypothesis) -> bool:
    """Return whether further proposals are unlikely to be better."""
    return any(line.signs for line in hypothesis) and certainty(hypothesis) >= SURE


def score(hypothesis: Hypothesis) -> float:
    """Return how much speaks for a hypothesis; the one with the highest score is chosen.

    It is the sum of its lines' scores. Each further line costs LINE: the parts of a digit, one above the other, may
    look like two.
    """
    scores = [line.score for line in hypothesis if line.signs]
    return sum(scores) - LINE * (len(scores) - 1) if scores else 0.0


def certainty(hypothesis: Hypothesis) -> float:
    """Return the probability that what a hypothesis reads is written."""
    return math.prod(line.confidence for line in hypothesis)


def agreement(best: Hypothesis, found: Sequence[Hypothesis]) -> float:
    """Return the share of what speaks for all hypotheses that speaks for what the best one reads: 1 if none differs."""
    if not signs_in(best):
        return emptiness(found)
    others = sum(max(0.0, score(each)) for each in found if signs_in(each) != signs_in(best))
    return score(best) / (score(best) + others) if others else 1.0


def emptiness(found: Sequence[Hypothesis]) -> float:
    """Return the probability that the least certain line is empty: of those with signs, and those of the first page."""
    page = next((each for each in found if len(each) >= PAGE), ())
    seen = [1 - line.confidence for each in found for line in each if line.signs]
    return min([*seen, *(line.confidence for line in page if not line.signs)], default=1.0)


def signs_in(hypothesis: Hypothesis) -> list[list[int]]:
    """Return the digits and marks in each line that has some."""
    return [line.signs for line in hypothesis if line.signs]


def line_of(line: Transcript, alternatives: int, agreed: float) -> TextLine:
    """Convert a line that has digits or marks."""
    form = line.form
    digits: list[Digit] = []
    marks: list[Mark] = []
    places = line.places()
    for (place, ink), (symbol, first, last) in zip(places, line.spans, strict=True):
        box, columns = line.strip.box(*place), line.output[first : last + 1]
        if symbol in form.digits:
            shares = np.exp(np.log(np.maximum(columns[:, form.digits], TINY)).mean(axis=0))
            digits.append(Digit(box, shares / shares.sum(), 1 - float(columns[:, form.other].min()), ink))
        elif form.is_sign(symbol):
            marks.append(Mark(form.characters[symbol - 1], box))
    around = Box.around(np.array([*(digit.box for digit in digits), *(mark.box for mark in marks)]))
    text = line.text([place for place, _ in places])
    probability = agreed * line.confidence
    confidence = form.calibrated(probability)
    left = (1 - confidence) / max(1 - probability, TINY)  # what the alternatives share
    others = tuple((other, min(1.0, left * share)) for other, share in line.alternatives(alternatives))
    return TextLine(text, confidence, around, tuple(digits), tuple(marks), others)
