"""`POST /csv`: rows, as lines of JSON → CSV with the columns of all commands."""

from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, ValidationError, create_model

from app.answers import problems
from app.answers.columns import TEXT_COLUMNS, cells_of, columns_of, with_formulas
from app.answers.errors import MalformedJson, UploadTooLarge
from app.answers.problems import OF_BODY
from app.answers.spreadsheet import line_of
from app.text.field import InvalidField
from app.web.bodies import arriving
from app.web.parameters import Parameters, in_words
from app.web.uploads import json_object, read_raw

MAX_ROWS = 20_000
MAX_VALUES = 200  # of a row; an empty row takes as many bytes as the widest has cells
MEDIA_TYPE = "text/csv"
Row = create_model(
    "Row",
    __config__=ConfigDict(extra="forbid"),
    cells=(list[str], []),
    **dict.fromkeys(TEXT_COLUMNS, (str, "")),  # type: ignore[call-overload]
)


class OfCsv(Parameters):
    """How to write CSV."""

    spreadsheet: bool = False
    """A spreadsheet then keeps the zeros of `007`, and adds up values."""


guarded = APIRouter()  # as in `app.web.routes`


@guarded.post(
    "/csv",
    summary="Write CSV",
    tags=["pictures"],
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
        **problems.documentation("/csv", *OF_BODY, MalformedJson, InvalidField),
    },
)
async def write_csv(
    request: Request, parameters: Annotated[OfCsv, Query()]
) -> Response:
    """Write rows as CSV, as the page does. The body has a line of JSON for each row: an
    object with texts, by the names of their columns. `cells` is a list, of a table's
    row.
    """
    rows = await read_raw(await arriving(request))
    content = await run_in_threadpool(csv_of, rows, parameters.spreadsheet)
    return Response(content, media_type=MEDIA_TYPE)


def csv_of(body: bytes, for_spreadsheet: bool) -> str:
    """Convert rows to CSV; parse them twice, since only some are held in memory."""
    widest = max((len(row["cells"]) for row in rows_in(body)), default=0)
    columns = columns_of("text", widest)
    csv = StringIO()
    csv.write(f"{line_of(columns)}\n")
    for row in rows_in(body):
        row |= cells_of(row.pop("cells"))
        shown = with_formulas(row) if for_spreadsheet else row
        csv.write(f"{line_of(map(shown.get, columns))}\n")
    return csv.getvalue()


def rows_in(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield each row; raise MalformedJson, InvalidField or UploadTooLarge."""
    for number, line in enumerate(BytesIO(body), 1):
        if number > MAX_ROWS:
            raise UploadTooLarge(
                f"There are more than {MAX_ROWS:,} rows: send them in several requests."
            )
        try:
            row = Row.model_validate(json_object(line, MAX_VALUES))
        except ValidationError as error:
            raise InvalidField(f"Row {number}: {in_words(error.errors())}") from error
        yield dict(row)
