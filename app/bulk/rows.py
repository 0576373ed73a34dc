"""Readings and errors → rows, in one schema for all results."""

from typing import Any

import pyarrow as pa

from app.answers import conversion, problems
from app.answers.spreadsheet import YES_OR_NO
from app.bulk.errors import UnreadableFile
from app.digit.reading import Reading
from app.serving.decoders import Busy
from app.text.text import Text

SHARE = pa.float32()
BOX = pa.struct([(side, pa.int32()) for side in ("left", "top", "width", "height")])
DIGIT = [
    ("digit", pa.int8()),
    ("confidence", SHARE),
    ("probabilities", pa.list_(SHARE)),
    ("legibility", SHARE),
]
LINE = pa.struct(
    [
        ("text", pa.string()),
        ("confidence", SHARE),
        ("box", BOX),
        ("digits", pa.list_(pa.struct([*DIGIT, ("box", BOX)]))),
        ("marks", pa.list_(pa.struct([("mark", pa.string()), ("box", BOX)]))),
        ("format", pa.bool_()),
        ("value", pa.string()),
    ]
)
LINES_IN_CSV = pa.list_(  # without what takes long to convert
    pa.struct(
        [
            ("text", pa.string()),
            ("confidence", SHARE),
            ("digits", pa.list_(pa.struct([("legibility", SHARE)]))),
            ("format", pa.bool_()),
            ("value", pa.string()),
        ]
    )
)
SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        ("key", pa.string()),
        *DIGIT,
        ("text", pa.string()),
        ("lines", pa.list_(LINE)),
        ("characters", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        ("error", pa.struct([("type", pa.string()), ("detail", pa.string())])),
        ("page", pa.int32()),
        ("pages", pa.int32()),
        ("value", pa.string()),
    ]
)
UNREADABLE = "unreadable-file"


def cells_of(
    outcome: Reading | Text | Exception, model: str, characters: str | None = None
) -> dict[str, Any]:
    """Build the fields of a row: the service's answer, or the type and detail of the
    problem.
    """
    if isinstance(outcome, Reading):
        # Without the response model, which would take a tenth of the time per picture.
        return {**conversion.values_of(outcome), "model": model}
    if isinstance(outcome, Text):
        return conversion.text_of(
            outcome, model, with_frames=False, characters=characters
        ).model_dump()
    return {"model": model, "error": error_of(outcome)}


def by_line(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each line of a text; a picture without any keeps its own."""
    return [
        {
            **row,
            "line": number,
            "text": line["text"],
            "confidence": line["confidence"],
            "legibility": min(
                (digit["legibility"] for digit in line["digits"]), default=1.0
            ),
            "format": YES_OR_NO[line["format"]],
            "value": line["value"],
        }
        for number, line in enumerate(row["lines"] or [], 1)
    ] or [row]


def is_fault(error: Exception) -> bool:
    """Return whether an error is the fault of the machine or of this program: the
    picture may be read another time.
    """
    return (
        isinstance(error, Busy)
        or error_of(error)["type"] == problems.TYPES[Exception].name
    )


def error_of(error: Exception) -> dict[str, str]:
    """Return the type and detail of an error."""
    if isinstance(error, UnreadableFile):
        return {"type": UNREADABLE, "detail": str(error)}
    problem_type = problems.TYPES.get(type(error), problems.TYPES[Exception])
    return {"type": problem_type.name, "detail": str(error)}
