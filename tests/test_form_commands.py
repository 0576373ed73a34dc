"""`digits forms` and `digits read --form`, on sheets that are filled in with digits."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from commands import invoked
from filled_forms import Sheet, combs, of_digits, printed, sheet, table
from training.sample import PER_CLASS, digits

DIGITS = "0123456789"
OF_SHEET = (
    "unsure,edited,file,page,fit,form,confidence,model,error,problem,size,modified"
)

pytestmark = pytest.mark.slow


def filled(form, number: int) -> Sheet:
    """Fill in a form, and scan it."""
    rng = np.random.default_rng(number)
    hand = of_digits(digits(), np.arange(10).repeat(PER_CLASS), rng)
    return sheet(form, hand, rng, number, is_photo=False)


@pytest.fixture(scope="module")
def form(tmp_path_factory) -> Path:
    """The combs, made by `digits forms new`, with the names of their fields."""
    folder = tmp_path_factory.mktemp("form")
    sample = folder / "sample.png"
    sample.write_bytes(printed(combs()))
    file = folder / "exam.json"
    done = invoked("forms", "new", sample, "--output", file)
    assert done.exit_code == 0, done.output
    content = json.loads(file.read_text())
    fields = content["pages"][0]["fields"]
    named = []
    for blank in combs().blanks:
        box = {
            "left": blank.box[0] / 1240,
            "top": blank.box[1] / 1754,
            "width": (blank.box[2] - blank.box[0]) / 1240,
            "height": (blank.box[3] - blank.box[1]) / 1754,
        }
        named.append({"name": blank.name, "box": box, "characters": DIGITS})
    assert len(fields) <= len(named)
    content["pages"][0]["fields"] = named
    file.write_text(json.dumps(content))
    return file


def test_a_form_is_made_and_checked(form):
    done = invoked("forms", "check", form)
    assert done.exit_code == 0
    assert done.stdout.startswith("exam: 8 fields.\nPage 1 is found by ")
    assert "\n  student_number\n" in done.stdout


def test_a_form_is_not_overwritten(form):
    done = invoked("forms", "new", form, "--output", form)
    assert done.exit_code == 2
    assert "exists: choose another file" in done.stderr


def test_what_is_wrong_with_a_form_is_said_with_its_place(form, tmp_path):
    content = json.loads(form.read_text())
    content["pages"][0]["fields"][2]["name"] = "=1+1"
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(content))
    done = invoked("forms", "check", bad)
    assert done.exit_code == 1
    assert "pages[0].fields[2].name: must not begin with =" in done.stderr


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> tuple[Path, list[Sheet]]:
    """A folder with two sheets, and one of another form between them."""
    folder = tmp_path_factory.mktemp("scans")
    sheets = [filled(combs(), 1), filled(table(), 2), filled(combs(), 3)]
    for number, each in enumerate(sheets):
        (folder / f"{number}.jpg").write_bytes(each.file)
    return folder, sheets


def test_a_sheet_is_a_row_and_a_field_a_column(form, scans, tmp_path):
    folder, sheets = scans
    output = tmp_path / "exams.csv"
    asked = ("read", folder, "--form", form, "--local", "--output", output)
    done = invoked(*asked, "--min-confidence", 0.9)
    assert done.exit_code == 1  # the other form
    header, *rows = csv.reader(StringIO(output.read_text()))
    names = [blank.name for blank in combs().blanks]
    assert header == [*names, *OF_SHEET.split(",")]
    records = [dict(zip(header, row, strict=True)) for row in rows]
    assert [Path(each["file"]).name for each in records] == ["0.jpg", "1.jpg", "2.jpg"]
    assert records[1]["problem"] == "not-this-form"
    for record, each in zip(records[::2], sheets[::2], strict=True):
        assert record["form"] == "exam"
        unsure = record["unsure"].split()
        for name in names:
            assert record[name] == each.written[name] or name in unsure
        assert len(unsure) < len(names) / 2
    again = invoked(*asked, "--resume")
    assert again.exit_code == 1
    assert output.read_text().count("\n") == 4


def test_a_table_of_other_fields_is_not_resumed(form, scans, tmp_path):
    folder, _ = scans
    output = tmp_path / "exams.csv"
    one = folder / "0.jpg"
    asked = ("--local", "--output", output)
    assert invoked("read", one, "--form", form, *asked).exit_code == 0
    content = json.loads(form.read_text())
    content["pages"][0]["fields"][0]["name"] = "id"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content))
    before = output.read_bytes()
    done = invoked("read", one, "--form", other, *asked, "--resume")
    assert done.exit_code == 1
    assert "such as student_number: choose another file" in done.stderr
    assert output.read_bytes() == before


def test_texts_of_a_spreadsheet_keep_their_zeros(form, scans):
    folder, sheets = scans
    done = invoked(
        "read", folder / "0.jpg", "--form", form, "--local", "--csv", "--spreadsheet"
    )
    _, row = csv.reader(StringIO(done.stdout))
    written = sheets[0].written["student_number"]
    assert row[0] == f'="{written}"'


def test_the_terminal_shows_a_line_a_field(form, scans):
    folder, sheets = scans
    done = invoked("read", folder / "0.jpg", "--form", form, "--local")
    assert f"\n  student_number: {sheets[0].written['student_number']} (" in done.stdout


def test_sums_that_do_not_add_up_are_in_doubt(form, scans, tmp_path):
    folder, _ = scans
    content = json.loads(form.read_text())
    of = {"fields": ["task_one", "task_two", "task_three"], "total": "total_points"}
    content["pages"][0]["sums"] = [of]
    sums = tmp_path / "sums.json"
    sums.write_text(json.dumps(content))
    done = invoked("read", folder / "0.jpg", "--form", sums, "--local", "--json")
    fields = json.loads(done.stdout)["fields"]
    for name in (*of["fields"], of["total"]):
        assert fields[name]["confidence"] <= 0.5
    assert fields["student_number"]["confidence"] > 0.5
