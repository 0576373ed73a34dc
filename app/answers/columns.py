"""Answers → rows of CSV, with the same columns from the page and from all commands.

A row is a picture of a digit, a line of writing, a row of a table, or a picture or page
that could not be read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from app.answers.responses import (
    JSON_ONLY,
    NOT_IN_CSV,
    Described,
    Line,
    Prediction,
    Text,
)
from app.answers.spreadsheet import YES_OR_NO, formula_of, quantity_of
from app.form.form import OWN_COLUMNS

Kind = Literal["digit", "text", "sheet"]
# A picture or page: its file, page, key, size and modified, as far as they are known,
# and the fields of its answer, or error and problem.
Record = Mapping[str, Any]
Row = dict[str, Any]


class Error(Described):
    """Why a picture or page could not be read."""

    type: str
    detail: str


class RowFields(Described):
    """What a row says of its picture or page besides the answer."""

    path: Annotated[str, NOT_IN_CSV]  # there it is `file`
    key: str | None
    error: Error | None
    page: int | None
    pages: Annotated[int | None, NOT_IN_CSV]
    # Of the file before it was read. Unknown in rows of earlier versions.
    size: int | None
    modified: datetime | None


# What files of this version have, in this order. Further fields of the models of
# answers follow by themselves, unless they are marked.
SHARES = [f"p{digit}" for digit in range(10)]
OF_ALL = "unsure model error page"
OF_FILE = "key problem size modified"
OF_DIGIT = f"file digit confidence {' '.join(SHARES)} legibility {OF_ALL} {OF_FILE}"
OF_LINE = (
    f"file line text confidence legibility left top width height {OF_ALL} format value "
    f"alternatives edited {OF_FILE}"
)
CELL = re.compile("cell[0-9]+")
# Of a row of a table without numbers.
EMPTY_LINE = {"text": "", "value": "", "confidence": None, "unsure": ""}
SINGLE = {str, bool, int, float, datetime}  # types that fit into a cell


def with_further(columns: str, *models: type[BaseModel]) -> list[str]:
    """Return the names of columns, and of the models' fields that fit into a cell."""
    names = columns.split()
    for model in models:
        for name, field in model.model_fields.items():
            is_marked = {JSON_ONLY, NOT_IN_CSV} & {*field.metadata}
            if fits_into_cell(field.annotation) and not is_marked:
                names.append(name)
    return [*dict.fromkeys(names)]


def fits_into_cell(annotation: Any) -> bool:  # noqa: ANN401 - any type of a field
    """Return whether a field has a single value, which may be null or missing."""
    if get_origin(annotation) is list:
        return False
    return not SINGLE.isdisjoint({annotation, *get_args(annotation)})


DIGIT_COLUMNS = with_further(OF_DIGIT, Prediction, RowFields)
TEXT_COLUMNS = with_further(OF_LINE, Line, Text, RowFields)


def columns_of(kind: Kind, cells: int = 0, fields: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns, if the widest table has so many cells in a row,
    or a sheet's form has these fields.

    >>> columns_of("text", 2)[-3:]
    ['modified', 'cell1', 'cell2']
    """
    if kind == "sheet":
        return [*fields, *OWN_COLUMNS]
    named = DIGIT_COLUMNS if kind == "digit" else TEXT_COLUMNS
    return [*named, *cells_of(range(cells))]


def cells_of(row: Iterable[object]) -> dict[str, Any]:
    """Return the cells of a table's row, by the names of their columns."""
    return {f"cell{number}": cell for number, cell in enumerate(row, 1)}


def widest(records: Iterable[Record]) -> int:
    """Return the number of cells in the widest table."""
    tables = (record.get("table") or [[]] for record in records)
    return max((len(table[0]) for table in tables), default=0)


def rows_of(record: Record, least: float, for_spreadsheet: bool = False) -> list[Row]:
    """Return the rows of a picture or page.

    Parameters
    ----------
    record : Record
        What is known of it.
    least : float
        The confidence or legibility below which a row is unsure; of a table's row,
        those of its cells are named that are.
    for_spreadsheet : bool
        Whether texts become formulas; see `with_formulas`.
    """
    if record.get("error"):
        return [{**record}]
    if "fields" in record:
        return [row_of_sheet(record, least, for_spreadsheet)]
    own = {**record, "unsure": unsure(record, least)}
    if record.get("probabilities"):
        shares = zip(SHARES, record["probabilities"], strict=True)
        return [own | dict(shares)]
    rows = rows_of_text(record, own, least)
    rows = rows or [own | {"text": "", "value": ""}]
    return [*map(with_formulas, rows)] if for_spreadsheet else rows


def rows_of_text(record: Record, own: Row, least: float) -> list[Row]:
    """Return a row for each line of a text, and for each empty row of its table."""
    table = record.get("table") or []
    cells = record.get("cells") or [[]] * len(table)
    rows = []
    for line, place in with_empty_rows(record["lines"], len(table)):
        row = own | (row_of_line(line, least) if line else EMPTY_LINE)
        if place is not None:
            row |= cells_in(table[place], cells[place], least)
        rows.append(row)
    return rows


def with_empty_rows(
    lines: Sequence[Record], count: int
) -> Iterator[tuple[Record | None, int | None]]:
    """Yield the numbered lines of a text, each with its row in a table of so many rows;
    before it, each row that has no line.
    """
    # Earlier versions did not say so, but each line was a row of the table.
    is_row = len(lines) == count and all(line.get("row") is None for line in lines)
    begin = 0
    for number, line in enumerate(lines):
        place = number if is_row else line.get("row")
        if place is not None:
            yield from ((None, empty) for empty in range(begin, place))
            begin = place + 1
        yield {**line, "line": number + 1}, place
    yield from ((None, empty) for empty in range(begin, count))


def row_of_line(line: Record, least: float) -> Row:
    """Return the row of a line."""
    others = [each["text"] for each in line.get("alternatives") or []]
    row = {
        "legibility": legibility(line),
        "unsure": unsure(line, least),
        "format": YES_OR_NO[line.get("format")],
        "value": line.get("value") or "",
        "alternatives": "|".join(others),
    }
    return {**line, **line["box"]} | row


def cells_in(texts: Sequence[str], cells: Sequence[Record], least: float) -> Row:
    """Return the cells of a table's row, and which of them are unsure, if known."""
    row = cells_of(texts)
    if cells:
        row["unsure"] = " ".join(unsure_cells(cells, least))
    return row


def row_of_sheet(record: Record, least: float, for_spreadsheet: bool) -> Row:
    """Return the row of a sheet: the value of each field, and which are unsure."""
    values = {}
    for name, field in record["fields"].items():
        values[name] = field["value"] or ""
        if for_spreadsheet:
            values[name] = value_cell(values[name], field.get("format") is not None)
    return {**record} | {"unsure": " ".join(unsure_fields(record, least))} | values


def value_cell(value: str, has_format: bool) -> str:
    """Return a field's value for a spreadsheet, which adds it up if it has a format."""
    return quantity_of(value) if has_format else formula_of(value)


def unsure_fields(sheet: Record, least: float) -> list[str]:
    """Return the names of the fields that a person should look at."""
    fields = sheet["fields"].items()
    return [
        name
        for name, field in fields
        if field["confidence"] < least or field.get("format") is False
    ]


def unsure_cells(row: Sequence[Record], least: float) -> list[str]:
    """Return the columns of the cells of a table's row that a person should look at."""
    found = []
    for name, cell in cells_of(row).items():
        share = cell.get("confidence")  # an empty cell has none
        if (share is not None and share < least) or cell.get("format") is False:
            found.append(name)
    return found


def with_formulas(row: Row) -> Row:
    """Return a row in which texts are formulas, ="007": a spreadsheet would otherwise
    drop their zeros, or make them dates. A value that is a number, a date or a time
    stays.
    """
    shown = {**row}
    for name in row:
        if name in ("text", "alternatives") or CELL.fullmatch(name):
            shown[name] = formula_of(row[name])
    shown["value"] = quantity_of(row["value"])
    return shown


def unsure(answer: Record, least: float) -> str:
    """Return the cell that says whether a person should look at an answer or a line."""
    return "yes" if is_unsure(answer, least) else ""


def is_unsure(answer: Record, least: float) -> bool:
    """Return whether its confidence or legibility is below the least wanted, or one of
    its fields is unsure.
    """
    if "fields" in answer:
        return bool(unsure_fields(answer, least))
    share: float = min(answer["confidence"], legibility(answer))
    return share < least


def legibility(answer: Record) -> float:
    """Return the lowest legibility of a digit in an answer or a line; 1 without any."""
    given: float | None = answer.get("legibility")
    if given is not None:
        return given
    lines = answer.get("lines", [answer])
    shares = (digit["legibility"] for line in lines for digit in line["digits"])
    return min(shares, default=1.0)
