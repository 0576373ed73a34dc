"""Readings and errors → rows, in one schema for all results."""

from typing import Any

import pyarrow as pa

from app.answers import conversion, problems
from app.answers.spreadsheet import YES_OR_NO
from app.bulk.errors import UnreadableFile
from app.digit.reading import Reading
from app.serving.decoders import Busy
from app.text.text import Text

Row = dict[str, Any]
TEXT = pa.string()
SHARE = pa.float32()
SIDE = pa.int32()  # of a box, in pixels
BOX = pa.struct({"left": SIDE, "top": SIDE, "width": SIDE, "height": SIDE})
DIGIT = {
    "digit": pa.int8(),
    "confidence": SHARE,
    "probabilities": pa.list_(SHARE),
    "legibility": SHARE,
}
DIGIT_IN_LINE = pa.struct(DIGIT | {"box": BOX})
MARK = pa.struct({"mark": TEXT, "box": BOX})
LINE = pa.struct(
    {
        "text": TEXT,
        "confidence": SHARE,
        "box": BOX,
        "digits": pa.list_(DIGIT_IN_LINE),
        "marks": pa.list_(MARK),
        "format": pa.bool_(),
        "value": TEXT,
    }
)
LINE_IN_CSV = pa.struct(  # without what takes long to convert
    {
        "text": TEXT,
        "confidence": SHARE,
        "digits": pa.list_(pa.struct({"legibility": SHARE})),
        "format": pa.bool_(),
        "value": TEXT,
    }
)
SCHEMA = pa.schema(
    [
        pa.field("path", TEXT, nullable=False),
        ("key", TEXT),
        *DIGIT.items(),
        ("text", TEXT),
        ("lines", pa.list_(LINE)),
        ("characters", TEXT),
        pa.field("model", TEXT, nullable=False),
        ("error", pa.struct({"type": TEXT, "detail": TEXT})),
        ("page", pa.int32()),
        ("pages", pa.int32()),
        ("value", TEXT),
    ]
)
UNREADABLE = "unreadable-file"


def cells_of(
    outcome: Reading | Text | Exception, model: str, characters: str | None = None
) -> Row:
    """Return the cells of an answer, as the service gives it, or of the problem."""
    if isinstance(outcome, Reading):
        # Without the response model, which would take a tenth of the time per picture.
        return {**conversion.values_of(outcome), "model": model}
    if isinstance(outcome, Text):
        answer = conversion.text_of(
            outcome, model, with_frames=False, characters=characters
        )
        return answer.model_dump()
    return {"model": model, "error": error_of(outcome)}


def by_line(row: Row) -> list[Row]:
    """Return a row for each line of a text; a picture without any keeps its own."""
    rows: list[Row] = []
    for number, line in enumerate(row["lines"] or [], 1):
        digits = [digit["legibility"] for digit in line["digits"]]
        cells = {
            "line": number,
            "legibility": min(digits, default=1.0),
            "format": YES_OR_NO[line["format"]],
        }
        rows.append(row | line | cells)
    return rows or [row]


def is_fault(error: Exception) -> bool:
    """Return whether the machine or this program is at fault: another try may help."""
    unforeseen = problems.TYPES[Exception].name
    return isinstance(error, Busy) or error_of(error)["type"] == unforeseen


def error_of(error: Exception) -> dict[str, str]:
    """Return the type and detail of an error."""
    if isinstance(error, UnreadableFile):
        return {"type": UNREADABLE, "detail": str(error)}
    problem_type = problems.TYPES.get(type(error), problems.TYPES[Exception])
    return {"type": problem_type.name, "detail": str(error)}
