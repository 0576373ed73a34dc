"""The counts in the benchmark of numbers."""

import csv

import pytest

from support import encode, number, serving
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
    read = [Read("12", "12"), Read("34", "35"), Read("56", "5"), Read("7", "7"), Read("", "")]
    assert line("some", read) == "| some | 60.0 | 3/5 | 23.1 to 88.2 | 71.4 | 80.0 |\n"


@pytest.mark.slow
def test_a_folder_is_read_over_http(tmp_path, digits):
    (tmp_path / "images").mkdir()
    pictures = {
        "a.png": encode(number(digits[[350, 120]])),
        "b.png": b"no picture",
        "c.png": encode(number(digits[[60]])),
    }
    for name, picture in pictures.items():
        (tmp_path / "images" / name).write_bytes(picture)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "label"), ("a.png", "72"), ("b.png", "1"), ("c.png", "none")])
    with serving() as (_, url):
        assert list(read_folder(tmp_path, url)) == [Read("72", "72"), Read("1", ""), Read("", "1")]
