"""Picture bytes → text: what is written in a picture, line by line.

First the line network reads the whole picture as one line. Where it is not sure, the
network for pages finds the lines, and the line network reads each of them. What most
speaks for is the answer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np

from app.picture.budget import UNLIMITED, Budget
from app.picture.decode import Picture, decode_image, open_image
from app.picture.errors import TooMuchWriting
from app.picture.frame import FRAME_SIDE, frame_from_ink
from app.picture.maps import Box, Map
from app.picture.shown import Shown, shown
from app.stage import Stage
from app.text.ctc import TINY, Probabilities, Span
from app.text.field import ANYTHING, Field
from app.text.hypotheses import Hypothesis, LineReader, Row, agreement, best_of, upright
from app.text.line_network import LineNetwork
from app.text.line_spec import LineSpec
from app.text.pages import PageNetwork
from app.text.strips import PAGE_PIXELS, side_of
from app.text.table import Word, table_of
from app.text.transcript import Transcript

# Degrees by which a picture may have to be turned.
TURNS = {"none": (0,), "auto": (0, 90, 180, 270)}


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
    probabilities: Probabilities
    legibility: float
    ink: Map

    @property
    def frame(self) -> Map:
        """The ink as the dense network sees it: (28, 28) float32 in [0, 1]."""
        if not self.ink.any():
            return np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
        return frame_from_ink(self.ink)

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


class Mark(NamedTuple):
    """A mark or another sign, and its box in pixels of the upright picture."""

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
    alternatives : tuple or None
        The most probable other texts with their probabilities, if requested.
    has_form : bool or None
        Whether it has the form of its field, if that has one.
    value : str or None
        What it means in that form; several values are separated by spaces.
    """

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]
    marks: tuple[Mark, ...]
    alternatives: tuple[tuple[str, float], ...] | None = None
    has_form: bool | None = None
    value: str | None = None


class Text(NamedTuple):
    """What is written in a picture.

    Attributes
    ----------
    lines : tuple of TextLine
        Its lines from top to bottom, if any.
    confidence : float
        Probability of the whole text.
    table : tuple of tuple of str
        Rows of cells, if the numbers stand in a grid; "" where a cell is empty.
    turn : int
        By how many degrees the picture was turned, counter-clockwise, to read it: 0,
        90, 180 or 270. Boxes are in pixels of the turned picture.
    picture : Shown or None
        The turned picture, if requested.
    stages : tuple of Stage
        The timed stages, as of `Reading`.
    """

    lines: tuple[TextLine, ...]
    confidence: float
    table: tuple[tuple[str, ...], ...] = ()
    turn: int = 0
    picture: Shown | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(line.text for line in self.lines)

    @property
    def has_form(self) -> bool | None:
        """Whether all lines have the form of the field; None if it has none."""
        forms = [line.has_form for line in self.lines]
        return None if None in forms else all(forms)

    @property
    def value(self) -> str | None:
        """What the lines mean in that form, joined by newlines, if all have it."""
        if not (self.lines and self.has_form):
            return None
        return "\n".join(line.value or "" for line in self.lines)

    def digits_only(self) -> "Text":
        """Return the text without marks, spaces, and lines and rows without digits."""
        lines = []
        for line in self.lines:
            text = "".join(str(digit.digit) for digit in line.digits)
            if text:
                lines.append(line._replace(text=text, marks=()))
        table = []
        for row in self.table:
            cells = tuple("".join(filter(str.isdigit, cell)) for cell in row)
            if any(cells):
                table.append(cells)
        return self._replace(lines=tuple(lines), table=tuple(table))


@dataclass(frozen=True)
class TextOptions:
    """How to read a text.

    Attributes
    ----------
    field : Field
        What may be written.
    page : int, optional
        Which page of a TIFF or PDF, as for `open_image`.
    turns : tuple of int
        By how many degrees the picture may have to be turned, counter-clockwise. The
        first one is the answer unless clearly more speaks for another.
    alternatives : int
        Number of other texts to return for each line.
    with_picture : bool
        Whether to return the picture, turned as it was read.
    """

    field: Field = ANYTHING
    page: int | None = None
    turns: tuple[int, ...] = (0,)
    alternatives: int = 0
    with_picture: bool = False


AS_WRITTEN = TextOptions()


def read_text(
    data: bytes,
    network: LineNetwork,
    pages: PageNetwork | None = None,
    options: TextOptions = AS_WRITTEN,
    budget: Budget = UNLIMITED,
) -> Text:
    """Read what is written in one picture.

    Parameters
    ----------
    data : bytes
        A picture file.
    network : LineNetwork
        The line network.
    pages : PageNetwork, optional
        The network that finds the lines of a page. Without it, a picture is read as one
        line.
    options : TextOptions
        How to read it.
    budget : Budget
        What that may cost.

    Raises
    ------
    PreprocessError
    ImpossibleLength
        A length is given, and no reading has it.
    """
    stages = [Stage("begin", perf_counter_ns()), Stage("wait", perf_counter_ns())]
    picture = decoded(data, options.page, budget)
    stages.append(Stage("decode", perf_counter_ns()))
    field = options.field
    reader = LineReader(network, pages, field, budget)
    found = reader.read(picture, options.turns)
    if not any(found.values()) and field.length is None:
        raise TooMuchWriting
    turn = upright({turn: best_of(ways) for turn, ways in found.items()})
    text = text_of(found[turn], network.spec, options.alternatives)
    if field.length is not None and not text.lines:
        raise ImpossibleLength(
            f"The picture cannot be read with a length of {field.length}: leave the "
            "length out, or correct it."
        )
    stages.append(Stage("inference", perf_counter_ns()))
    text = text._replace(turn=turn)
    if options.with_picture:
        text = text._replace(picture=shown(picture.turned(turn)))
        stages.append(Stage("decode", perf_counter_ns()))
    return text._replace(stages=tuple(stages))


def decoded(data: bytes, page: int | None, budget: Budget = UNLIMITED) -> Picture:
    """Decode a picture at the resolution at which pages are read."""
    image = open_image(data, budget.max_pixels, page=page)
    budget.check_header(image)
    return decode_image(image, side_of(image.size, PAGE_PIXELS))


def text_of(found: Sequence[Hypothesis], spec: LineSpec, alternatives: int = 0) -> Text:
    """Return the text for which most speaks.

    Parameters
    ----------
    found : sequence of Hypothesis
        Ways to read a picture.
    spec : LineSpec
        What the file of the line network says.
    alternatives : int
        As in `read_text`.
    """
    best = best_of(found)
    agreed = agreement(best, found)
    lines = []
    rows = []
    for row in best.rows:
        read = tuple(transcript for transcript in row if transcript.signs)
        if read:
            probability = agreed * Hypothesis((row,)).certainty
            lines.append(line_of(read, probability, alternatives))
            rows.append(read)
    confidence = spec.calibrated(agreed * best.certainty)
    return Text(tuple(lines), confidence, table_of(words_of(rows)))


def line_of(row: Row, probability: float, alternatives: int) -> TextLine:
    """Convert a row of transcripts that have signs.

    Parameters
    ----------
    row : Row
        The transcripts.
    probability : float
        That this is all that is written there, uncalibrated.
    alternatives : int
        As in `read_text`.
    """
    boxes = []
    digits = []
    marks = []
    for transcript in row:
        for span in transcript.sign_spans:
            box = transcript.strip.box(*transcript.places[span].box)
            boxes.append(box)
            if transcript.is_digit(span):
                digits.append(digit_of(transcript, span, box))
            else:
                marks.append(Mark(transcript.text_of([span]), box))
    around = Box.around(np.array(boxes))
    confidence = row[0].spec.calibrated(probability)
    text = " ".join(each.text for each in row if each.text)
    line = TextLine(text, confidence, around, tuple(digits), tuple(marks))
    if alternatives:
        left = (1 - confidence) / max(1 - probability, TINY)  # which they share
        found = alternatives_of(row, alternatives)
        others = tuple((other, min(1.0, left * share)) for other, share in found)
        line = line._replace(alternatives=others)
    if not row[0].grammar:
        return line
    if not all(each.has_form for each in row):
        return line._replace(has_form=False)
    values = [meaning.value for each in row for meaning in each.meanings]
    return line._replace(has_form=True, value=" ".join(values))


def digit_of(transcript: Transcript, span: Span, box: Box) -> Digit:
    """Convert a symbol that is a digit, with its box on the picture."""
    spec = transcript.spec
    columns = transcript.output[span.first : span.last + 1]
    logs = np.log(np.maximum(columns[:, spec.digits], TINY))
    shares = np.exp(logs.mean(axis=0))  # (10,)
    legibility = 1 - float(columns[:, spec.other].min())
    ink = transcript.places[span].ink
    return Digit(box, shares / shares.sum(), legibility, ink)


def alternatives_of(row: Row, count: int) -> list[tuple[str, float]]:
    """Return the most probable other texts of a row, and the probability of each.

    One of its transcripts differs in each.
    """
    texts = [transcript.text for transcript in row]
    found = []
    for place, transcript in enumerate(row):
        for other, probability in transcript.alternatives(count):
            parts = [*texts[:place], other, *texts[place + 1 :]]
            found.append((" ".join(filter(None, parts)), probability))
    return sorted(found, key=lambda each: each[1], reverse=True)[:count]


def words_of(rows: Sequence[Row]) -> list[list[Word]]:
    """Return the words of each row, and where they are on the level page."""
    tilts = [transcript.strip.tilt for row in rows for transcript in row]
    tilt = float(np.median(tilts or [0]))
    return [[word for each in row for word in placed(each, tilt)] for row in rows]


def placed(transcript: Transcript, tilt: float) -> Iterator[Word]:
    """Yield the words of a transcript, and where they are on a page of this tilt."""
    strip = transcript.strip
    middle = len(strip.pixels) / 2
    for word in transcript.words:
        left = transcript.places[word[0]].box.left
        right = transcript.places[word[-1]].box.right
        x, y = strip.place @ [[left, right], [middle, middle], [1, 1]]
        ends = x * math.cos(tilt) + y * math.sin(tilt)
        yield Word(transcript.text_of(word), *ends.tolist())
