"""The counts in the benchmark of numbers."""

import csv

import pytest

from support import MINUS, POINT, encode, number, serving
from whole_numbers import Read, distance, line, read_folder


@pytest.mark.parametrize(
    ("written", "read", "expected"),
    [
        ("2047", "2047", 0),
        ("2047", "247", 1),
        ("2047", "20471", 1),
        ("2047", "2147", 1),
        ("", "12", 2),
        ("12", "21", 2),
    ],
)
def test_digits_are_counted_by_the_edit_distance(written, read, expected):
    assert distance(written, read) == distance(read, written) == expected


def test_a_line_of_the_table_counts_numbers_digits_and_lengths():
    read = [Read("12", "12", 3.0), Read("34", "35", 4.0), Read("56", "5", 3.0), Read("7", "7", 4.0), Read("", "", 1.0)]
    assert line("some", read) == "| some | 60.0 | 3/5 | 23.1 to 88.2 | 71.4 | 80.0 | 3.0 |\n"


def test_marks_count_for_the_text_but_not_for_the_digits():
    assert line("some", [Read("1.5", "15")]) == "| some | 0.0 | 0/1 | 0.0 to 79.3 | 100.0 | 0.0 | – |\n"
    assert line("none", [Read("", "")]) == "| none | 100.0 | 1/1 | 20.7 to 100.0 | – | 100.0 | – |\n"


@pytest.fixture
def folder(tmp_path, digits):
    """Two lines with marks, a file that is no picture, and a picture that shows no digit."""
    (tmp_path / "images").mkdir()
    pictures = {
        "a.png": encode(number([MINUS, digits[350], POINT, digits[120]], [digits[60]])),
        "b.png": b"no picture",
        "c.png": encode(number([MINUS])),
    }
    for name, picture in pictures.items():
        (tmp_path / "images" / name).write_bytes(picture)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "label"), ("a.png", "-7.2 1"), ("b.png", "1"), ("c.png", "none")])
    return tmp_path


@pytest.mark.slow
def test_a_folder_is_read_over_http(folder):
    with serving() as (_, url):
        assert list(read_folder(folder, url))[:2] == [Read("-7.2 1", "-7.2 1"), Read("1", "")]
        expected = [Read("72\n1", "72\n1"), Read("1", ""), Read("", "")]
        assert list(read_folder(folder, url, with_marks=False)) == expected
