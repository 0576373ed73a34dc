"""`POST /read` with real digits: numbers of several digits and lines."""

from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from answers import assert_problem
from app.picture.maps import PixelBox, connected
from app.text.reading import read_text
from networks import page_network
from pictures import (
    MINUS,
    POINT,
    WAYS,
    document,
    encode,
    flat,
    letter,
    levels_of,
    number,
    page,
    turned_jpeg,
)


def speckled(sheet: Image.Image) -> Image.Image:
    """Add 1,200 black specks, 3 pixels wide, of which about 700 stay apart."""
    levels = np.asarray(sheet).copy()
    rng = np.random.default_rng(0)
    rows, columns = [rng.integers(0, side - 3, 1200) for side in levels.shape]
    for row, column in zip(rows, columns, strict=True):
        levels[row : row + 3, column : column + 3] = 0
    return Image.fromarray(levels)


DIGIT_FIELDS = "digit confidence probabilities legibility box".split()


# Where clearly written digits are in the sheet.
PLACES = {"0": 0, "1": 50, "2": 120, "4": 200, "5": 250, "6": 300, "7": 350, "8": 400}
Write = Callable[..., Image.Image]


@pytest.fixture
def write(digits) -> Write:
    """Draw texts, each in a line."""
    signs = {"-": MINUS, ".": POINT}
    for text, place in PLACES.items():
        signs[text] = digits[place]

    def draw(*texts: str, scale: int = 3) -> Image.Image:
        lines = [[signs[sign] for sign in text] for text in texts]
        return number(*lines, scale=scale)

    return draw


@pytest.fixture
def picture(write) -> bytes:
    return encode(write("72"))


@pytest.fixture
def two_lines(write) -> Image.Image:
    return write("720", "14")


def read(client, picture: bytes, query: str = "") -> dict:
    answer = client.post(f"/read{query}", content=picture)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_answer_has_the_text_its_lines_and_their_digits(
    client, picture, line_network, classifier
):
    pages = page_network()
    answer = read(client, picture, "?frame=true")
    assert list(answer) == ["text", "confidence", "lines", "model"]
    assert answer["text"] == "72"
    versions = line_network.version, pages.version, classifier.version
    assert answer["model"] == "+".join(versions)
    assert 0.9 < answer["confidence"] <= 1
    (line,) = answer["lines"]
    assert list(line) == ["text", "confidence", "box", "digits", "marks"]
    assert line["text"] == "72"
    assert line["marks"] == []
    assert 0.9 < line["confidence"] <= 1
    assert [digit["digit"] for digit in line["digits"]] == [7, 2]
    (expected,) = read_text(picture, line_network, pages).lines
    for digit, read_here in zip(line["digits"], expected.digits, strict=True):
        assert list(digit) == [*DIGIT_FIELDS, "frame"]
        probabilities = digit["probabilities"]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert probabilities[digit["digit"]] == max(probabilities)
        assert digit["confidence"] == max(probabilities)
        assert digit["legibility"] > 0.9
        frame = levels_of(digit["frame"])
        np.testing.assert_allclose(frame, 255 * read_here.frame, atol=0.51)
    (line,) = read(client, picture)["lines"]
    for digit in line["digits"]:
        assert list(digit) == DIGIT_FIELDS


def test_marks_are_read_with_their_boxes_or_left_out_on_request(client, write):
    amounts = encode(write("-72.0", "7"))
    answer = read(client, amounts)
    assert answer["text"] == "-72.0\n7"
    line, other = answer["lines"]
    minus, point = line["marks"]
    assert list(minus) == ["mark", "box"]
    assert minus["mark"] == "-"
    assert point["mark"] == "."
    assert other["marks"] == []
    seven, two, zero = (box_of(digit["box"]) for digit in line["digits"])
    assert box_of(minus["box"]).right <= seven.left
    box = box_of(point["box"])
    assert two.right <= box.left < box.right <= zero.left
    reduced = read(client, amounts, "?marks=false")
    assert reduced["text"] == "720\n7"
    assert [each["text"] for each in reduced["lines"]] == ["720", "7"]
    for each, before in zip(reduced["lines"], answer["lines"], strict=True):
        assert each["marks"] == []
        assert each["digits"] == before["digits"]
    # Marks do not count.
    assert read(client, amounts, "?length=3")["text"] == "-72.0"


@pytest.mark.parametrize("way", WAYS)
def test_lines_come_from_top_to_bottom_and_each_box_is_where_its_digit_is(
    client, two_lines, way
):
    file = WAYS[way](two_lines)
    if "JPEG" in way:
        file = turned_jpeg(two_lines, quality=90)
    answer = read(client, file)
    assert answer["text"] == "720\n14"
    assert [line["text"] for line in answer["lines"]] == ["720", "14"]
    scale = 4 if way == "large" else 1
    height = 144  # of a line, as `number` draws it
    drawn = np.asarray(two_lines) < 128
    for row, line in enumerate(answer["lines"]):
        top = height * row
        boxes = [box_of(digit["box"]) for digit in line["digits"]]
        of_line = box_of(line["box"])
        assert of_line == PixelBox.around(np.array(boxes))
        assert scale * top <= of_line.top
        assert of_line.bottom <= scale * (top + height)
        expected = components(drawn[top : top + height])
        for box, (left, right, upper, lower) in zip(boxes, expected, strict=True):
            edges = np.array([top + upper, top + lower, left, right])
            assert box == pytest.approx(scale * edges, abs=6 * scale)


def components(ink: np.ndarray) -> list[tuple[int, ...]]:
    """List the left, right, upper and lower ends of components, from left to right."""
    labels = connected(ink)
    found = []
    for label in np.unique(labels)[1:]:
        rows, columns = np.nonzero(labels == label)
        ends = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
        found.append(ends)
    return sorted(found)


def box_of(answer: dict[str, int]) -> PixelBox:
    """Convert an answer's box."""
    left, top, width, height = answer.values()
    return PixelBox(top, top + height, left, left + width)


@pytest.mark.slow
def test_a_picture_without_ink_has_an_empty_text_and_letters_no_certain_one(client):
    for value in (0, 255):
        answer = read(client, flat(value))
        assert answer["text"] == ""
        assert answer["lines"] == []
        assert answer["confidence"] > 0.9
    answers = [read(client, encode(letter(text))) for text in "AWRK"]
    taken = [each for each in answers if each["text"] and each["confidence"] > 0.9]
    assert len(taken) <= 1


@pytest.mark.slow
def test_lines_of_the_requested_length_are_the_answer_if_there_are_any(
    client, picture, two_lines
):
    for length in (1, 2):
        assert len(read(client, picture, f"?length={length}")["text"]) == length
    for length, text in ((3, "720"), (2, "14")):
        found = read(client, encode(two_lines), f"?length={length}")
        assert found["text"] == text
        assert found["confidence"] > 0.8
    for impossible in (picture, flat(255)):
        answer = client.post("/read?length=64", content=impossible)
        assert_problem(answer, 422, "impossible-length", "/read")
        expected = (
            "No line of the picture can be read with a length of 64: leave the length "
            "out, or correct it."
        )
        assert answer.json()["detail"] == expected


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain, application/json;q=0.5", "text/plain; charset=utf-8"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("text/*", "application/json"),
    ],
)
def test_the_text_alone_is_sent_to_a_client_that_prefers_it(
    client, two_lines, accept, kind
):
    query = "/read?min_confidence=0.1"
    answer = client.post(query, content=encode(two_lines), headers={"accept": accept})
    assert answer.headers["content-type"] == kind
    text = answer.text if "json" not in kind else answer.json()["text"] + "\n"
    assert text == "720\n14\n"
    refusal = client.post("/read", content=b"", headers={"accept": accept})
    assert refusal.headers["content-type"] == "application/problem+json"


def noise(side: int, size: int) -> Image.Image:
    """Draw squares of random levels."""
    random = np.random.default_rng(0)
    levels = random.integers(0, 256, (side, side), dtype=np.uint8)
    return Image.fromarray(levels.repeat(size, 0).repeat(size, 1))


def grid(digits: np.ndarray, rows: int, columns: int) -> Image.Image:
    """Draw rows of digits."""
    lines = np.resize(digits, (rows, columns, 28, 28))
    return number(*lines, scale=1)


CROWDED = {
    "fine noise": lambda digits: noise(640, 1),
    "coarse noise": lambda digits: noise(40, 16),
    "40 lines": lambda digits: grid(digits, 40, 2),
    "625 digits": lambda digits: grid(digits, 25, 25),
}
OVER_A_LIMIT = {
    "100 digits in a line": lambda digits: page(digits[::5], size=(2600, 400)),
    "4,224 digits": lambda digits: grid(digits, 66, 64),
}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("name", CROWDED)
def test_an_answer_is_limited_however_full_the_picture(client, digits, name):
    """What takes too much CPU time would be refused."""
    for line in read(client, encode(CROWDED[name](digits)))["lines"]:
        assert len(line["digits"]) <= 64
        assert line["digits"] or line["marks"]


def assert_too_much_writing(client, picture: Image.Image, query: str = "") -> None:
    answer = client.post(f"/read{query}", content=encode(picture))
    assert_problem(answer, 422, "too-much-writing", "/read")
    assert answer.json()["detail"] == (
        "There is too much writing or noise in the picture: crop it to fewer lines, or "
        "send it sharper."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["", "?rotate=auto", "?characters=01234567&min_confidence=0.5"]
)
@pytest.mark.parametrize("name", OVER_A_LIMIT)
def test_too_much_writing_is_refused_before_it_takes_the_time(
    client, digits, name, query
):
    """What takes too much CPU time would be refused for that."""
    assert_too_much_writing(client, OVER_A_LIMIT[name](digits), query)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 180])
def test_forty_rows_on_a_page_are_read_also_on_its_side(client, digits, labels, turn):
    shuffled = np.random.default_rng(0).permutation(len(digits))
    rows = shuffled[:160].reshape(40, 4)
    sheet = page(*digits[rows], size=(1400, 2000))
    turned = sheet.rotate(-turn, expand=True)
    answer = read(client, encode(turned), "?rotate=auto")
    texts = ["".join(map(str, row)) for row in labels[rows]]
    lines = answer["text"].split("\n")
    same = SequenceMatcher(None, lines, texts, autojunk=False).get_matching_blocks()
    assert sum(block.size for block in same) >= 34
    assert answer.get("turn", 0) == turn


@pytest.mark.slow
def test_numbers_in_a_grid_are_a_table_whose_empty_cells_stay_in_place(client, write):
    sheet = Image.new("L", (900, 700), 255)
    table = [["72", "0", "51"], ["1", "", "20"], ["7", "1", ""]]
    for row, cells in enumerate(table):
        for column, text in enumerate(cells):
            if text:
                place = (60 + 300 * column, 40 + 220 * row)
                sheet.paste(write(text, scale=1), place)
    answer = read(client, encode(sheet))
    assert answer["table"] == table
    assert [[cell["text"] for cell in row] for row in answer["cells"]] == table
    for row, line in zip(answer["cells"], answer["lines"], strict=True):
        filled = [cell for cell in row if cell["text"]]
        assert [{"text": ""}] * (3 - len(filled)) == [c for c in row if not c["text"]]
        boxes = [box_of(cell["box"]) for cell in filled]
        assert all(box_of(line["box"]).contains(box) for box in boxes)
        assert all(a.right <= b.left for a, b in pairwise(boxes))
        # A row is right if all of its cells are.
        assert line["confidence"] <= min(cell["confidence"] for cell in filled) + 1e-6
    assert answer["text"] == "72 0 51\n1 20\n7 1"
    assert read(client, encode(sheet), "?marks=false")["table"] == answer["table"]


SCORES = """
Abigail 72
Benjamin 10
Charlotte 51
Daniel 27
Elizabeth 81
Frederick 05
Gabriela 12
Henrietta 78
Isabella 21
"""


@pytest.mark.slow
def test_names_beside_numbers_are_skipped_and_do_not_make_them_unsure(client, write):
    names = SCORES.split()[::2]
    scores = SCORES.split()[1::2]
    sheet = Image.new("L", (900, 1200), 255)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(48)
    for row, (name, score) in enumerate(zip(names, scores, strict=True)):
        draw.text((80, 60 + 120 * row), name, 0, font)
        sheet.paste(write(score, scale=2), (560, 40 + 120 * row))
    answer = read(client, encode(sheet, "JPEG"))
    assert answer["text"].split("\n") == scores
    assert answer["confidence"] > 0.5


def test_a_number_is_read_among_more_specks_than_there_may_be_pieces_of_writing(
    client, write
):
    sheet = speckled(write("720", scale=4))
    assert read(client, encode(sheet))["text"] == "720"


@pytest.mark.slow
def test_digits_that_are_too_small_to_be_read_leave_no_sure_answer(client, digits):
    rows = digits[:200].reshape(20, 10, 28, 28)
    sheet = number(*rows, scale=2)
    for factor, problem in ((5, "too-much-writing"), (10, "not-sure")):
        small = sheet.resize((sheet.width // factor, sheet.height // factor))
        written = Image.new("L", (2400, 2000), 255)
        written.paste(small, (20, 20))
        answer = client.post("/read?min_confidence=0.7", content=encode(written))
        assert_problem(answer, 422, problem, "/read")


@pytest.mark.slow
def test_an_empty_ruled_page_is_read_as_empty(client):
    ruled = Image.new("L", (600, 800), 255)
    for row in range(15, 800, 15):
        ImageDraw.Draw(ruled).line((0, row, 600, row), fill=120)
    answer = read(client, encode(ruled))
    assert answer["text"] == ""
    assert answer["confidence"] > 0.7


@pytest.mark.slow
def test_a_page_is_read_if_only_its_columns_are_too_many(client, digits):
    """On its side, it has 35 lines."""
    rows = digits[:490:7].reshape(2, 35, 28, 28)
    wide = encode(number(*rows, scale=2))
    text = read(client, wide)["text"]
    assert text
    assert read(client, wide, "?rotate=auto")["text"] == text


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_picture_on_its_side_or_upside_down_is_turned_if_that_is_wanted(
    client, write, turn
):
    # With transparent margins, which are cropped.
    upright = Image.new("RGBA", (700, 300))
    upright.paste(write("725").convert("RGBA"), (90, 40))
    turned = upright.rotate(-turn, expand=True)
    answer = read(client, encode(turned), "?rotate=auto")
    assert answer["text"] == "725"
    assert answer.get("turn", 0) == turn
    expected = read(client, encode(upright))["lines"][0]["box"]
    assert answer["lines"][0]["box"] == pytest.approx(expected, abs=2)


def test_alternatives_are_the_next_texts_of_a_line(client, write):
    blurred = encode(write("72").resize((32, 18)))
    (line,) = read(client, blurred, "?alternatives=3")["lines"]
    texts = [line, *line["alternatives"]]
    assert len({each["text"] for each in texts}) == len(texts) == 4
    shares = [each["confidence"] for each in texts]
    assert shares == sorted(shares, reverse=True)
    assert "alternatives" not in read(client, blurred)["lines"][0]
    clear = encode(write("7"))
    (line,) = read(client, clear, "?alternatives=3")["lines"]
    assert line["alternatives"] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_page_of_a_file_with_several_is_chosen(client, write, kind):
    texts = ["72", "1", "568"]
    several = document([write(text) for text in texts], kind)
    for place, text in enumerate(texts, 1):
        assert read(client, several, f"?page={place}")["text"] == text
    for route in ("/predict", "/explain"):
        assert client.post(f"{route}?page=2", content=several).json()["digit"] == 1
    none_chosen = "The file has 3 pages: choose one, with ?page=1 or --page 1."
    no_such_page = "There is no page 4: the last one is 3."
    for route, query, detail in (
        ("/read", "?page=4", no_such_page),
        ("/predict", "?page=4", no_such_page),
        ("/explain", "?page=4", no_such_page),
        ("/predict", "", none_chosen),
        ("/explain", "", none_chosen),
    ):
        answer = client.post(f"{route}{query}", content=several)
        assert_problem(answer, 422, "no-such-page", route)
        assert answer.json()["detail"] == detail
    assert read(client, encode(write("72"), kind))["text"] == "72"
    answer = client.post("/predict?page=2", content=encode(write("72")))
    assert_problem(answer, 422, "no-such-page", "/predict")
