import csv
import io
import json

import support
from app.cli.records import COLUMNS, Csv, Json
from app.web.answers import Prediction, Text

SEVEN = Prediction(**support.SEVEN)
LINES = support.NUMBER["lines"] * 2
NUMBER = Text(text="-7\n-7", confidence=0.9, lines=LINES, model="8d41b6e05c72")


def test_a_prediction_is_a_line_of_json():
    assert json.loads(Json().answer("7.png", SEVEN)) == {
        "file": "7.png",
        "digit": 7,
        "confidence": 0.9,
        "probabilities": SEVEN.probabilities,
        "legibility": 0.8,
        "model": "1f0c2a9b7d3e",
    }
    assert json.loads(Json().failure('"\udcff\n.png', "no")) == {"file": '"\udcff\n.png', "error": "no"}


def test_a_prediction_is_a_row_of_csv():
    format = Csv("digit")
    text = "\n".join([format.answer("7, or 1.png", SEVEN), format.failure('"\n.png', "No, it is not.")])
    first, second = csv.DictReader(text.splitlines(keepends=True))
    assert first == {
        "file": "7, or 1.png",
        "digit": "7",
        "confidence": "0.9",
        **{f"p{digit}": str(share) for digit, share in enumerate(SEVEN.probabilities)},
        "legibility": "0.8",
        "unsure": "",
        "model": "1f0c2a9b7d3e",
        "error": "",
    }
    assert second == {**dict.fromkeys(COLUMNS["digit"], ""), "file": '"\n.png', "error": "No, it is not."}


def test_line_breaks_in_a_file_name_or_an_error_start_no_row_of_csv():
    cells = {"file": "a\rb.png", "error": "c\rd"}
    format = Csv("digit")
    lines = [format.failure(cells["file"], cells["error"]), format.answer("7.png", SEVEN)]
    first, second = csv.DictReader(io.StringIO("\n".join(lines), newline=""))
    assert first == dict.fromkeys(COLUMNS["digit"], "") | cells
    assert second["file"] == "7.png"


def test_a_text_is_a_line_of_json():
    assert json.loads(Json().answer("71.png", NUMBER)) == {
        "file": "71.png",
        "text": "-7\n-7",
        "confidence": 0.9,
        "lines": LINES,
        "model": "8d41b6e05c72",
    }


def test_a_line_of_writing_is_a_row_of_csv():
    format = Csv("text", least=0.95, for_spreadsheet=True)
    text = "\n".join([format.answer("71.png", NUMBER), format.failure("8.png", "no")])
    first, second, third = csv.DictReader(text.splitlines(keepends=True))
    assert first == {
        "file": "71.png",
        "line": "1",
        "text": '="-7"',
        "confidence": str(LINES[0]["confidence"]),
        "legibility": str(LINES[0]["digits"][0]["legibility"]),
        **{edge: str(LINES[0]["box"][edge]) for edge in ("left", "top", "width", "height")},
        "unsure": "yes",
        "model": "8d41b6e05c72",
        "error": "",
    }
    assert second == first | {"line": "2"}
    assert third == {**dict.fromkeys(COLUMNS["text"], ""), "file": "8.png", "error": "no"}


def test_a_picture_without_writing_is_a_row_of_csv():
    empty = Text(text="", confidence=0.7, lines=[], model="8d41b6e05c72")
    (row,) = csv.DictReader(Csv("text").answer("blank.png", empty).splitlines())
    assert {name: cell for name, cell in row.items() if cell} == {
        "file": "blank.png",
        "confidence": "0.7",
        "model": "8d41b6e05c72",
    }


def test_the_header_is_written_once_even_if_the_first_picture_failed():
    format = Csv("digit")
    lines = [format.failure("3.png", "no"), format.answer("7.png", SEVEN)]
    assert [line.split(",")[0] for line in "\n".join(lines).split("\n")] == ["file", "3.png", "7.png"]
