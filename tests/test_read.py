"""`POST /read` with real digits: numbers of several digits and lines, and errors."""

import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from app.inference.reader import Reader
from app.inference.text import read_text
from app.main import create_app
from app.preprocess.decode import open_image
from app.preprocess.errors import NotAnImage
from app.preprocess.maps import Box
from app.settings import Settings
from app.web import problems
from support import MAX_PIXELS, MINUS, POINT, assert_problem, encode, flat, letter, levels_of, number, turned_jpeg

FIELDS = ["text", "confidence", "lines", "model"]
LINE_FIELDS = ["text", "confidence", "box", "digits", "marks"]
DIGIT_FIELDS = ["digit", "confidence", "probabilities", "legibility", "box"]


@pytest.fixture
def picture(digits) -> bytes:
    return encode(number(digits[[350, 120]]))


@pytest.fixture
def two_lines(digits) -> Image.Image:
    return number(digits[[350, 120, 0]], digits[[60, 200]])


@pytest.mark.slow
def test_all_digits_of_clear_numbers_are_read(client, digits, labels):
    rng = np.random.default_rng(0)
    numbers = [rng.integers(0, len(digits), rng.integers(1, 7)) for _ in range(30)]
    read = [client.post("/read", content=encode(number(digits[chosen]))).json()["text"] for chosen in numbers]
    right = sum(text == "".join(map(str, labels[chosen])) for text, chosen in zip(read, numbers, strict=True))
    assert right >= 28


def test_the_answer_has_the_text_its_lines_and_their_digits(client, picture, line_network):
    answer = client.post("/read", content=picture).json()
    assert list(answer) == FIELDS
    assert (answer["text"], answer["model"]) == ("72", line_network.version)
    (line,) = answer["lines"]
    assert list(line) == LINE_FIELDS
    assert (line["text"], line["marks"]) == ("72", [])
    assert 0.9 < answer["confidence"] <= 1
    assert 0.9 < line["confidence"] <= 1
    assert [digit["digit"] for digit in line["digits"]] == [7, 2]
    for digit in line["digits"]:
        assert list(digit) == DIGIT_FIELDS
        assert sum(digit["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert digit["confidence"] == max(digit["probabilities"]) == digit["probabilities"][digit["digit"]]
        assert digit["legibility"] > 0.9


@pytest.fixture
def amount(digits) -> bytes:
    return encode(number([MINUS, *digits[[350, 120]], POINT, digits[0]]))


def test_a_text_is_as_written_with_the_box_of_each_mark(client, amount):
    answer = client.post("/read", content=amount).json()
    assert answer["text"] == "-72.0"
    (line,) = answer["lines"]
    assert [digit["digit"] for digit in line["digits"]] == [7, 2, 0]
    minus, point = line["marks"]
    assert (list(minus), minus["mark"], point["mark"]) == (["mark", "box"], "-", ".")
    seven, two, zero = (box_of(digit["box"]) for digit in line["digits"])
    assert box_of(minus["box"]).right <= seven.left
    assert two.right <= box_of(point["box"]).left < box_of(point["box"]).right <= zero.left


def test_marks_are_left_out_on_request(client, amount):
    answer = client.post("/read?marks=false", content=amount).json()
    assert answer["text"] == "720"
    (line,) = answer["lines"]
    assert (line["text"], len(line["digits"]), line["marks"]) == ("720", 3, [])


def test_marks_do_not_count_for_a_length(client, amount):
    assert client.post("/read?length=3", content=amount).json()["text"] == "-72.0"


def test_a_form_field_is_read_too(client, picture):
    assert client.post("/read", files={"file": ("72.png", picture)}).json()["text"] == "72"


def test_lines_come_from_top_to_bottom(client, two_lines):
    answer = client.post("/read", content=encode(two_lines)).json()
    assert answer["text"] == "720\n14"
    assert [line["text"] for line in answer["lines"]] == ["720", "14"]
    first, second = (line["box"] for line in answer["lines"])
    assert first["top"] + first["height"] <= second["top"]


WAYS = {
    "dark on light": lambda image: encode(image),
    "light on dark": lambda image: encode(ImageOps.invert(image)),
    "a JPEG turned by EXIF": lambda image: turned_jpeg(image, quality=90),
    "16 times the pixels": lambda image: encode(image.resize((4 * image.width, 4 * image.height))),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_box_is_where_its_digit_is_on_the_upright_picture(client, two_lines, way):
    answer = client.post("/read", content=WAYS[way](two_lines)).json()
    assert answer["text"] == "720\n14"
    scale = 4 if way == "16 times the pixels" else 1
    for row, line in enumerate(answer["lines"]):
        boxes = [box_of(digit["box"]) for digit in line["digits"]]
        assert all(before.right <= after.left for before, after in pairwise(boxes))
        for box in boxes:
            assert lies_in(box, Box(144 * scale * row, 144 * scale * (row + 1), 0, 1000 * scale))  # as `number` drew it
            assert lies_in(box, box_of(line["box"]))
            assert box.bottom - box.top > 50 * scale


def lies_in(inner: Box, outer: Box) -> bool:
    """Return whether a box lies completely in another."""
    return (
        outer.top <= inner.top < inner.bottom <= outer.bottom and outer.left <= inner.left < inner.right <= outer.right
    )


def box_of(answer: dict[str, int]) -> Box:
    """Convert an answer's box."""
    left, top, width, height = answer.values()
    return Box(top, top + height, left, left + width)


def test_the_frames_are_those_of_the_digits(client, picture, line_network):
    (line,) = client.post("/read?frame=true", content=picture).json()["lines"]
    (expected,) = read_text(picture, line_network, MAX_PIXELS).lines
    for answer, digit in zip(line["digits"], expected.digits, strict=True):
        assert list(answer) == [*DIGIT_FIELDS, "frame"]
        np.testing.assert_allclose(levels_of(answer["frame"]), 255 * digit.frame, atol=0.51)


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_without_ink_has_an_empty_text(client, value, line_network):
    answer = client.post("/read", content=flat(value))
    assert answer.status_code == 200
    found = answer.json()
    assert (found["text"], found["lines"], found["model"]) == ("", [], line_network.version)
    assert found["confidence"] > 0.9


def test_non_digits_are_rarely_read_with_certainty(client):
    answers = [client.post("/read", content=encode(letter(text))).json() for text in "AWRK"]
    assert sum(answer["text"] != "" and answer["confidence"] > 0.9 for answer in answers) <= 1


@pytest.mark.parametrize("length", [1, 2])
def test_a_text_has_the_requested_length(client, picture, length):
    answer = client.post(f"/read?length={length}", content=picture)
    assert answer.status_code == 200
    assert len(answer.json()["text"]) == length


def test_the_length_counts_the_digits_of_all_lines(client, two_lines):
    assert client.post("/read?length=5", content=encode(two_lines)).json()["text"] == "720\n14"


@pytest.mark.parametrize("on_it", ["a number", "nothing"])
def test_an_impossible_length_is_a_problem(client, picture, on_it):
    answer = client.post("/read?length=64", content=picture if on_it == "a number" else flat(255))
    assert_problem(answer, 422, "impossible-length", "/read")
    expected = "The picture cannot be read with a length of 64: leave the length out, or correct it."
    assert answer.json()["detail"] == expected


INVALID = {
    "length=0": "length must be at least 1, and not '0'",
    "length=65": "length must be at most 64, and not '65'",
    "length=two": "length must be a whole number, and not 'two'",
    "length=": "length must be a whole number, and not ''",
    "frame=perhaps": "frame must be true or false, and not 'perhaps'",
    "marks=perhaps": "marks must be true or false, and not 'perhaps'",
    "min_confidence=high": "min_confidence must be a number, and not 'high'",
    "min_confidence=nan": "min_confidence must be at most 1, and not 'nan'",
    "lengths=4": "lengths is no parameter of this route: /docs lists them",
}


@pytest.mark.parametrize("query", INVALID)
def test_an_invalid_parameter_is_a_problem(client, picture, query):
    answer = client.post(f"/read?{query}", content=picture)
    assert_problem(answer, 422, "invalid-parameter", "/read")
    assert answer.json()["detail"] == f"{INVALID[query]}."


def test_an_answer_that_is_not_sure_enough_is_a_problem_with_the_answer_in_it(client, picture):
    text = client.post("/read", content=picture).json()
    assert client.post("/read?min_confidence=0.5", content=picture).json() == text
    answer = client.post("/read?min_confidence=1", content=picture)
    assert_problem(answer, 422, "not-sure", "/read")
    assert answer.json()["reading"] == text


def test_a_text_is_never_refused_for_its_legibility(picture):
    with TestClient(create_app(Settings(min_legibility=1))) as client:
        assert client.post("/read", content=picture).json()["text"] == "72"


def noise(side: int, size: int) -> bytes:
    """Draw squares of random levels."""
    levels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    return encode(Image.fromarray(levels).resize((side * size, side * size), Image.Resampling.NEAREST))


CROWDED = {
    "fine noise": lambda _: noise(640, 1),
    "coarse noise": lambda _: noise(40, 16),
    "150 digits in a line": lambda digits: encode(number(digits[:450:3], scale=1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CROWDED)
def test_an_answer_is_limited_however_full_the_picture(client, digits, name):
    client.post("/read", content=flat(255))  # starts the decoders
    started = time.perf_counter()
    answer = client.post("/read", content=CROWDED[name](digits))
    assert time.perf_counter() - started < 8
    if answer.status_code == 200:
        lines = answer.json()["lines"]
        assert len(lines) <= 32
        assert all(len(line["digits"]) <= 64 and (line["digits"] or line["marks"]) for line in lines)
    else:
        problem = answer.json()["type"].removeprefix("/problems/")
        assert problem in {"too-complex", "too-much-writing"}
        assert_problem(answer, 422, problem, "/read")


def test_more_than_32_lines_are_refused(client, digits):
    sheet = number(*digits[:480].reshape(40, 12, 28, 28)[:, :2], scale=1)
    answer = client.post("/read", content=encode(sheet))
    assert_problem(answer, 422, "too-much-writing", "/read")
    assert answer.json()["detail"] == "There is too much writing or noise in the picture: crop it and try again."


def test_a_small_picture_takes_a_place_in_the_large_queue(client, digits, monkeypatch):
    places, read_text, metrics = [], Reader.read_text, client.app_state["service"].metrics

    async def spied(reader: Reader, data: bytes, **options):
        places.append(
            [metrics.registry.get_sample_value("digits_queue_depth", {"queue": name}) for name in ("small", "large")]
        )
        return await read_text(reader, data, **options)

    monkeypatch.setattr(Reader, "read_text", spied)
    assert client.post("/read", content=encode(digits[350])).json()["text"] == "7"
    assert places == [[0, 1]]


def test_a_picture_that_waits_too_long_is_refused_as_overloaded(picture, monkeypatch):
    with TestClient(create_app(Settings(queue_seconds=1e-9))) as client:
        client.app_state["service"].admission.large.length += 1
        client.app_state["service"].admission.large.cost = 1.0
        answer = client.post("/read", content=picture)
    assert_problem(answer, 503, "overloaded", "/read")
    assert answer.headers["retry-after"] == "1"


def test_openapi_has_an_example_for_every_answer(client):
    responses = client.get("/openapi.json").json()["paths"]["/read"]["post"]["responses"]
    example = responses["200"]["content"]["application/json"]["example"]
    assert list(example) == FIELDS
    assert list(example["lines"][0]) == LINE_FIELDS
    assert list(example["lines"][0]["digits"][0]) == DIGIT_FIELDS
    named = {name for r in responses.values() for name in r["content"].get(problems.MEDIA_TYPE, {}).get("examples", {})}
    of_others = {"blank-image", "not-a-digit", "too-many-pictures", "invalid-inference", "unknown-version"}
    of_others |= {"unknown-unit", "corrections-off", "cross-origin", "correction-not-stored"}
    assert named == {each.name for each in problems.TYPES.values()} - of_others


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_picture_on_its_side_or_upside_down_is_turned_if_that_is_wanted(client, digits, turn):
    upright = Image.new("RGBA", (700, 300))  # with transparent margins, which are cropped
    written = number(digits[[350, 120, 250]])
    upright.paste(written.convert("RGBA"), (90, 40))
    answer = client.post("/read?rotate=auto", content=encode(upright.rotate(-turn, expand=True))).json()
    assert (answer["text"], answer.get("turn", 0)) == ("725", turn)
    expected = client.post("/read", content=encode(upright)).json()["lines"][0]["box"]
    box = answer["lines"][0]["box"]
    assert all(abs(box[edge] - expected[edge]) <= 2 for edge in box)


def test_alternatives_are_the_next_texts_of_a_line(client, digits):
    blurred = encode(number(digits[[350, 120]]).resize((24, 14)))
    (line,) = client.post("/read?alternatives=3", content=blurred).json()["lines"]
    shares = [line["confidence"], *(each["confidence"] for each in line["alternatives"])]
    assert len(shares) == 4
    assert shares == sorted(shares, reverse=True)
    assert len({line["text"], *(each["text"] for each in line["alternatives"])}) == 4
    assert "alternatives" not in client.post("/read", content=blurred).json()["lines"][0]


@pytest.fixture
def pages(digits) -> list[Image.Image]:
    return [number(digits[[350, 120]]), number(digits[[50]]), number(digits[[250, 300, 400]])]


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_page_of_a_file_with_several_is_chosen(client, pages, kind):
    several = encode(pages[0], kind, save_all=True, append_images=pages[1:])
    texts = [client.post(f"/read?page={page}", content=several).json()["text"] for page in (1, 2, 3)]
    assert texts == ["72", "1", "568"]
    assert client.post("/predict?page=2", content=several).json()["digit"] == 1
    for route in ("/read", "/predict"):
        answer = client.post(route, content=several)
        assert_problem(answer, 422, "no-such-page", route)
        assert answer.json()["detail"] == "The file has 3 pages: choose one of them, such as page 1."
        answer = client.post(f"{route}?page=4", content=several)
        assert answer.json()["detail"] == "There is no page 4: the last one is 3."
    assert client.post("/read", content=encode(pages[0], kind)).json()["text"] == "72"
    assert_problem(client.post("/predict?page=2", content=encode(pages[0])), 422, "no-such-page", "/predict")


@pytest.mark.parametrize("damage", [lambda pdf: pdf[:200], lambda pdf: b"%PDF-1.7 " + bytes(2000)])
def test_a_damaged_pdf_is_a_problem(client, pages, damage):
    assert_problem(client.post("/read", content=damage(encode(pages[0], "PDF"))), 422, "corrupt-image", "/read")


def test_without_its_library_a_pdf_is_refused(pages, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(NotAnImage, match="the extra `pdf`"):
        open_image(encode(pages[0], "PDF"), MAX_PIXELS)
