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
from numpy.typing import NDArray

from app.picture.budget import UNLIMITED, Budget
from app.picture.decode import Picture, decode_image, open_image
from app.picture.errors import TooMuchWriting
from app.picture.frame import FRAME_SIDE, frame_from_ink
from app.picture.maps import Box, Map
from app.picture.shown import Shown, shown
from app.stage import Stage
from app.text.ctc import TINY
from app.text.field import ANYTHING, Field
from app.text.hypotheses import (
    Hypothesis,
    LineReader,
    Row,
    agreement,
    best_of,
    certainty,
    score,
    upright,
)
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
    probabilities: NDArray[np.float32]
    legibility: float
    ink: Map

    @property
    def frame(self) -> Map:
        """The ink, scaled and centred as for the dense network: (28, 28) float32 in [0,
        1]; empty without ink.
        """
        return (
            frame_from_ink(self.ink)
            if self.ink.any()
            else np.zeros((FRAME_SIDE, FRAME_SIDE), np.float32)
        )

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


class Mark(NamedTuple):
    """A mark or another sign in a text, and its bounding box in pixels of the upright
    picture.
    """

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
        """What the lines mean in that form, joined by newlines; None if there are none,
        or one does not have it.
        """
        return (
            "\n".join(line.value or "" for line in self.lines)
            if self.lines and self.has_form
            else None
        )

    def digits_only(self) -> "Text":
        """Return the text without marks and spaces, and without the lines that have no
        digits.
        """
        lines = tuple(
            line._replace(
                text="".join(str(digit.digit) for digit in line.digits), marks=()
            )
            for line in self.lines
            if line.digits
        )
        cells = (
            tuple("".join(filter(str.isdigit, cell)) for cell in row)
            for row in self.table
        )
        return self._replace(lines=lines, table=tuple(row for row in cells if any(row)))


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
    reader = LineReader(network, field, budget)
    found = reader.read(picture, pages, options.turns)
    if not any(found.values()) and field.length is None:
        raise TooMuchWriting
    turn = upright(
        {turn: max(map(score, each), default=0.0) for turn, each in found.items()}
    )
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
    """Return the text that most speaks for.

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
    rows = [(row, tuple(line for line in row if line.signs)) for row in best]
    lines = tuple(
        line_of(read, spec, alternatives, agreed * certainty((row,)))
        for row, read in rows
        if read
    )
    table = table_of(words_of([read for _, read in rows if read]))
    return Text(lines, spec.calibrated(agreed * certainty(best)), table)


def line_of(
    row: Row, spec: LineSpec, alternatives: int, probability: float
) -> TextLine:
    """Convert a row of lines that have digits or marks, given the probability that
    these are all.
    """
    symbols = [symbol for line in row for symbol in symbols_of(line)]
    digits = tuple(symbol for symbol in symbols if isinstance(symbol, Digit))
    marks = tuple(symbol for symbol in symbols if isinstance(symbol, Mark))
    around = Box.around(np.array([symbol.box for symbol in symbols]))
    confidence = spec.calibrated(probability)
    left = (1 - confidence) / max(1 - probability, TINY)  # what the alternatives share
    others = [
        (other, min(1.0, left * share))
        for other, share in alternatives_of(row, alternatives)
    ]
    text = " ".join(line.text for line in row if line.text)
    read = TextLine(
        text, confidence, around, digits, marks, tuple(others) if alternatives else None
    )
    if not row[0].grammar:
        return read
    if not all(line.has_form for line in row):
        return read._replace(has_form=False)
    return read._replace(
        has_form=True,
        value=" ".join(meaning.value for line in row for meaning in line.meanings),
    )


def symbols_of(line: Transcript) -> Iterator[Digit | Mark]:
    """Yield the digits and marks of a line."""
    spec = line.spec
    for (place, ink), (symbol, first, last) in zip(
        line.places, line.spans, strict=True
    ):
        box, columns = line.strip.box(*place), line.output[first : last + 1]
        if symbol in spec.digits:
            shares = np.exp(
                np.log(np.maximum(columns[:, spec.digits], TINY)).mean(axis=0)
            )
            yield Digit(
                box, shares / shares.sum(), 1 - float(columns[:, spec.other].min()), ink
            )
        elif spec.is_sign(symbol):
            yield Mark(spec.text_of([symbol]), box)


def alternatives_of(row: Row, count: int) -> list[tuple[str, float]]:
    """Return the most probable other texts of a row, in which one of its lines differs,
    and the probability of each.
    """
    texts = [line.text for line in row]
    found = [
        (
            " ".join(
                text for text in (*texts[:place], other, *texts[place + 1 :]) if text
            ),
            probability,
        )
        for place, line in enumerate(row)
        for other, probability in line.alternatives(count)
    ]
    return sorted(found, key=lambda each: -each[1])[:count]


def words_of(rows: Sequence[Row]) -> list[list[Word]]:
    """Return the words of each row, and where they are on the level page."""
    tilt = float(np.median([line.strip.tilt for row in rows for line in row] or [0]))
    return [[word for line in row for word in placed(line, tilt)] for row in rows]


def placed(line: Transcript, tilt: float) -> Iterator[Word]:
    """Yield the words of a line, and where they are on a page that is level if turned
    by its tilt.
    """
    boxes, middle = line.boxes, len(line.strip.pixels) / 2
    for word in line.words:
        ends = boxes[word[0]].left, boxes[word[-1]].right
        x, y = line.strip.place @ [ends, [middle, middle], [1, 1]]
        left, right = x * math.cos(tilt) + y * math.sin(tilt)
        yield Word(line.text_of(word), float(left), float(right))
