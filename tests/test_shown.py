"""The picture beside a text: upright, turned as it was read, and small."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.picture.shown import SIDE
from pictures import WAYS, encode, flat, number, transparent, turned_jpeg

TEXT = "725"


def read(client, picture: bytes, query: str = "") -> tuple[dict, Image.Image]:
    """Return an answer without its picture, and the picture."""
    answer = client.post(f"/read?picture=true{query}", content=picture)
    assert answer.status_code == 200, answer.text
    answer = answer.json()
    kind, data = answer.pop("picture").split(",")
    assert kind == "data:image/jpeg;base64"
    return answer, Image.open(BytesIO(b64decode(data)))


@pytest.fixture
def upright(digits) -> Image.Image:
    return number(digits[[350, 120, 250]])


def assert_is_shown(answer: dict, picture: Image.Image) -> None:
    """Check the text, and that each digit's box, scaled to the picture, has dark ink at
    its edges and hardly any beside it.
    """
    assert answer["text"] == TEXT
    assert max(picture.size) <= SIDE
    scale = picture.width / answer["size"]["width"]
    assert picture.height == pytest.approx(scale * answer["size"]["height"], abs=2)
    ink = np.asarray(picture.convert("L")) < 128
    inside = np.zeros_like(ink)
    digits = [digit for line in answer["lines"] for digit in line["digits"]]
    for digit in digits:
        left, top, width, height = (scale * side for side in digit["box"].values())
        rows = slice(round(top) - 3, round(top + height) + 3)
        columns = slice(round(left) - 3, round(left + width) + 3)
        inside[rows, columns] = True
        assert 0.05 < ink[rows, columns].mean() < 0.8
    assert ink[inside].sum() > 0.97 * ink.sum()


@pytest.mark.parametrize("way", [way for way in WAYS if way != "light on dark"])
def test_boxes_lie_on_the_picture(client, upright, way):
    answer, picture = read(client, WAYS[way](upright))
    scale = 4 if way == "large" else 1
    width, height = upright.size
    assert answer["size"] == {"width": scale * width, "height": scale * height}
    assert_is_shown(answer, picture)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_picture_is_turned_as_it_was_read(client, upright, turn):
    # With transparent margins, which are white in the answer.
    sheet = Image.new("RGBA", (700, 300))
    sheet.paste(upright.convert("RGBA"), (90, 40))
    file = encode(sheet.rotate(-turn, expand=True))
    answer, picture = read(client, file, "&rotate=auto")
    assert answer["turn"] == turn
    assert picture.size == (700, 300) == tuple(answer["size"].values())
    assert picture.getpixel((5, 5)) == (255, 255, 255)
    assert_is_shown(answer, picture)


@pytest.mark.parametrize("kind", ["PDF", "HEIF"])
def test_what_browsers_cannot_draw_is_returned_too(client, upright, kind):
    assert_is_shown(*read(client, encode(upright, kind)))


def test_the_answer_is_that_without_a_picture_which_is_only_returned_on_request(
    client, upright
):
    for file in (encode(upright), turned_jpeg(upright), transparent(upright)):
        answer, _ = read(client, file)
        plain = client.post("/read", content=file).json()
        del answer["size"]
        assert answer == plain


@pytest.mark.parametrize(
    ("size", "shown"), [((300, 200), (300, 200)), ((20_000, 1), (1600, 1))]
)
def test_an_empty_page_has_a_picture(client, size, shown):
    answer, picture = read(client, flat(255, size))
    assert answer["text"] == ""
    assert picture.size == shown


@pytest.mark.slow
def test_a_picture_of_50_megapixels_is_shown_within_the_decoders_limits(
    client, upright
):
    sheet = Image.new("RGB", (8000, 6250), "white")
    sheet.paste(upright.resize((8 * upright.width, 8 * upright.height)), (500, 500))
    answer, picture = read(client, encode(sheet))
    assert answer["text"] == TEXT
    assert tuple(answer["size"].values()) == sheet.size
    assert 800 < picture.width <= SIDE
