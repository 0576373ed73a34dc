"""`POST /csv`: rows, as lines of JSON → CSV with the columns of all commands."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO, StringIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationError,
    create_model,
)

from app.answers import errors, problems
from app.answers.columns import (
    TEXT_COLUMNS,
    cells_of,
    columns_of,
    value_cell,
    with_formulas,
)
from app.answers.problems import OF_BODY
from app.answers.spreadsheet import line_of
from app.form.form import OWN_COLUMNS, Form, FormField, InvalidForm, form_in
from app.text.field import InvalidField
from app.web.bodies import arriving
from app.web.parameters import Parameters, in_words
from app.web.uploads import MULTIPART, Sent, json_object, read_form_of_one, read_raw

MAX_ROWS = 20_000
MAX_VALUES = 200  # of a row, besides the fields of a form
# In all: an empty row takes as many bytes as the widest has cells.
MAX_CELLS = 5_000_000
MEDIA_TYPE = "text/csv"
# All others are texts. The commands write these alike.
TYPES = {
    **dict.fromkeys(("confidence", "legibility", "fit"), float),
    "modified": Annotated[datetime, AfterValidator(datetime.isoformat)],
}


def row_model(name: str, columns: Sequence[str]) -> type[BaseModel]:
    """Return the model of a row, whose values may all be left out."""
    fields: dict[str, Any] = dict.fromkeys(columns, (str, ""))
    fields |= {each: (TYPES[each], None) for each in columns if each in TYPES}
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    return create_model(name, __config__=config, cells=(list[str], []), **fields)


LineRow = row_model("LineRow", TEXT_COLUMNS)
SheetRow = row_model("SheetRow", OWN_COLUMNS)


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
        **problems.documentation(
            "/csv",
            *OF_BODY,
            errors.MalformedMultipart,
            errors.NoFile,
            errors.SeveralFiles,
            errors.MalformedJson,
            InvalidField,
            InvalidForm,
        ),
    },
)
async def write_csv(
    request: Request, parameters: Annotated[OfCsv, Query()]
) -> Response:
    """Write rows as CSV, as the page does. The body has a line of JSON for each row: an
    object with texts, by the names of their columns. `cells` is a list, of a table's
    row. With a printed form, a row is a sheet, and `cells` are the values of its
    fields, in the form's order.
    """
    body = await arriving(request)
    if body.media_type.startswith(MULTIPART):
        sent = await read_form_of_one(body)
    else:
        sent = Sent([await read_raw(body)])
    content = await run_in_threadpool(csv_of, sent, parameters.spreadsheet)
    return Response(content, media_type=MEDIA_TYPE)


def csv_of(sent: Sent, for_spreadsheet: bool) -> str:
    """Convert rows to CSV; parse them twice, since only some are held in memory."""
    form = form_of(sent.forms)
    count = widest = 0
    for row in rows_in(sent.picture, form):
        count += 1
        widest = max(widest, len(row["cells"]))
    columns = columns_of("text", widest)
    if form:
        columns = columns_of("sheet", fields=[field.name for field in form.fields])
    if count * len(columns) > MAX_CELLS:
        raise errors.UploadTooLarge(
            f"There are more than {MAX_CELLS:,} cells: send the rows in several "
            "requests."
        )
    csv = StringIO()
    csv.write(f"{line_of(columns)}\n")
    for row in rows_in(sent.picture, form):
        cells = row.pop("cells")
        if form:
            row |= values_in(cells, form.fields, for_spreadsheet)
        else:
            row |= cells_of(cells)
            row = with_formulas(row) if for_spreadsheet else row
        csv.write(f"{line_of(map(row.get, columns))}\n")
    return csv.getvalue()


def form_of(texts: Sequence[bytes]) -> Form | None:
    """Return the form of the sheets, if they are sheets; raise InvalidForm."""
    if len(texts) > 1:
        raise InvalidForm("The request has more than one form.")
    return form_in(texts[0]) if texts else None


def values_in(
    cells: Sequence[str], fields: Sequence[FormField], for_spreadsheet: bool
) -> dict[str, str]:
    """Return the values of a sheet, if it was read, by the names of its fields."""
    values = {}
    for cell, each in zip(cells, fields, strict=False):
        has_format = each.field.format_rules is not None
        values[each.name] = value_cell(cell, has_format) if for_spreadsheet else cell
    return values


def rows_in(body: bytes, form: Form | None) -> Iterator[dict[str, Any]]:
    """Yield each row; raise MalformedJson, InvalidField or UploadTooLarge."""
    model = SheetRow if form else LineRow
    fields = len(form.fields) if form else 0
    for number, line in enumerate(BytesIO(body), 1):
        if number > MAX_ROWS:
            raise errors.UploadTooLarge(
                f"There are more than {MAX_ROWS:,} rows: send them in several requests."
            )
        content = json_object(line, MAX_VALUES + fields)
        for name in TYPES:
            if content.get(name) == "":
                del content[name]
        try:
            row = dict(model.model_validate(content))
        except ValidationError as error:
            raise InvalidField(f"Row {number}: {in_words(error.errors())}") from error
        if form and len(row["cells"]) not in (0, fields):
            raise InvalidField(
                f"Row {number}: cells must have {fields} values, one for each field of "
                "the form, or none."
            )
        yield row
