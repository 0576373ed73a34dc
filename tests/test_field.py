"""Other characters than digits and marks, on request: `/read?characters=…` with signs that training does not draw."""

from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.inference.field import Field
from app.inference.text import read_text
from support import POINT, assert_problem, encode, load_sheet, number

DIGITS, LABELS = load_sheet()
ALL = "0123456789"
FINE = 8  # pixels per pixel of a sign
LINES = {"+": [(6, 14, 22, 14), (14, 6, 14, 22)], "%": [(20, 4, 8, 24)]}
RINGS = {"%": [(5, 4, 12, 12), (16, 15, 23, 23)]}
ARCS = {"(": [(6, 0, 22, 27, 115, 245)], ")": [(6, 0, 22, 27, -65, 65)]}


def sign(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a sign by hand, (28, 28) uint8, ink = 255: its ends lie up to a pixel off, and its pen has another width."""
    sheet = Image.new("L", (28 * FINE, 28 * FINE))
    draw, pen = ImageDraw.Draw(sheet), round(FINE * rng.uniform(2, 3.2))
    for line in LINES.get(kind, ()):
        draw.line((FINE * (line + rng.uniform(-1, 1, 4))).tolist(), 255, pen)
    for ring in RINGS.get(kind, ()):
        draw.ellipse((FINE * (ring + rng.uniform(-1, 1, 4))).tolist(), outline=255, width=pen)
    for *box, start, end in ARCS.get(kind, ()):
        draw.arc((FINE * (box + rng.uniform(-1, 1, 4))).tolist(), start, end, 255, pen)
    return np.asarray(sheet.resize((28, 28), Image.Resampling.BOX))


def write(form: str, seed: int) -> tuple[bytes, str]:
    """Write a text like "+dd", with random digits; return the picture and the text."""
    rng = np.random.default_rng(seed)
    drawn, text = [], ""
    for each in form:
        chosen = rng.integers(len(DIGITS))
        drawn.append(DIGITS[chosen] if each == "d" else POINT if each == "." else sign(each, rng))
        text += str(LABELS[chosen]) if each == "d" else each
    return encode(number(drawn)), text


def ask(client, picture: bytes, characters: str, **others: object):
    return client.post("/read", params={"characters": characters, **others}, content=picture)


@pytest.mark.parametrize(
    ("form", "characters"),
    [("+d", ALL + "+"), ("d%", ALL + "%"), ("dd%", ALL + "+-.,%"), ("(dd.dd)", ALL + ".()")],
)
def test_eight_of_ten_numbers_with_other_signs_are_read(line_network, form, characters):
    written = [write(form, seed) for seed in range(30)]
    read = [read_text(picture, line_network, field=Field(characters=characters)).text for picture, _ in written]
    assert sum(one == text for one, (_, text) in zip(read, written, strict=True)) >= 24


@pytest.mark.parametrize("form", ["+", "%"])
def test_a_sign_that_is_not_requested_is_no_digit(line_network, form):
    for characters in (ALL, None):
        field = Field(characters=characters)
        assert not any(read_text(write(form, seed)[0], line_network, field=field).text for seed in range(10))


@pytest.mark.parametrize("form", ["+d", "d%", "(dd.dd)"])
def test_a_text_has_only_the_characters_requested(line_network, form):
    for characters in (ALL, "+", ALL + "(%"):
        for seed in range(5):
            read = read_text(write(form, seed)[0], line_network, field=Field(characters=characters)).text
            assert {*read} <= {*characters, " "}


def test_the_answer_has_the_characters_requested_and_their_signs_are_marks_with_boxes(client):
    picture, text = write("+d%", 0)
    answer = ask(client, picture, ALL + "+%").json()
    assert list(answer) == ["text", "confidence", "lines", "characters", "model"]
    assert (answer["text"], answer["characters"]) == (text, ALL + "+%")
    (line,) = answer["lines"]
    plus, percent = line["marks"]
    assert (plus["mark"], percent["mark"]) == ("+", "%")
    edges = [
        (box["left"], box["left"] + box["width"]) for box in (plus["box"], line["digits"][0]["box"], percent["box"])
    ]
    assert sorted(edges) == edges
    assert "characters" not in client.post("/read", content=picture).json()


def test_digits_alone_are_returned_without_marks_and_a_length_counts_them(client):
    picture, text = write("+d%", 0)
    answer = ask(client, picture, ALL + "+%", marks=False).json()
    assert (answer["text"], answer["lines"][0]["marks"]) == (text[1], [])
    assert ask(client, picture, ALL + "+%", length=1).json()["text"] == text
    assert_problem(ask(client, picture, "+%", length=1), 422, "impossible-length", "/read")


def test_characters_may_be_repeated(client):
    picture, text = write("+d", 0)
    assert ask(client, picture, ALL + "+++").json()["text"] == text


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
def test_characters_that_are_not_known_are_refused(client, line_network, characters, detail):
    answer = ask(client, b"not read", characters)
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert answer.json()["detail"] == detail.replace("{signs}", line_network.form.signs)


def test_a_plus_in_a_url_has_to_be_encoded(client):
    picture, text = write("+d", 0)
    answer = client.post("/read?characters=0123456789+", content=picture)
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert "write %2B for it" in answer.json()["detail"]
    assert client.post("/read?characters=0123456789%2B", content=picture).json()["text"] == text


def test_all_known_characters_may_be_requested(client, line_network):
    picture, _ = write("+d", 0)
    answer = client.post(f"/read?characters={quote(line_network.form.signs)}", content=picture)
    assert answer.json()["characters"] == line_network.form.signs
