"""Pictures and answers → the cells of Parquet files, and back to rows."""

from app.answers.columns import Record
from app.many.errors import Unanswered
from app.many.pictures import UNKNOWN, Picture
from app.many.rows import Values

DECIMALS = 6  # of shares in answers, which float32 holds, but does not show


def cells_of(picture: Picture, outcome: Values | Unanswered, model: str) -> Values:
    """Return the cells of a picture or page: of its answer, or of why there is none."""
    if isinstance(outcome, Unanswered):
        error = {"type": outcome.problem, "detail": str(outcome)}
        outcome = {"model": model, "error": error}
    # An answer, too, has a size: that of a picture in it.
    return outcome | {
        "path": picture.path,
        "key": picture.key,
        "page": picture.page,
        "pages": picture.pages,
        **(picture.state or UNKNOWN)._asdict(),
    }


def row_of(cells: Values) -> Record:
    """Return what CSV says of a picture or page."""
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
