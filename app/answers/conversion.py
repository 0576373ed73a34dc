"""Readings → response models."""

import base64
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.answers.responses import (
    Alternative,
    Box,
    Cell,
    Digit,
    Explanation,
    FieldReading,
    FilledSheet,
    Layer,
    Line,
    Mark,
    Page,
    Prediction,
    Scan,
    SheetFields,
    SheetPage,
    Size,
    Text,
    Together,
    Written,
)
from app.digit.classifier import Classifier
from app.digit.inside import layers
from app.digit.occlusion import evidence
from app.digit.reading import Reading
from app.form import sheet
from app.picture import maps
from app.picture.shown import Shown
from app.text import transcription


def values_of(read: Reading | transcription.TextDigit) -> dict[str, Any]:
    """Return what every answer about a digit says, rounded."""
    probabilities = read.probabilities.astype(np.float64).round(6).tolist()
    return {
        "digit": read.digit,
        "confidence": probabilities[read.digit],
        "probabilities": probabilities,
        "legibility": round(read.legibility, 6),
    }


def prediction_of(reading: Reading, with_frame: bool) -> Prediction:
    """Convert a reading to its response."""
    prediction = Prediction(
        **values_of(reading),
        second_opinion=reading.has_second_opinion,
        model=reading.model,
    )
    if with_frame:
        prediction.frame = picture_of(reading.frame)
        prediction.box = box_of(reading.box)
    return prediction


def explanation_of(reading: Reading, classifier: Classifier) -> Explanation:
    """Convert a reading with ink to its response, including the evidence."""
    assert reading.ink is not None
    decreases = evidence(classifier, reading.frame, reading.digit, reading.runner_up)
    explanation = prediction_of(reading, with_frame=True).model_dump()
    return Explanation(
        **explanation,
        ink=picture_of(reading.ink),
        runner_up=reading.runner_up,
        evidence=decreases.round(4).tolist(),
        layers=[
            Layer(shape=shape, picture=picture_of(sheet))
            for shape, sheet in layers(classifier, reading.frame)
        ],
    )


def text_of(
    read: transcription.Transcription, with_frames: bool, characters: str | None = None
) -> Text:
    """Convert a text to its response."""
    answer = Text(
        text=read.text,
        confidence=round(read.confidence, 6),
        lines=[line_of(line, with_frames) for line in read.lines],
        model=read.model,
    )
    if read.has_format is not None:
        answer.value = read.value
    if read.table:
        answer.table = [[cell.text for cell in row] for row in read.table]
        answer.cells = [[*map(cell_of, row)] for row in read.table]
    if read.turn:
        answer.turn = read.turn
    if characters is not None:
        answer.characters = characters
    if read.picture:
        answer.picture = jpeg_of(read.picture)
        answer.size = Size(width=read.picture.width, height=read.picture.height)
    return answer


def cell_of(cell: transcription.TextCell) -> Cell:
    """Convert a cell of a table."""
    answer = Cell(text=cell.text)
    if cell.confidence is not None:
        answer.confidence = round(cell.confidence, 6)
    if cell.box:
        answer.box = box_of(cell.box)
    if cell.has_format is not None:
        answer.format = cell.has_format
        answer.value = cell.value
    return answer


def sheet_of(read: sheet.FilledSheet) -> FilledSheet:
    """Convert a sheet to its response."""
    has_one = len(read.pages) == 1
    answer = FilledSheet(
        form=read.form,
        fit=round(read.fit, 6),
        fields={
            each.field.name: field_of(each, None if has_one else page.page)
            for page in read.pages
            for each in page.fields
        },
        confidence=round(read.confidence, 6),
        model=read.model,
    )
    if has_one:
        describe(answer, read.pages[0])
    else:
        answer.scans = [scan_of(page) for page in read.pages]
    return answer


def scan_of(read: sheet.FilledPage) -> Scan:
    """Convert what is known of a page of a sheet with several."""
    scan = Scan(page=read.page, fit=round(read.fit, 6))
    describe(scan, read)
    return scan


def describe(answer: FilledSheet | Scan, page: sheet.FilledPage) -> None:
    """Say how a page was turned, and show it if it is to be."""
    if page.turn:
        answer.turn = page.turn
    if page.picture:
        answer.picture = jpeg_of(page.picture)
        answer.size = Size(width=page.picture.width, height=page.picture.height)


def field_of(read: sheet.FieldText, page: int | None) -> FieldReading:
    """Convert a field of a sheet, on one of its pages if it has several."""
    text = read.text
    answer = FieldReading(
        text=text.text,
        value=read.value,
        confidence=round(read.confidence, 6),
        empty=round(read.empty, 6),
        box=box_of(read.box),
    )
    if page is not None:
        answer.page = page
    if text.lines and text.has_format is not None:
        answer.format = text.has_format
    if read.alternatives is not None:
        answer.alternatives = alternatives_of(read.alternatives)
    if read.picture:
        answer.picture = jpeg_of(read.picture)
    return answer


def alternatives_of(others: Iterable[tuple[str, float]]) -> list[Alternative]:
    """Convert other texts, with their probabilities."""
    return [
        Alternative(text=written, confidence=round(share, 6))
        for written, share in others
    ]


def jpeg_of(picture: Shown) -> str:
    """Encode a picture for people to look at as a data URI."""
    encoded = base64.b64encode(picture.jpeg).decode()
    return f"data:image/jpeg;base64,{encoded}"


def sheet_page_of(answer: FilledSheet, page: int) -> SheetPage:
    """Convert the answer for a sheet to its part of that for the document."""
    said = {name: getattr(answer, name) for name in SheetFields.model_fields}
    return SheetPage(page=page, **said)


def page_of(answer: Text, page: int) -> Page:
    """Convert the answer for a page to its part of that for the document.

    The document says once what holds for all pages.
    """
    written = {name: getattr(answer, name) for name in Written.model_fields}
    return Page(page=page, **written)


def together_of(
    texts: Sequence[str],
    confidences: Sequence[float],
    model: str,
    characters: str | None = None,
) -> Together:
    """Put the texts and confidences of the pages of a document together."""
    answer = Together(text="\f".join(texts), confidence=min(confidences), model=model)
    if characters is not None:
        answer.characters = characters
    return answer


def line_of(line: transcription.TextLine, with_frames: bool) -> Line:
    """Convert a line to its response."""
    answer = Line(
        text=line.text,
        confidence=round(line.confidence, 6),
        box=box_of(line.box),
        digits=[digit_of(digit, with_frames) for digit in line.digits],
        marks=[Mark(mark=mark.mark, box=box_of(mark.box)) for mark in line.marks],
    )
    if line.alternatives is not None:
        answer.alternatives = alternatives_of(line.alternatives)
    if line.has_format is not None:
        answer.format = line.has_format
        answer.value = line.value
    if line.row is not None:
        answer.row = line.row
    return answer


def digit_of(digit: transcription.TextDigit, with_frame: bool) -> Digit:
    """Convert a digit to its response."""
    answer = Digit(**values_of(digit), box=box_of(digit.box))
    if with_frame:
        answer.frame = picture_of(digit.frame)
    return answer


def box_of(box: maps.PixelBox) -> Box:
    """Convert a box to its response."""
    top, bottom, left, right = box
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def picture_of(ink: maps.Map) -> str:
    """Encode an ink map as a PNG in a data URI, white on black like MNIST's images."""
    return data_uri((255 * ink + 0.5).astype(np.uint8))


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode grey or coloured pixels as a PNG in a data URI."""
    png = BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    encoded = base64.b64encode(png.getvalue()).decode()
    return f"data:image/png;base64,{encoded}"
