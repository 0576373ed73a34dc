"""The models of answers → the schema of Parquet files, with a row for each picture or
page.
"""

from collections.abc import Sequence
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pyarrow as pa
from pydantic import MISSING, BaseModel
from pydantic.fields import FieldInfo

from app.answers.columns import Kind, RowFields
from app.answers.responses import JSON_ONLY, FilledSheet, Line, Prediction, Text

TYPES = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int32(),
    float: pa.float32(),
    datetime: pa.timestamp("us", "UTC"),
}
WIDTHS = {"digit": pa.int8(), "size": pa.int64()}  # of integers with other ranges
# As in files of this version; further fields of the models follow by themselves.
ORDER = (
    "path key digit confidence probabilities legibility text lines characters model "
    "error page pages value size modified table turn"
)
NEVER_NULL = {"path", "model"}


def stored(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model that Parquet files have."""
    fields = model.model_fields.items()
    return {name: field for name, field in fields if JSON_ONLY not in field.metadata}


def type_of(annotation: Any) -> pa.DataType:  # noqa: ANN401 - any type of a field
    """Return the type of the values of a field, which may also be null or missing.

    >>> type_of(list[int] | None)
    ListType(list<item: int32>)
    """
    if annotation in TYPES:
        return TYPES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(arrow_fields(stored(annotation)))
    first, *others = get_args(annotation)
    if get_origin(annotation) is list:
        return pa.list_(type_of(first))
    if get_origin(annotation) is dict:
        return pa.map_(type_of(first), type_of(*others))
    if get_origin(annotation) is Annotated:
        return type_of(first)
    (given,) = {first, *others} - {NoneType, MISSING}
    return type_of(given)


def arrow_fields(fields: dict[str, FieldInfo]) -> list[pa.Field]:
    """Return the names and types of fields."""
    return [
        pa.field(name, WIDTHS.get(name) or type_of(field.annotation))
        for name, field in fields.items()
    ]


def schema() -> pa.Schema:
    """Return the schema of the rows of digits and of texts."""
    fields = stored(Prediction) | stored(Text) | stored(RowFields)
    return pa.schema(
        columns({name: fields[name] for name in [*ORDER.split(), *fields]})
    )


def sheet_schema(names: Sequence[str]) -> pa.Schema:
    """Return the schema of the rows of sheets whose fields have these names: the value
    of each, and what is known of it in `fields`.
    """
    values = [pa.field(name, pa.string()) for name in names]
    unsure = pa.field("unsure", pa.list_(pa.string()))
    return pa.schema(
        [*values, unsure, *columns(stored(FilledSheet) | stored(RowFields))]
    )


def schema_of(kind: Kind, names: Sequence[str]) -> pa.Schema:
    """Return the schema of rows of a kind; those of sheets have fields."""
    return sheet_schema(names) if kind == "sheet" else SCHEMA


def columns(fields: dict[str, FieldInfo]) -> list[pa.Field]:
    """Return the columns of fields: null where a row lacks it, except in some."""
    return [
        each.with_nullable(each.name not in NEVER_NULL) for each in arrow_fields(fields)
    ]


def line_in_csv() -> pa.StructType:
    """Return the type of a line without what CSV lacks and takes long to convert."""
    digits = pa.field("digits", pa.list_(pa.struct({"legibility": pa.float32()})))
    line = arrow_fields(stored(Line))
    of_csv = [digits if each.name == "digits" else each for each in line]
    return pa.struct([each for each in of_csv if each.name != "marks"])


SCHEMA = schema()
LINE_IN_CSV = line_in_csv()
