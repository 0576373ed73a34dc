"""The benchmark on real pictures, against services with known answers."""

from base64 import b64encode

import pytest

import real
from real import Reading
from support import SEVEN, answering, encode

PROBLEM = {"type": "https://digits.example/problems/blank-image", "title": "Blank", "status": 422}
REFUSED = (422, {"content-type": "application/problem+json"}, PROBLEM)


@pytest.fixture
def read_as_seven(seven):
    return {**SEVEN, "frame": "data:image/png;base64," + b64encode(encode(seven)).decode()}


@pytest.fixture
def folder(tmp_path, seven):
    """A folder with two digits and a picture that shows none."""
    (tmp_path / "mixed" / "images").mkdir(parents=True)
    (tmp_path / "mixed" / "labels.csv").write_text("filename,label\na.png,7\nb.png,1\nc.png,none\n")
    for name in "abc":
        (tmp_path / "mixed" / "images" / f"{name}.png").write_bytes(encode(seven))
    return tmp_path / "mixed"


def reading(label: str, answer: str, legibility: float) -> Reading:
    return Reading("a.png", label, answer, 0.9, "data:", legibility)


def readings(answer: tuple, folder) -> list[Reading]:
    with answering(lambda _: answer) as url:
        return real.read_all(real.labelled([folder]), url)["mixed"]


def test_legibility_is_that_of_the_service(folder, read_as_seven):
    answers = readings((200, {}, {**read_as_seven, "legibility": 0.25}), folder)
    assert [(r.label, r.answer, r.legibility) for r in answers] == [
        ("7", "7", 0.25),
        ("1", "7", 0.25),
        ("none", "7", 0.25),
    ]


def test_answers_without_legibility_count_as_legible(folder, read_as_seven):
    del read_as_seven["legibility"]
    assert [r.legibility for r in readings((200, {}, read_as_seven), folder)] == [1, 1, 1]


def test_a_refused_picture_is_not_legible(folder):
    answers = readings(REFUSED, folder)
    assert [r.legibility for r in answers] == [0, 0, 0]
    assert all(r.refused for r in answers)


def test_the_table_of_digits_has_errors_and_legible_share():
    digits = [reading("7", "7", 0.9), reading("1", "7", 0.5), reading("3", "3", 0.4), Reading("a.png", "2", "blank")]
    row = real.table({"a": digits}).splitlines()[-1]
    assert row.startswith("| a | 50.00 | 2/4 | ")
    assert row.endswith(" | 50.0 |")


def test_the_table_of_others_has_their_separation_from_digits():
    digits = [reading("7", "7", 0.9), reading("1", "7", 0.9), reading("3", "3", 0.4), Reading("a.png", "2", "blank")]
    others = [reading("none", "4", 0.6), reading("none", "4", 0.1), Reading("a.png", "none", "blank")]
    row = real.table_of_others({"a": others}, digits).splitlines()[-1]
    assert row == f"| a | 3 | 66.7 | {100 * (3 + 3 + 2 + 0.5) / 12:.2f} | 25.0 |"
    assert real.table_of_others({"a": others}, []).endswith("| a | 3 | 66.7 | – | – |")


def test_a_run_prints_both_tables_and_draws_both_sheets(folder, read_as_seven, tmp_path, capsys):
    with answering(lambda _: (200, {}, {**read_as_seven, "legibility": 0.75})) as url:
        real.main([folder], url, tmp_path / "sheets")
    output = capsys.readouterr().out
    assert "| mixed | 50.00 | 1/2 | " in output
    assert "| mixed | 1 | 0.0 | 50.00 | 0.0 |" in output
    assert "1→7 ×1" in output
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["mixed-none.png", "mixed.png"]


def test_titles_describe_the_answer():
    assert reading("1", "7", 0.5).title == "1→7 (90%)"
    assert reading("none", "4", 0.97).title == "looks like 4 (97%)"
    assert Reading("a.png", "1", "https://digits.example/problems/blank-image").title == "1→blank-image"
