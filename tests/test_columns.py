"""A field of an answer is a column of CSV and Parquet files, unless it is marked."""

from typing import Annotated

from app.answers.arrow import SCHEMA
from app.answers.columns import OF_LINE, TEXT_COLUMNS, rows_of, with_further
from app.answers.responses import JSON_ONLY, Described


class Wider(Described):
    text: str
    script: str | None
    parts: list[str]
    drawing: Annotated[str, JSON_ONLY]


def test_a_new_field_that_fits_into_a_cell_is_the_last_column():
    assert with_further(OF_LINE, Wider) == [*TEXT_COLUMNS, "script"]


def test_what_is_in_an_answer_only_on_request_is_not_stored():
    lines = SCHEMA.field("lines").type.value_type
    assert "alternatives" not in lines.names
    assert "frame" not in lines.field("digits").type.value_type.names


def test_an_empty_field_is_unsure_only_if_it_may_not_be_empty():
    fields = {
        "surely empty": {"value": None, "confidence": 0.99},
        "perhaps empty": {"value": None, "confidence": 0.4},
        "without its format": {"value": None, "confidence": 0.99, "format": False},
        "sure": {"value": "7", "confidence": 0.99, "format": True},
    }
    (row,) = rows_of({"file": "a.png", "fields": fields}, least=0.9)
    assert row["unsure"] == "perhaps empty without its format"
    assert row["surely empty"] == ""


def test_of_a_row_of_a_table_the_cells_in_doubt_are_named():
    line = {"text": "7 1", "confidence": 0.5, "box": {}, "digits": []}
    rows = (
        [{"text": "7", "confidence": 0.95}, {"text": "1", "confidence": 0.85}],
        [{"text": "", "confidence": None}, {"text": "1", "confidence": 0.95}],
        [{"text": "7", "confidence": 0.95, "format": False}, {"text": ""}],
    )
    table = [[cell["text"] for cell in row] for row in rows]
    record = {"confidence": 0.2, "lines": [line] * 3, "table": table, "cells": rows}
    found = rows_of(record, least=0.9)
    assert [row["unsure"] for row in found] == ["cell2", "", "cell1"]
    assert [row["cell2"] for row in found] == ["1", "1", ""]


def test_an_empty_row_of_a_table_is_a_row_and_a_line_beside_it_has_no_cells():
    line = {"text": "7", "confidence": 0.95, "box": {}, "digits": []}
    lines = [{**line, "text": "2026"}, {**line, "row": 1}]
    sure, unsure = ({"text": "", "confidence": share} for share in (0.99, 0.5))
    cells = [[sure, sure], [sure, {"text": "7", "confidence": 0.95}], [unsure, sure]]
    table = [[cell["text"] for cell in row] for row in cells]
    record = {"confidence": 0.9, "lines": lines, "table": table, "cells": cells}
    found = rows_of(record, least=0.9)
    said = [
        [row.get(name) for name in ("text", "cell1", "cell2", "unsure")]
        for row in found
    ]
    assert said == [
        ["2026", None, None, ""],
        ["", "", "", ""],
        ["7", "", "7", ""],
        ["", "", "", "cell1"],
    ]
