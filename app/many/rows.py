"""Readings and errors → rows, in one schema for all results; rows → CSV."""

from typing import Any

from app.answers import conversion, problems
from app.answers.columns import Record
from app.answers.responses import UNREADABLE
from app.digit.reading import Reading
from app.many.errors import UnreadableFile
from app.serving.decoders import TryAgain
from app.text.transcription import Transcription

Row = dict[str, Any]
DECIMALS = 6  # of shares in answers, which float32 holds, but does not show


def cells_of(
    outcome: Reading | Transcription | Exception,
    model: str,
    characters: str | None = None,
) -> Row:
    """Return the cells of an answer, as the service gives it, or of the problem."""
    if isinstance(outcome, Reading):
        # Without the response model, which would take a tenth of the time per picture.
        return {**conversion.values_of(outcome), "model": outcome.model}
    if isinstance(outcome, Transcription):
        answer = conversion.text_of(outcome, with_frames=False, characters=characters)
        return answer.model_dump()
    return {"model": model, "error": error_of(outcome)}


def record_of(row: Row) -> Record:
    """Return what CSV says of a row."""
    record: Row = {name: rounded(cell) for name, cell in row.items()}
    record["file"] = record.pop("path")
    if error := record["error"]:
        record |= {"error": error["detail"], "problem": error["type"]}
    if modified := record.get("modified"):
        record["modified"] = modified.isoformat()
    return record


def rounded(cell: object) -> object:
    """Return a cell with its shares as in the answer."""
    if isinstance(cell, float):
        return round(cell, DECIMALS)
    if isinstance(cell, list):
        return list(map(rounded, cell))
    if isinstance(cell, dict):
        return {name: rounded(each) for name, each in cell.items()}
    return cell


def is_fault(error: Exception) -> bool:
    """Return whether the machine or this program is at fault: another try may help."""
    unforeseen = problems.TYPES[Exception].name
    return isinstance(error, TryAgain) or error_of(error)["type"] == unforeseen


def error_of(error: Exception) -> dict[str, str]:
    """Return the type and detail of an error."""
    if isinstance(error, UnreadableFile):
        return {"type": UNREADABLE, "detail": str(error)}
    problem_type = problems.TYPES.get(type(error), problems.TYPES[Exception])
    return {"type": problem_type.name, "detail": str(error)}
