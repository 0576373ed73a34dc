"""`POST /read` with real digits: numbers of several digits and lines."""

import time
from difflib import SequenceMatcher

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.picture.maps import Box, connected
from app.text.text import read_text
from support import (
    HOSTILE,
    MINUS,
    POINT,
    WAYS,
    assert_problem,
    encode,
    flat,
    letter,
    levels_of,
    number,
    page,
    page_network,
    speckled,
    turned_jpeg,
)

DIGIT_FIELDS = ["digit", "confidence", "probabilities", "legibility", "box"]


@pytest.fixture
def picture(digits) -> bytes:
    return encode(number(digits[[350, 120]]))


@pytest.fixture
def two_lines(digits) -> Image.Image:
    return number(digits[[350, 120, 0]], digits[[60, 200]])


def read(client, picture: bytes, query: str = "") -> dict:
    answer = client.post(f"/read{query}", content=picture)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_answer_has_the_text_its_lines_and_their_digits(
    client, picture, line_network
):
    answer = read(client, picture, "?frame=true")
    assert list(answer) == ["text", "confidence", "lines", "model"]
    assert (answer["text"], answer["model"]) == (
        "72",
        f"{line_network.version}+{page_network().version}",
    )
    (line,), (expected,) = (
        answer["lines"],
        read_text(picture, line_network, page_network()).lines,
    )
    assert list(line) == ["text", "confidence", "box", "digits", "marks"]
    assert (line["text"], line["marks"]) == ("72", [])
    assert 0.9 < answer["confidence"] <= 1
    assert 0.9 < line["confidence"] <= 1
    assert [digit["digit"] for digit in line["digits"]] == [7, 2]
    for digit, read_here in zip(line["digits"], expected.digits, strict=True):
        assert list(digit) == [*DIGIT_FIELDS, "frame"]
        assert sum(digit["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert (
            digit["confidence"]
            == max(digit["probabilities"])
            == digit["probabilities"][digit["digit"]]
        )
        assert digit["legibility"] > 0.9
        np.testing.assert_allclose(
            levels_of(digit["frame"]), 255 * read_here.frame, atol=0.51
        )
    assert list(read(client, picture)["lines"][0]["digits"][0]) == DIGIT_FIELDS


def test_marks_are_read_with_their_boxes_or_left_out_on_request(client, digits):
    amounts = encode(
        number([MINUS, *digits[[350, 120]], POINT, digits[0]], [digits[350]])
    )
    answer = read(client, amounts)
    assert answer["text"] == "-72.0\n7"
    line, other = answer["lines"]
    minus, point = line["marks"]
    assert (list(minus), minus["mark"], point["mark"], other["marks"]) == (
        ["mark", "box"],
        "-",
        ".",
        [],
    )
    seven, two, zero = (box_of(digit["box"]) for digit in line["digits"])
    assert box_of(minus["box"]).right <= seven.left
    assert (
        two.right <= box_of(point["box"]).left < box_of(point["box"]).right <= zero.left
    )
    reduced = read(client, amounts, "?marks=false")
    assert reduced["text"] == "720\n7"
    assert [(each["text"], each["marks"]) for each in reduced["lines"]] == [
        ("720", []),
        ("7", []),
    ]
    assert [each["digits"] for each in reduced["lines"]] == [
        each["digits"] for each in answer["lines"]
    ]
    # Marks do not count.
    assert read(client, amounts, "?length=4")["text"] == "-72.0\n7"


@pytest.mark.parametrize("way", WAYS)
def test_lines_come_from_top_to_bottom_and_each_box_is_where_its_digit_is(
    client, two_lines, way
):
    answer = read(
        client,
        turned_jpeg(two_lines, quality=90) if "JPEG" in way else WAYS[way](two_lines),
    )
    assert (answer["text"], [line["text"] for line in answer["lines"]]) == (
        "720\n14",
        ["720", "14"],
    )
    scale = 4 if way == "large" else 1
    drawn = connected(np.asarray(two_lines) < 128)
    for row, line in enumerate(answer["lines"]):
        of_line, boxes = (
            box_of(line["box"]),
            [box_of(digit["box"]) for digit in line["digits"]],
        )
        # As `number` drew it.
        assert (
            144 * scale * row <= of_line.top < of_line.bottom <= 144 * scale * (row + 1)
        )
        assert Box.around(np.array(boxes)) == of_line
        parts = drawn[144 * row : 144 * (row + 1)]
        ends = sorted(
            (slices[1].start, slices[1].stop, slices[0].start, slices[0].stop)
            for slices in places(parts)
        )
        for box, (left, right, top, bottom) in zip(boxes, ends, strict=True):
            expected = Box(top + 144 * row, bottom + 144 * row, left, right)
            assert box == pytest.approx(
                [scale * edge for edge in expected], abs=6 * scale
            )


def places(labels: np.ndarray) -> list[tuple[slice, slice]]:
    """Return where each component is."""
    found = [np.nonzero(labels == label) for label in np.unique(labels)[1:]]
    return [tuple(slice(axis.min(), axis.max() + 1) for axis in axes) for axes in found]


def box_of(answer: dict[str, int]) -> Box:
    """Convert an answer's box."""
    left, top, width, height = answer.values()
    return Box(top, top + height, left, left + width)


def test_a_picture_without_ink_has_an_empty_text_and_letters_no_certain_one(client):
    for value in (0, 255):
        answer = read(client, flat(value))
        assert (answer["text"], answer["lines"]) == ("", [])
        assert answer["confidence"] > 0.9
    answers = [read(client, encode(letter(text))) for text in "AWRK"]
    assert (
        sum(answer["text"] != "" and answer["confidence"] > 0.9 for answer in answers)
        <= 1
    )


def test_a_text_has_the_requested_length_over_all_lines_if_that_is_possible(
    client, picture, two_lines
):
    assert [
        len(read(client, picture, f"?length={length}")["text"]) for length in (1, 2)
    ] == [1, 2]
    assert read(client, encode(two_lines), "?length=5")["text"] == "720\n14"
    for impossible in (picture, flat(255)):
        answer = client.post("/read?length=64", content=impossible)
        assert_problem(answer, 422, "impossible-length", "/read")
        expected = (
            "The picture cannot be read with a length of 64: leave the length out, "
            "or correct it."
        )
        assert answer.json()["detail"] == expected


def noise(side: int, size: int) -> Image.Image:
    """Draw squares of random levels."""
    levels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    return Image.fromarray(levels.repeat(size, 0).repeat(size, 1))


CROWDED = {  # and whether there is too much
    "fine noise": (lambda _: noise(640, 1), False),
    "coarse noise": (lambda _: noise(40, 16), False),
    "150 digits in a line": (lambda digits: number(digits[:450:3], scale=1), True),
    "40 lines": (
        lambda digits: number(*digits[:80].reshape(40, 2, 28, 28), scale=1),
        False,
    ),
    "625 digits": (
        lambda digits: number(*np.resize(digits, (25, 25, 28, 28)), scale=1),
        False,
    ),
    "4,224 digits": (
        lambda digits: number(*np.resize(digits, (66, 64, 28, 28)), scale=1),
        True,
    ),
}
TOO_MUCH = (
    "There is too much writing or noise in the picture: crop it to fewer lines, or "
    "send it sharper."
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CROWDED)
def test_an_answer_is_limited_however_full_the_picture(client, digits, name):
    draw, is_too_much = CROWDED[name]
    started = time.perf_counter()
    answer = client.post("/read", content=encode(draw(digits)))
    assert time.perf_counter() - started < 8
    if is_too_much:
        assert_problem(answer, 422, "too-much-writing", "/read")
        assert answer.json()["detail"] == TOO_MUCH
    else:
        lines = answer.json()["lines"]
        assert all(
            len(line["digits"]) <= 64 and (line["digits"] or line["marks"])
            for line in lines
        )


OVER_A_LIMIT = {
    "100 digits in a line": lambda digits: page(digits[::5], size=(2600, 400)),
    "4,224 digits": lambda digits: number(
        *np.resize(digits, (66, 64, 28, 28)), scale=1
    ),
}
OPTIONS = [
    "",
    "?rotate=auto",
    "?characters=01234567",
    "?marks=false",
    "?page=1",
    "?min_confidence=0.5",
]


@pytest.mark.parametrize("query", OPTIONS)
@pytest.mark.parametrize("name", OVER_A_LIMIT)
def test_too_much_writing_is_a_problem_however_it_is_asked(client, digits, name, query):
    answer = client.post(f"/read{query}", content=encode(OVER_A_LIMIT[name](digits)))
    assert_problem(answer, 422, "too-much-writing", "/read")
    assert answer.json()["detail"] == TOO_MUCH


@pytest.mark.parametrize("turn", [0, 90, 180])
def test_forty_rows_on_a_page_are_read_also_on_its_side(client, digits, labels, turn):
    rows = np.random.default_rng(0).permutation(len(digits))[:160].reshape(40, 4)
    sheet = page(*(digits[row] for row in rows), size=(1400, 2000)).rotate(
        -turn, expand=True
    )
    answer = read(client, encode(sheet), "?rotate=auto")
    texts = ["".join(map(str, labels[row])) for row in rows]
    same = SequenceMatcher(
        None, answer["text"].split("\n"), texts, autojunk=False
    ).get_matching_blocks()
    assert sum(block.size for block in same) >= 34
    assert answer.get("turn", 0) == turn


def test_numbers_in_a_grid_are_a_table_whose_empty_cells_stay_in_place(client, digits):
    sheet = Image.new("L", (900, 700), 255)
    cells = {
        (0, 0): [350, 120],
        (0, 1): [0],
        (0, 2): [250, 50],
        (1, 0): [60],
        (1, 2): [120, 0],
        (2, 0): [350],
        (2, 1): [50],
    }
    for (row, column), chosen in cells.items():
        sheet.paste(
            number(digits[chosen], scale=1), (60 + 300 * column, 40 + 220 * row)
        )
    answer = read(client, encode(sheet))
    assert answer["table"] == [["72", "0", "51"], ["1", "", "20"], ["7", "1", ""]]
    assert answer["text"] == "72 0 51\n1 20\n7 1"
    assert read(client, encode(sheet), "?marks=false")["table"] == answer["table"]


def test_names_beside_numbers_are_skipped_and_do_not_make_them_unsure(
    client, digits, labels
):
    sheet = Image.new("L", (900, 1200), 255)
    draw = ImageDraw.Draw(sheet)
    names = [
        "Abigail",
        "Benjamin",
        "Charlotte",
        "Daniel",
        "Elizabeth",
        "Frederick",
        "Gabriela",
        "Henrietta",
        "Isabella",
    ]
    scores = [
        (350, 120),
        (60, 0),
        (250, 50),
        (120, 350),
        (400, 60),
        (0, 250),
        (50, 120),
        (350, 400),
        (120, 60),
    ]
    for row, (name, score) in enumerate(zip(names, scores, strict=True)):
        draw.text((80, 60 + 120 * row), name, 0, ImageFont.load_default(48))
        sheet.paste(number(digits[[*score]], scale=2), (560, 40 + 120 * row))
    answer = read(client, encode(sheet, "JPEG"))
    assert answer["text"].split("\n") == [
        "".join(map(str, labels[[*score]])) for score in scores
    ]
    assert answer["confidence"] > 0.5


def test_a_number_is_read_among_more_specks_than_there_may_be_pieces_of_writing(
    client, digits
):
    assert (
        read(client, encode(speckled(number(digits[[350, 120, 0]], scale=4))))["text"]
        == "720"
    )


def test_digits_that_are_too_small_to_be_read_leave_no_sure_answer(client, digits):
    sheet = number(*digits[:200].reshape(20, 10, 28, 28), scale=2)
    for factor, problem in (5, "too-much-writing"), (10, "not-sure"):
        written = Image.new("L", (2400, 2000), 255)
        written.paste(
            sheet.resize((sheet.width // factor, sheet.height // factor)), (20, 20)
        )
        answer = client.post("/read?min_confidence=0.7", content=encode(written))
        assert_problem(answer, 422, problem, "/read")


def test_an_empty_ruled_page_is_read_as_empty(client):
    ruled = Image.new("L", (600, 800), 255)
    for row in range(15, 800, 15):
        ImageDraw.Draw(ruled).line((0, row, 600, row), fill=120)
    answer = read(client, encode(ruled))
    assert answer["text"] == ""
    assert answer["confidence"] > 0.7


def test_a_page_is_read_if_only_its_columns_are_too_many(client, digits):
    """On its side, it has 35 lines."""
    wide = encode(number(*digits[:500:7][:70].reshape(2, 35, 28, 28), scale=2))
    assert (
        read(client, wide, "?rotate=auto")["text"] == read(client, wide)["text"] != ""
    )


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_picture_on_its_side_or_upside_down_is_turned_if_that_is_wanted(
    client, digits, turn
):
    # With transparent margins, which are cropped.
    upright = Image.new("RGBA", (700, 300))
    upright.paste(number(digits[[350, 120, 250]]).convert("RGBA"), (90, 40))
    answer = read(client, encode(upright.rotate(-turn, expand=True)), "?rotate=auto")
    assert (answer["text"], answer.get("turn", 0)) == ("725", turn)
    expected = read(client, encode(upright))["lines"][0]["box"]
    assert answer["lines"][0]["box"] == pytest.approx(expected, abs=2)


def test_alternatives_are_the_next_texts_of_a_line(client, digits):
    blurred = encode(number(digits[[350, 120]]).resize((32, 18)))
    (line,) = read(client, blurred, "?alternatives=3")["lines"]
    shares = {
        each["text"]: each["confidence"] for each in (line, *line["alternatives"])
    }
    assert len(shares) == 4
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert "alternatives" not in read(client, blurred)["lines"][0]
    (line,) = read(client, encode(number(digits[[350]])), "?alternatives=3")["lines"]
    assert line["alternatives"] == []


@pytest.fixture
def pages(digits) -> list[Image.Image]:
    return [
        number(digits[[350, 120]]),
        number(digits[[50]]),
        number(digits[[250, 300, 400]]),
    ]


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_page_of_a_file_with_several_is_chosen(client, pages, kind):
    several = encode(pages[0], kind, save_all=True, append_images=pages[1:])
    assert [read(client, several, f"?page={page}")["text"] for page in (1, 2, 3)] == [
        "72",
        "1",
        "568",
    ]
    for route in ("/predict", "/explain"):
        assert client.post(f"{route}?page=2", content=several).json()["digit"] == 1
    none_chosen = "The file has 3 pages: choose one, with ?page=1 or --page 1."
    no_such_page = "There is no page 4: the last one is 3."
    for route in ("/read", "/predict", "/explain"):
        details = {"?page=4": no_such_page} | (
            {"": none_chosen} if route != "/read" else {}
        )
        for query, detail in details.items():
            answer = client.post(f"{route}{query}", content=several)
            assert_problem(answer, 422, "no-such-page", route)
            assert answer.json()["detail"] == detail
    assert read(client, encode(pages[0], kind))["text"] == "72"
    assert_problem(
        client.post("/predict?page=2", content=encode(pages[0])),
        422,
        "no-such-page",
        "/predict",
    )


def test_a_pdf_that_cannot_be_opened_is_a_problem_that_says_what_to_do(client):
    for name, status, kind in (
        ("cut pdf", 422, "corrupt-image"),
        ("encrypted pdf", 415, "not-an-image"),
    ):
        data, _, message = HOSTILE[name]
        answer = client.post("/read", content=data)
        assert_problem(answer, status, kind, "/read")
        assert message in answer.json()["detail"]
