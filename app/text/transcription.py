"""What is written in a picture: its lines, their digits and marks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.picture.frame import FRAME_SIDE, frame_from_ink
from app.picture.maps import Map, PixelBox
from app.picture.shown import Shown
from app.text.ctc import TINY, Probabilities, Span
from app.text.format_search import alternatives_to
from app.text.hypothesis import Hypothesis, Row, RuledCell, agreement, best_of
from app.text.line_spec import LineSpec
from app.text.table import Cell, table_of, words_of
from app.text.transcript import Transcript


class TextDigit(NamedTuple):
    """A digit in a text.

    Attributes
    ----------
    box : PixelBox
        Its bounding box, in pixels of the upright picture.
    probabilities : NDArray
        (10,) float32, indexed by digit.
    legibility : float
        Probability that it is a digit or a mark, not something else.
    ink : Map
        (h, w) float32 in [0, 1]: its ink, cropped to the box, in pixels of the strip.
    """

    box: PixelBox
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


class TextMark(NamedTuple):
    """A mark or another sign, and its box in pixels of the upright picture."""

    mark: str
    box: PixelBox


class TextLine(NamedTuple):
    """A line of a text.

    Attributes
    ----------
    text : str
        As written.
    confidence : float
        The probability of that.
    box : PixelBox
        Its bounding box, in pixels of the upright picture.
    digits, marks : tuple
        What it consists of, at least one of both.
    alternatives : tuple or None
        The most probable other texts with their probabilities, if requested.
    has_format : bool or None
        Whether it has the format of its field, if that has one.
    value : str or None
        What it means in that format; several values are separated by spaces.
    row : int or None
        The row of the table that it is, if it is part of it.
    """

    text: str
    confidence: float
    box: PixelBox
    digits: tuple[TextDigit, ...]
    marks: tuple[TextMark, ...]
    alternatives: tuple[tuple[str, float], ...] | None = None
    has_format: bool | None = None
    value: str | None = None
    row: int | None = None


class TextCell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text : str
        As written; empty if nothing is.
    confidence : float or None
        The probability of that. None for an empty one of a table without rules, and for
        one that is part of another.
    box : PixelBox or None
        The bounding box of what is written, or of an empty cell of a ruled table, in
        pixels of the upright picture.
    has_format, value : bool or None, str or None
        As of a line.
    """

    text: str
    confidence: float | None = None
    box: PixelBox | None = None
    has_format: bool | None = None
    value: str | None = None

    def digits_only(self) -> "TextCell":
        """Return the cell without marks and spaces."""
        text = "".join(filter(str.isdigit, self.text))
        return self._replace(text=text)


class Transcription(NamedTuple):
    """What is written in a picture.

    Attributes
    ----------
    lines : tuple of TextLine
        Its lines from top to bottom, if any.
    confidence : float
        Probability of the whole text.
    table : tuple of tuple of TextCell
        Rows of cells, if the numbers stand in a grid.
    turn : int
        By how many degrees the picture was turned, counter-clockwise, to read it: 0,
        90, 180 or 270. Boxes are in pixels of the turned picture.
    picture : Shown or None
        The turned picture, if requested.
    model : str
        The versions of the files that read it, as of `Reading`.
    """

    lines: tuple[TextLine, ...]
    confidence: float
    table: tuple[tuple[TextCell, ...], ...] = ()
    turn: int = 0
    picture: Shown | None = None
    model: str = ""

    @property
    def text(self) -> str:
        """The lines, joined by newlines."""
        return "\n".join(line.text for line in self.lines)

    @property
    def has_format(self) -> bool | None:
        """Whether all lines have the format of the field; None if it has none."""
        lines = [line.has_format for line in self.lines]
        return None if None in lines else all(lines)

    @property
    def value(self) -> str | None:
        """What the lines mean in that format, joined by newlines, if all have it."""
        if not (self.lines and self.has_format):
            return None
        return "\n".join(line.value or "" for line in self.lines)

    def digits_only(self) -> "Transcription":
        """Return the text without marks, spaces, and lines without digits."""
        lines = []
        for line in self.lines:
            text = "".join(str(digit.digit) for digit in line.digits)
            if text:
                lines.append(line._replace(text=text, marks=()))
        table = tuple(tuple(cell.digits_only() for cell in row) for row in self.table)
        return self._replace(lines=tuple(lines), table=table)


def transcription_of(
    found: Sequence[Hypothesis], spec: LineSpec, alternatives: int = 0
) -> Transcription:
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
    rows = [tuple(each for each in row if each.signs) for row in best.rows]
    rows = [row for row in rows if row]
    lines = []
    for row in rows:
        probability = agreed * Hypothesis((row,)).certainty
        lines.append(line_of(row, probability, alternatives))
    certainty = agreed * best.certainty
    # That nothing is written is calibrated as it is, or better: hardly a number is
    # missed where the network sees none.
    confidence = spec.calibrated(certainty) if lines else certainty
    if best.table:
        places = best.rows_of_table
        lines = [
            line._replace(row=places.get(row[0]))
            for line, row in zip(lines, rows, strict=True)
        ]
        table = [[ruled_cell(cell, agreed, spec) for cell in row] for row in best.table]
    else:
        cells = table_of(words_of(rows))
        has_rules = any(row[0].rules for row in rows)
        table = [
            [text_cell(cell, agreed, spec, has_rules) for cell in row] for row in cells
        ]
        if cells:
            lines = [line._replace(row=place) for place, line in enumerate(lines)]
    return Transcription(tuple(lines), confidence, tuple(map(tuple, table)))


def text_cell(cell: Cell, agreed: float, spec: LineSpec, has_rules: bool) -> TextCell:
    """Convert a cell of a table; its readings have this share of all that speaks."""
    if not cell.words:
        return TextCell("")
    sure = spec.calibrated(agreed * cell.certainty)
    has_format = cell.value is not None if has_rules else None
    return TextCell(cell.text, sure, cell.box, has_format, cell.value)


def ruled_cell(cell: RuledCell, agreed: float, spec: LineSpec) -> TextCell:
    """Convert a cell of a ruled table."""
    (words,) = words_of([cell.read])
    if words:
        has_rules = cell.read[0].rules is not None
        return text_cell(Cell(tuple(words)), agreed, spec, has_rules)
    if cell.box is None:
        return TextCell("")
    emptiness = min((each.emptiness for each in cell.read), default=cell.emptiness)
    return TextCell("", emptiness, cell.box)


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
            box = transcript.emissions.strip.box(*transcript.places[span].box)
            boxes.append(box)
            if transcript.is_digit(span):
                digits.append(digit_of(transcript, span, box))
            else:
                marks.append(TextMark(transcript.word_text([span]), box))
    around = PixelBox.around(np.array(boxes))
    confidence = row[0].spec.calibrated(probability)
    text = " ".join(each.text for each in row if each.text)
    line = TextLine(text, confidence, around, tuple(digits), tuple(marks))
    if alternatives:
        left = (1 - confidence) / max(1 - probability, TINY)  # which they share
        found = alternatives_of(row, alternatives)
        others = tuple((other, min(1.0, left * share)) for other, share in found)
        line = line._replace(alternatives=others)
    if not row[0].rules:
        return line
    if not all(each.has_format for each in row):
        return line._replace(has_format=False)
    values = [meaning.value for each in row for meaning in each.meanings]
    return line._replace(has_format=True, value=" ".join(values))


def digit_of(transcript: Transcript, span: Span, box: PixelBox) -> TextDigit:
    """Convert a symbol that is a digit, with its box on the picture."""
    spec = transcript.spec
    columns = transcript.emissions.probabilities[span.first : span.last + 1]
    logs = np.log(np.maximum(columns[:, spec.digits], TINY))
    shares = np.exp(logs.mean(axis=0))  # (10,)
    legibility = 1 - float(columns[:, spec.other].min())
    ink = transcript.places[span].ink
    return TextDigit(box, shares / shares.sum(), legibility, ink)


def alternatives_of(row: Row, count: int) -> list[tuple[str, float]]:
    """Return the most probable other texts of a row, and the probability of each.

    One of its transcripts differs in each.
    """
    texts = [transcript.text for transcript in row]
    found = []
    for place, transcript in enumerate(row):
        for other, probability in alternatives_to(transcript, count):
            parts = [*texts[:place], other, *texts[place + 1 :]]
            found.append((" ".join(filter(None, parts)), probability))
    return sorted(found, key=lambda each: each[1], reverse=True)[:count]
