"""Pictures and their answers → rows: the same in all files of results."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.answers.columns import Record
from app.answers.responses import NO_ANSWER, Prediction, Text
from app.many.errors import Unanswered
from app.many.pictures import UNKNOWN, Picture, State
from app.many.resume import Written

Answer = Prediction | Text
Values = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


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
