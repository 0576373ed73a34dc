"""Sheets of forms with several pages, over HTTP and on the command line."""

import csv
import json
from io import StringIO

import pyarrow.parquet as pq
import pytest

from answers import assert_problem
from commands import invoked
from pictures import document, encode, with_damaged_page
from sheets import form_of, scan, sheet, two_pages

pytestmark = pytest.mark.slow

FIRST = ["student_number", "room", "task_one"]
SECOND = ["hall_reading", "hall_persons", "kitchen_reading"]
NO_PAGE_2 = (
    "The form exam has 2 pages, and the file ends after 1 of a sheet: put the pages of "
    "each sheet, in the form's order, into one PDF or TIFF."
)


@pytest.fixture(scope="module")
def batch() -> bytes:
    """Three sheets, of which the second one lies the wrong way round, and a half."""
    pages = [("combs", 1), ("table", 1), ("table", 2), ("combs", 2)]
    pages += [("combs", 4), ("table", 4), ("combs", 6)]
    return document([scan(*page) for page in pages], "TIFF", compression="jpeg")


def post(client, picture: bytes, query: str = "", *forms: str, **headers: str):
    parts = [("form", form) for form in forms or [two_pages()]]
    files = [("file", picture), *parts]
    return client.post(f"/read{query}", files=files, headers=headers)


def test_a_sheet_has_as_many_pages_as_its_form(client, batch):
    answer = post(client, batch, "?alternatives=1").json()
    one, two, three, half = answer["sheets"]
    assert [each["page"] for each in answer["sheets"]] == [1, 3, 5, 7]
    for page, read in ((1, one), (5, three)):
        assert [*read["fields"]] == [*FIRST, *SECOND]
        places = [field["page"] for field in read["fields"].values()]
        assert places == 3 * [page] + 3 * [page + 1]
        assert [each["page"] for each in read["scans"]] == [page, page + 1]
        assert read["fit"] == min(each["fit"] for each in read["scans"])
    written = sheet("combs", 4).written | sheet("table", 4).written
    right = [three["fields"][name]["text"] == written[name] for name in FIRST + SECOND]
    assert sum(right) >= 5
    for read, name in ((two, "not-this-form"), (half, "not-this-form")):
        assert read["error"]["type"] == f"/problems/{name}"
    assert two["error"]["detail"] == (
        "Page 3: The picture shows no page 1 of the form exam: send a scan or photo of "
        "all of the sheet, its pages in the form's order, or choose another form."
    )
    assert half["error"]["detail"] == NO_PAGE_2
    lines = post(client, batch, "?page=5-", accept="application/x-ndjson").text
    pages = [json.loads(line) for line in lines.splitlines()]
    assert [(each["page"], each["pages"]) for each in pages] == [(5, 7), (7, 7)]


def test_pages_are_those_asked_for(client, batch):
    alone = post(client, batch, "?page=5").json()
    assert alone["scans"][1]["page"] == 6
    (in_order,) = post(client, batch, "?page=4,3").json()["sheets"]
    assert [each["page"] for each in in_order["scans"]] == [4, 3]
    assert [*in_order["fields"]] == [*FIRST, *SECOND]


def test_fields_that_do_not_add_up_across_pages_are_in_doubt(client, batch):
    fields = post(client, batch, "?page=5").json()["fields"]
    for name in ("room", "task_one", "hall_reading"):
        assert fields[name]["confidence"] <= 0.5
    assert fields["student_number"]["confidence"] > 0.5
    assert "alternatives" not in fields["student_number"]


def test_a_document_of_one_sheet_is_answered_as_a_picture(client):
    file = document([scan("combs"), scan("table").rotate(180)], "PDF")
    answer = post(client, file, "?picture=true").json()
    assert [*answer["fields"]] == [*FIRST, *SECOND]
    assert [scan.get("turn", 0) for scan in answer["scans"]] == [0, 180]
    for each in answer["scans"]:
        assert each["picture"].startswith("data:image/jpeg;base64,")
        assert each["size"]["height"] > each["size"]["width"]


@pytest.mark.parametrize("query", ["", "?page=1"])
def test_pictures_are_not_paired(client, query):
    answer = post(client, encode(scan("combs"), "JPEG"), query)
    assert_problem(answer, 422, "not-this-form", "/read")
    assert answer.json()["detail"] == NO_PAGE_2


def test_a_damaged_page_is_the_problem_of_its_sheet(client):
    grey = scan("combs").point(lambda level: 255 * (level > 127))
    file = with_damaged_page(document([grey] * 3, "TIFF"))
    answer = post(client, file, "?page=1")
    assert_problem(answer, 422, "corrupt-image", "/read")
    assert answer.json()["detail"].startswith("Page 2: ")


def test_forms_of_one_request_have_as_many_pages_and_names_of_their_own(client):
    picture = sheet("combs").file
    for forms, expected in (
        ([two_pages(), form_of("combs")], "The forms differ in their number of pages"),
        ([form_of("combs")] * 2, "Two forms are called combs: rename one."),
    ):
        answer = post(client, picture, "", *forms)
        assert_problem(answer, 422, "invalid-form", "/read")
        assert answer.json()["detail"].startswith(expected)


def test_a_sheet_with_several_pages_is_one_row(url, batch, tmp_path):
    form, scans = tmp_path / "exam.json", tmp_path / "scans.tif"
    form.write_text(two_pages())
    scans.write_bytes(batch)
    tables = []
    for where in (("--local",), ("--url", url)):
        output = tmp_path / f"{where[0]}.csv"
        asked = ("read", scans, "--form", form, *where, "--output", output)
        assert invoked(*asked).exit_code == 1
        rows = [*csv.DictReader(StringIO(output.read_text()))]
        assert [row["page"] for row in rows] == ["1", "3", "5", "7"]
        assert [bool(row["problem"]) for row in rows] == [False, True, False, True]
        tables.append(rows)
        # What was lost with its row is read again, and nothing else.
        lines = output.read_text().splitlines(keepends=True)
        output.write_text("".join(lines[:2] + lines[3:4]))
        assert invoked(*asked, "--resume").exit_code == 1
        again = [*csv.DictReader(StringIO(output.read_text()))]
        assert sorted(again, key=lambda row: row["page"]) == rows
    assert tables[0] == tables[1]


def test_a_parquet_file_has_a_row_for_each_sheet_and_is_resumed(batch, tmp_path):
    form, scans = tmp_path / "exam.json", tmp_path / "scans.tif"
    form.write_text(two_pages())
    scans.write_bytes(batch)
    output = tmp_path / "exams.parquet"
    asked = ("read", scans, "--form", form, "--local", "--min-confidence", 0.9)
    asked += ("--output", output)
    assert invoked(*asked).exit_code == 1
    table = pq.read_table(output)
    assert table.column_names[:7] == [*FIRST, *SECOND, "unsure"]
    assert table["page"].to_pylist() == [1, 3, 5, 7]
    one, *_ = table.to_pylist()
    for name, field in one["fields"]:
        assert one[name] == field["value"]
        assert (name in one["unsure"]) == (field["confidence"] < 0.9)
    pq.write_table(table.filter([True, False, False, True]), output)
    assert "exists: go on with --resume" in invoked(*asked).stderr
    assert invoked(*asked, "--resume").exit_code == 1
    again = pq.read_table(output).sort_by("page")
    assert again.equals(table)
    form.write_text(form_of("combs"))
    assert "has other columns" in invoked(*asked, "--resume").stderr
    assert pq.read_table(output).num_rows == 4


def test_forms_of_one_command_have_as_many_pages(tmp_path):
    for name, content in (("a", two_pages()), ("b", form_of("combs"))):
        (tmp_path / f"{name}.json").write_text(content)
    named = ("--form", tmp_path / "a.json", "--form", tmp_path / "b.json")
    done = invoked("read", "scan.pdf", *named)
    assert done.exit_code == 2
    assert "The forms differ in their number of pages" in done.stderr
