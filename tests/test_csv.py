"""`POST /csv`: rows as lines of JSON become CSV, as in the commands."""

import json

import pytest

from answers import assert_problem
from app.answers.columns import TEXT_COLUMNS
from app.web.rows import MAX_ROWS

ROWS = [
    {"file": "=1.png", "line": "1", "text": "007", "value": "7", "cells": ["0", "07"]},
    {"file": 'two "2".png', "error": "The picture\nis damaged", "confidence": "0.9"},
]
FILES = ["'=1.png", '"two ""2"".png"']


def csv_of(client, rows: list[dict], query: str = "") -> list[str]:
    """Return the lines of the CSV of rows."""
    body = "".join(f"{json.dumps(row)}\n" for row in rows)
    answer = client.post(f"/csv{query}", content=body)
    assert answer.headers["content-type"].startswith("text/csv")
    return answer.text.split("\n")


@pytest.mark.parametrize(
    ("query", "text", "cell"),
    [("", "007", "07"), ("?spreadsheet=true", '"=""007"""', '"=""07"""')],
)
def test_rows_have_the_columns_of_all_commands_and_no_formulas(
    client, query, text, cell
):
    header, first, *second, last = csv_of(client, ROWS, query)
    assert header.split(",") == [*TEXT_COLUMNS, "cell1", "cell2"]
    assert first.startswith(f"{FILES[0]},1,{text},")
    assert first.endswith(f",{cell}")
    assert "\n".join(second).startswith(f"{FILES[1]},,,0.9,")
    assert last == ""
    assert csv_of(client, [], query) == [",".join(TEXT_COLUMNS), ""]


@pytest.mark.parametrize(
    ("body", "status", "name", "detail"),
    [
        (b"{}\n7", 400, "malformed-json", "The JSON is not an object"),
        (b'{"cells": [%b""]}' % (b'"",' * 200), 400, "malformed-json", "more than 200"),
        (b'{}\n{"colour": ""}', 422, "invalid-parameter", "Row 2: colour is no"),
        (b'{"line": 1}', 422, "invalid-parameter", "Row 1: line"),
        (b"{}\n" * (MAX_ROWS + 1), 413, "upload-too-large", "more than 20,000 rows"),
    ],
)
def test_other_bodies_are_refused(client, body, status, name, detail):
    answer = client.post("/csv", content=body)
    assert_problem(answer, status, name, "/csv")
    assert detail in answer.json()["detail"]
