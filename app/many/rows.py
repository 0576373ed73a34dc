"""Pictures and their answers → rows: of CSV and JSON, and as cells of Parquet files."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.answers.columns import Record, unsure_fields
from app.answers.responses import NO_ANSWER, FilledSheet, Prediction, Text
from app.many.errors import Unanswered
from app.many.pictures import UNKNOWN, Picture, State
from app.many.resume import Written

Answer = Prediction | Text | FilledSheet
Values = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DECIMALS = 6  # of shares in answers, which float32 holds, but does not show


def unanswered(error: Exception) -> Unanswered:
    """Return an error with the name that it has in the API."""
    from app.answers.problems import TYPES  # which no client needs

    if isinstance(error, Unanswered):
        return error
    problem_type = TYPES.get(type(error), TYPES[Exception])
    return Unanswered(str(error), problem_type.name)


def values_of(outcome: Answer | Unanswered) -> Values:
    """Return what an answer says, or why there is none."""
    if isinstance(outcome, Unanswered):
        return {"error": str(outcome), "problem": outcome.problem}
    return outcome.model_dump()


def row_of(picture: Picture, values: Values) -> Values:
    """Return the row of a picture or page: its file, what was read, and the file's
    state as far as it is known.
    """
    page = {"page": picture.page} if picture.page else {}
    state = picture.state or UNKNOWN
    known: Values = {} if state.size is None else {"size": state.size}
    if state.modified is not None:
        known["modified"] = (EPOCH + state.modified * MICROSECOND).isoformat()
    return {"file": picture.path} | page | values | known


def cells_of(
    picture: Picture, outcome: Values | Unanswered, model: str, least: float = 0.0
) -> Values:
    """Return the cells of a picture or page: of its answer, or of why there is none.

    Fields of sheets with a lower confidence are unsure.
    """
    if isinstance(outcome, Unanswered):
        error = {"type": outcome.problem, "detail": str(outcome)}
        outcome = {"model": model, "error": error}
    elif "fields" in outcome:
        outcome = cells_of_sheet(outcome, least)
    # An answer, too, has a size: that of a picture in it.
    return outcome | {
        "path": picture.path,
        "key": picture.key,
        "page": picture.page,
        "pages": picture.pages,
        **(picture.state or UNKNOWN)._asdict(),
    }


def cells_of_sheet(values: Values, least: float) -> Values:
    """Return the cells of a sheet: the value of each field, and all fields as a map."""
    fields = values["fields"]
    shown = {name: field["value"] for name, field in fields.items()}
    own = {"unsure": unsure_fields(values, least), "fields": [*fields.items()]}
    return shown | values | own


def record_of(cells: Values) -> Record:
    """Return what CSV says of a picture or page."""
    if fields := cells.get("fields"):
        cells = cells | {"fields": dict(fields)}
    row: Values = {name: rounded(cell) for name, cell in cells.items()}
    row["file"] = row.pop("path")
    if error := row["error"]:
        row |= {"error": error["detail"], "problem": error["type"]}
    if modified := row.get("modified"):
        row["modified"] = modified.isoformat()
    return row


def rounded(cell: object) -> object:
    """Return a cell with its shares as in the answer."""
    if isinstance(cell, float):
        return round(cell, DECIMALS)
    if isinstance(cell, list):
        return list(map(rounded, cell))
    if isinstance(cell, dict):
        return {name: rounded(each) for name, each in cell.items()}
    return cell


def written_in(row: Record) -> Written:
    """Return what a row says of its picture; those of earlier versions say less."""
    page = str(row.get("page") or "")
    problem = row.get("problem") or NO_ANSWER
    return Written(
        path=row["file"],
        page=int(page) if page.isdecimal() else None,
        problem=problem if row.get("error") else "",
        state=state_in(row),
    )


def state_in(row: Record) -> State:
    """Return the state of a file according to a row; one that no file has if a
    spreadsheet has damaged it.
    """
    size, modified = row.get("size"), row.get("modified")
    if not size and not modified:
        return UNKNOWN
    try:
        since_epoch = datetime.fromisoformat(modified or "") - EPOCH
        return State(int(size or 0), since_epoch // MICROSECOND)
    except (TypeError, ValueError):
        return State(-1, -1)
