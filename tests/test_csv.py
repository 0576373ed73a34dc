"""`POST /csv`: rows as lines of JSON become CSV, as in the commands."""

import json

import pytest

from answers import assert_problem
from app.answers.columns import TEXT_COLUMNS, columns_of
from app.form.form import form_in
from app.web.rows import MAX_ROWS
from paths import ROOT

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
        (b'{"fit": "0.9"}', 422, "invalid-parameter", "Row 1: fit is no"),
        (b'{"confidence": "?"}', 422, "invalid-parameter", "Row 1: confidence"),
        (b"{}\n" * (MAX_ROWS + 1), 413, "upload-too-large", "more than 20,000 rows"),
    ],
)
def test_other_bodies_are_refused(client, body, status, name, detail):
    answer = client.post("/csv", content=body)
    assert_problem(answer, status, name, "/csv")
    assert detail in answer.json()["detail"]


EXAM = (ROOT / "docs" / "exam.json").read_text()
NAMES = [field.name for field in form_in(EXAM).fields]
SHEETS = [
    {
        "file": "=1.png",
        "fit": "1",
        "confidence": 1e-07,
        "modified": "2026-12-02T08:30:00.250Z",
        "unsure": "",
        "cells": ["007", "-1", "=1", "", "12", "", "", ""],
    },
    {"file": "b.png", "error": "No sheet", "fit": ""},
]


def posted(client, rows: list[dict], *forms: str, query: str = ""):
    """Post rows of sheets, with their form."""
    body = "".join(f"{json.dumps(row)}\n" for row in rows)
    files = [("file", body), *(("form", form) for form in forms)]
    return client.post(f"/csv{query}", files=files)


@pytest.mark.parametrize(
    ("query", "cells"),
    [
        ("", "007,-1,'=1,,12,,,"),
        ("?spreadsheet=true", '"=""007""",-1,"=""=1""",,"=""12""",,,'),
    ],
)
def test_a_row_of_a_sheet_has_the_columns_of_the_command(client, query, cells):
    """A field whose format is known is a number for a spreadsheet."""
    form = json.loads(EXAM)
    for place, field in enumerate(form["pages"][0]["fields"]):
        known = {"format": "integer"} if place == 1 else {}
        form["pages"][0]["fields"][place] = {
            "name": field["name"],
            "box": field["box"],
            **known,
        }
    form["pages"][0]["sums"] = []
    header, row, failed, last = posted(
        client, SHEETS, json.dumps(form), query=query
    ).text.split("\n")
    assert header.split(",") == columns_of("sheet", fields=NAMES)
    time = "2026-12-02T08:30:00.250000+00:00"
    assert row == f"{cells},,,'=1.png,,1.0,,1e-07,,,,,{time}"
    assert failed == f"{',' * 10}b.png,,,,,,No sheet,,,"
    assert last == ""


@pytest.mark.parametrize(
    ("row", "status", "name", "detail"),
    [
        ({"cells": [""] * 7}, 422, "invalid-parameter", "Row 2: cells must have 8"),
        ({"cells": [""] * 9}, 422, "invalid-parameter", "Row 2: cells must have 8"),
        ({"line": "1"}, 422, "invalid-parameter", "Row 2: line is no"),
        ({"modified": "now"}, 422, "invalid-parameter", "Row 2: modified"),
        ({"cells": [""] * 300}, 400, "malformed-json", "more than 208 values"),
    ],
)
def test_other_rows_of_sheets_are_refused(client, row, status, name, detail):
    answer = posted(client, [{}, row], EXAM)
    assert_problem(answer, status, name, "/csv")
    assert detail in answer.json()["detail"]


def test_a_form_is_refused_with_the_place_of_what_is_wrong(client):
    named_like_a_column = EXAM.replace('"room"', '"edited"')
    wrong = "pages[0].fields[1].name: must not be edited: tables have such a column."
    for forms, detail in (
        ([EXAM, EXAM], "The request has more than one form."),
        ([named_like_a_column], wrong),
    ):
        answer = posted(client, SHEETS, *forms)
        assert_problem(answer, 422, "invalid-form", "/csv")
        assert answer.json()["detail"] == detail


def test_the_cells_are_bounded_in_all(client):
    """Else an empty row would take as many bytes as there are fields."""
    form = json.loads(EXAM)
    (page,) = form["pages"]
    page["fields"] = []
    for number in range(150):
        left, top = 0.05 * (number % 15), 0.09 * (number // 15)
        box = {"left": left, "top": top, "width": 0.04, "height": 0.08}
        page["fields"].append({"name": f"f{number}", "box": box})
    page["sums"] = []
    pages = []
    for number in range(2):
        fields = [each | {"name": f"{number}{each['name']}"} for each in page["fields"]]
        pages.append(page | {"fields": fields})
    form["pages"] = pages
    assert posted(client, [{}] * 100, json.dumps(form)).status_code == 200
    answer = posted(client, [{}] * 17_000, json.dumps(form))
    assert_problem(answer, 413, "upload-too-large", "/csv")
    assert "more than 5,000,000 cells" in answer.json()["detail"]
