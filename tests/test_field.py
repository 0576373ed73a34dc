"""What a user says of a field: its characters, and the format of its numbers."""

import math
from time import process_time
from typing import get_args
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, ImageDraw

from answers import assert_problem
from app.text.ctc import likeliest, log_probability
from app.text.field import Field
from app.text.formats import FORMATS, FormatName
from app.text.reading import TextOptions, read_text
from networks import line_network
from pictures import POINT, encode, load_sheet, number
from pictures import written as grid

DIGITS, LABELS = load_sheet()
ALL = "0123456789"
*OTHERS, LAST = map(repr, get_args(FormatName))
FINE = 8  # pixels per pixel of a sign
LINES = {"+": [(6, 14, 22, 14), (14, 6, 14, 22)], "%": [(20, 4, 8, 24)]}
RINGS = {"%": [(5, 4, 12, 12), (16, 15, 23, 23)]}
ARCS = {"(": [(6, 0, 22, 27, 115, 245)], ")": [(6, 0, 22, 27, -65, 65)]}


def sign(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a sign by hand, (28, 28) uint8, ink = 255.

    Its ends lie up to a pixel off, and its pen has another width.
    """
    sheet = Image.new("L", (28 * FINE, 28 * FINE))
    draw = ImageDraw.Draw(sheet)
    pen = round(FINE * rng.uniform(2, 3.2))

    def moved(ends: tuple[int, ...] | list[int]) -> list[float]:
        return (FINE * (ends + rng.uniform(-1, 1, 4))).tolist()

    for line in LINES.get(kind, ()):
        draw.line(moved(line), 255, pen)
    for ring in RINGS.get(kind, ()):
        draw.ellipse(moved(ring), outline=255, width=pen)
    for *box, start, end in ARCS.get(kind, ()):
        draw.arc(moved(box), start, end, 255, pen)
    return np.asarray(sheet.resize((28, 28), Image.Resampling.BOX))


def drawn(each: str, rng: np.random.Generator) -> np.ndarray:
    """Choose a digit, or draw a mark or another sign."""
    if each.isdigit():
        return DIGITS[rng.choice(np.flatnonzero(int(each) == LABELS))]
    return POINT if each == "." else sign(each, rng)


def write(form: str, seed: int) -> tuple[bytes, str]:
    """Write a text like "+dd", with random digits; return the picture and the text."""
    rng = np.random.default_rng(seed)
    text = "".join(str(rng.integers(10)) if each == "d" else each for each in form)
    return encode(number([drawn(each, rng) for each in text])), text


def ask(client, picture: bytes, characters: str, **others: object):
    return client.post(
        "/read", params={"characters": characters, **others}, content=picture
    )


def read(picture: bytes, characters: str | None) -> str:
    options = TextOptions(Field(characters=characters))
    return read_text(picture, line_network(), options=options).text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "signs"), [("+d", "+"), ("d%", "%"), ("dd%", "+-.,%")]
)
def test_eight_of_ten_numbers_with_other_signs_are_read(form, signs):
    right = 0
    for seed in range(30):
        picture, text = write(form, seed)
        right += read(picture, ALL + signs) == text
    assert right >= 24


@pytest.mark.parametrize("form", ["+", "%"])
def test_a_sign_that_is_not_requested_is_no_digit(form):
    for seed in range(10):
        picture, _ = write(form, seed)
        assert read(picture, ALL) == read(picture, None) == ""


@pytest.mark.parametrize("form", ["+d", "(dd.dd)"])
def test_a_text_has_only_the_characters_requested(form):
    for seed in range(5):
        picture, _ = write(form, seed)
        for characters in (ALL, "+", ALL + "(%"):
            assert {*read(picture, characters)} <= {*characters, " "}


def test_the_answer_has_the_characters_requested_and_their_signs_are_marks_with_boxes(
    client,
):
    picture, text = write("+d%", 0)
    answer = ask(client, picture, ALL + "+%").json()
    assert list(answer) == ["text", "confidence", "lines", "characters", "model"]
    assert (answer["text"], answer["characters"]) == (text, ALL + "+%")
    (line,) = answer["lines"]
    plus, percent = line["marks"]
    assert (plus["mark"], percent["mark"]) == ("+", "%")
    boxes = plus["box"], line["digits"][0]["box"], percent["box"]
    edges = [(box["left"], box["left"] + box["width"]) for box in boxes]
    assert sorted(edges) == edges
    assert "characters" not in client.post("/read", content=picture).json()


def test_digits_alone_are_returned_without_marks_and_a_length_counts_them(client):
    picture, text = write("+d%", 0)
    answer = ask(client, picture, ALL + "+%", marks=False).json()
    assert (answer["text"], answer["lines"][0]["marks"]) == (text[1], [])
    assert ask(client, picture, ALL + "+%", length=1).json()["text"] == text
    impossible = ask(client, picture, "+%", length=1)
    assert_problem(impossible, 422, "impossible-length", "/read")


@pytest.mark.parametrize(
    ("characters", "detail"),
    [
        ("", "characters must have 1 to 100 digits and signs."),
        ("1" * 101, "characters must have 1 to 100 digits and signs."),
        ("0123456789x", "characters must be among {signs}, and not 'x'."),
        ("1\t", r"characters must be among {signs}, and not '\t'."),
        ("０", "characters must be among {signs}, and not '０'."),
    ],
)
def test_characters_that_are_not_known_are_refused(client, characters, detail):
    answer = ask(client, b"not read", characters)
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert answer.json()["detail"] == detail.format(signs=line_network().spec.signs)


def test_a_plus_in_a_url_has_to_be_encoded(client):
    picture, text = write("+d", 0)
    answer = client.post("/read?characters=0123456789+", content=picture)
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert "write %2B for it" in answer.json()["detail"]
    answer = client.post("/read?characters=0123456789%2B", content=picture)
    assert answer.json()["text"] == text


def test_all_known_characters_may_be_requested(client):
    picture, _ = write("+d", 0)
    signs = line_network().spec.signs
    answer = client.post(f"/read?characters={quote(signs)}", content=picture)
    assert answer.json()["characters"] == signs


@pytest.mark.slow
def test_amounts_in_parentheses_are_negative(client):
    right = 0
    for seed in range(30):
        picture, text = write("(dd.dd)", seed)
        (line,) = client.post("/read?format=amount", content=picture).json()["lines"]
        right += line["value"] == f"-{text[1:-1]}"
    assert right >= 24


def two_amounts(digits: np.ndarray) -> bytes:
    """Write 72.00, and 7.22 below it."""
    seven, two, zero = digits[[350, 120, 0]]
    above = [seven, two, POINT, zero, zero]
    return encode(number(above, [seven, POINT, two, two]))


def test_the_answer_has_the_value_of_each_line(client, digits):
    amounts = two_amounts(digits)
    answer = client.post("/read?format=amount", content=amounts).json()
    assert list(answer) == ["text", "confidence", "lines", "value", "model"]
    assert answer["value"] == answer["text"] == "72.00\n7.22"
    assert [list(line.items())[-2:] for line in answer["lines"]] == [
        [("format", True), ("value", "72.00")],
        [("format", True), ("value", "7.22")],
    ]
    free = client.post("/read", content=amounts).json()
    assert answer["confidence"] > free["confidence"]
    assert "value" not in free
    assert "value" not in free["lines"][0]


@pytest.mark.parametrize("format", ["date", "time", "phone"])
def test_a_line_without_the_format_keeps_what_is_read_without_it_and_is_less_sure(
    client, digits, format
):
    picture = encode(number(digits[[350, 120]]))
    free = client.post("/read", content=picture).json()
    answer = client.post(f"/read?format={format}", content=picture).json()
    (line,) = answer["lines"]
    assert answer["text"] == free["text"] == "72"
    assert (answer["value"], line["format"], line["value"]) == (None, False, None)
    assert answer["confidence"] < free["confidence"]


def test_a_picture_without_numbers_has_no_value(client):
    blank = encode(Image.new("L", (200, 80), 255))
    answer = client.post("/read?format=amount", content=blank).json()
    assert (answer["text"], answer["value"], answer["lines"]) == ("", None, [])


def test_the_truth_need_not_be_among_the_likeliest_readings():
    # 1024 likely texts of ten symbols.
    columns = np.tile([[0.02, 0.58, 0.4], [0.98, 0.01, 0.01]], (10, 1))
    wanted = (2,) * 10
    assert wanted not in dict(likeliest(columns))
    found = dict(likeliest(columns, lambda symbols: symbols == wanted[: len(symbols)]))
    assert max(found, key=found.get) == wanted
    probability = math.exp(log_probability(columns, wanted))
    assert found[wanted] == pytest.approx(probability, rel=0.05)


def test_the_alternatives_have_the_format_too(client):
    picture, _ = write("dd.dd", 3)
    query = "format=amount&alternatives=10"
    (line,) = client.post(f"/read?{query}", content=picture).json()["lines"]
    texts = [each["text"] for each in line["alternatives"]]
    assert line["text"] not in texts
    assert all(FORMATS["amount"].meaning(text) for text in texts)


def test_a_format_and_a_length_may_be_given_together(client, digits):
    picture = two_amounts(digits)
    for length, value in ((4, "72.00"), (3, "7.22")):
        query = f"format=amount&length={length}"
        answer = client.post(f"/read?{query}", content=picture).json()
        assert answer["value"] == answer["text"] == value


CONTRADICTIONS = f"""
format=money: format must be {", ".join(OTHERS)} or {LAST}, and not 'money'.
format=date&date=ydm: date must be 'dmy', 'mdy' or 'ymd', and not 'ydm'.
date=dmy: date needs format=date.
format=time&date=dmy: date needs format=date.
format=time&length=7: length must be 3 to 6 with format=time, or be left out.
format=integer&characters=.,: characters must have one of {ALL} with format=integer
format=date&characters={ALL}: characters must have one of ./- with format=date
format=amount&characters={ALL}-: characters must have one of ., with format=amount
values=12,A7: values must consist of 0123456789
values=12,7.5&characters={ALL}: values must consist of 0123456789, and not be '7.5'.
min=low: min must be a number, and not 'low'.
min=2&max=1: min must not be greater than max.
max=1&format=time: min and max need format=integer, decimal or amount, or no format.
digits=7: digits must be at most 6, and not '7'.
check=crc: check must be 'luhn', 'mod97', 'mod11' or 'ean', and not 'crc'.
"""


@pytest.mark.parametrize("row", CONTRADICTIONS.strip().splitlines())
def test_an_unknown_format_and_one_that_is_contradicted_are_refused(client, row):
    query, detail = row.split(": ")
    answer = client.post(f"/read?{query}", content=b"not read")
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert answer.json()["detail"].startswith(detail)


def test_each_cell_of_a_table_is_a_field(client, digits):
    table = encode(grid(digits, 4, 3, (60, 130), of=2))
    answer = client.post("/read?format=integer", content=table).json()
    assert [len(row) for row in answer["table"]] == [3] * 4
    assert answer["value"] == answer["text"]
    assert [line["value"].split() for line in answer["lines"]] == answer["table"]


def test_numbers_far_apart_in_one_line_are_a_field_in_doubt(client, digits):
    row = encode(grid(digits, 1, 2, (60, 130), of=2))
    (line,) = client.post("/read?format=integer", content=row).json()["lines"]
    (free,) = client.post("/read", content=row).json()["lines"]
    assert (line["value"], " " in free["text"]) == (free["text"].replace(" ", ""), True)
    assert line["confidence"] < 0.7 < free["confidence"]


def form(picture: bytes, values: bytes | str, name: str | None = "ids.txt") -> dict:
    """Return the parts of a form with a list, as a file or, without a name, a text."""
    return {"file": ("a.png", picture), "values": (name, values)}


def test_a_list_may_be_in_the_query_or_in_the_form(client, digits):
    picture = encode(number(digits[[350, 120]]))
    in_query = client.post("/read?values=71,72,-5", content=picture).json()
    assert (in_query["value"], in_query["lines"][0]["format"]) == ("72", True)
    for values in (b"71\r\n72\r\n\r\n-5", b"\xef\xbb\xbf71\n72\n-5\n"):
        for name in ("ids.txt", None):
            sent = client.post("/read", files=form(picture, values, name)).json()
            assert sent == in_query
    batch = [("files", picture), ("values", b"82\n81"), ("files", picture)]
    for answer in client.post("/read/batch", files=batch).json()["results"]:
        assert (answer["text"], answer["lines"][0]["format"]) == ("72", False)


def test_a_value_of_a_list_in_the_form_may_have_a_comma(client, digits):
    stroke = Image.new("L", (8, 28))
    ImageDraw.Draw(stroke).line((4, 19, 1, 27), 255, 2)
    picture = encode(number([digits[350], np.asarray(stroke), *digits[[120, 120]]]))
    answer = client.post("/read", files=form(picture, "7,22\n722")).json()
    assert answer["value"] == "7,22"
    assert client.post("/read?values=7,22", content=picture).json()["value"] is None


def test_bounds_digits_and_a_check_digit_are_parameters(client, digits):
    picture = encode(number([*digits[[350, 120]], POINT, digits[0]]))
    for query, value in {
        "min=70.5&max=99": "72.0",
        "digits=1&format=decimal": "72.0",
        "min=800": None,
        "digits=2": None,
    }.items():
        assert client.post(f"/read?{query}", content=picture).json()["value"] == value
    checked = encode(number(digits[[50, 400]]))  # 18, as 1 + 2 · 0 … of Luhn's formula
    for check, value in {"luhn": "18", "ean": None}.items():
        query = f"/read?check={check}"
        assert client.post(query, content=checked).json()["value"] == value


def test_a_list_that_cannot_be_read_is_refused(client, digits):
    picture = encode(number(digits[[350, 120]]))
    for files, query, detail in (
        (form(picture, b"7\xff"), "", "values must be a text in UTF-8, a value a line"),
        (
            form(picture, "72"),
            "?values=72",
            "values must be in the query or in the form",
        ),
        (form(picture, ""), "", "values must be 1 to 100,000."),
        (form(picture, "72\n" * 100_001), "", "values must be 1 to 100,000."),
        (form(picture, "room\n72"), "", "values must consist of "),
    ):
        answer = client.post(f"/read{query}", files=files)
        assert_problem(answer, 422, "invalid-parameter", "/read")
        assert answer.json()["detail"].startswith(detail)


def test_a_list_of_100_000_values_takes_less_than_the_reading(digits):
    picture = encode(number(digits[[350, 120, 0, 50]]))
    values = "\n".join(map(str, range(100_000)))
    few, many = Field(values="7201\n31"), Field(values=values)

    def seconds(field: Field) -> float:
        begin = process_time()
        text = read_text(picture, line_network(), options=TextOptions(field))
        assert text.value == "7201"
        return process_time() - begin

    seconds(many)  # sorts it
    assert min(map(seconds, [many] * 5)) < 2 * min(map(seconds, [few] * 5)) + 0.005
