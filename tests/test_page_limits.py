"""How much of a page is read.

Dense pages, and pictures made to look like them, get an answer or a problem in time.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from answers import assert_problem
from app.picture.opening import open_image
from app.serving.decoder import SHARED, NeedsExclusiveDecoder, limited
from app.text.limits import TooMuchWriting
from app.text.line_network import LineNetwork
from app.text.page_reader import MAX_WIDTH
from app.text.reading import AS_WRITTEN, TextOptions, decoded, read_text, text_in
from networks import line_network, page_network
from paths import LINES_MODEL
from pictures import encode, load_sheet, number, written

pytestmark = pytest.mark.slow

TOO_MUCH = (
    "There is too much writing or noise in the picture: crop it to fewer lines, or "
    "send it sharper."
)
MNIST_DIGITS, _ = load_sheet()


def newspaper() -> Image.Image:
    page = Image.new("L", (1600, 2200), 250)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(16)
    random = np.random.default_rng(0)
    for column in range(8):
        for row in range(80):
            words = "".join(random.choice([*"0123456789 aetino"], size=18))
            draw.text((200 * column + 10, 27 * row + 20), words, fill=20, font=font)
    return page


def specks() -> Image.Image:
    page = np.full((1500, 1500), 255, np.uint8)
    for top, left in np.random.default_rng(0).integers(0, 1496, (5000, 2)):
        page[top : top + 3, left : left + 3] = 0
    return Image.fromarray(page)


def ruled() -> Image.Image:
    column = np.tile(np.repeat(np.uint8([255, 60]), [14, 2]), 94)  # (1504,)
    return Image.fromarray(np.tile(column[:, np.newaxis], 1500))


rows_of = partial(written, MNIST_DIGITS)


def very_wide() -> Image.Image:
    return rows_of(1, 1170).resize((32_767, 20))


def large() -> Image.Image:
    return rows_of(40, 25).resize((12_000, 4_000))


READ = {
    "40 rows of 25 digits": partial(rows_of, 40, 25),
    "table of 40 by 10": partial(rows_of, 40, 10, (40, 120), of=3),
}
OTHERS = {
    "5,000 specks": specks,
    "ruled": ruled,
    "covered with 1s": partial(written, MNIST_DIGITS[50:51], 53, 75, (28, 20)),
    "1 by 20,000": partial(Image.new, "L", (1, 20_000), 255),
    "32,767 by 20": very_wide,
    "12,000 by 4,000": large,
}
TOO_DENSE = {
    "newspaper": newspaper,
    "table of 60 by 12": partial(rows_of, 60, 12, (34, 120), of=3),
    "line of 150 digits": partial(rows_of, 1, 150),
}


@pytest.mark.parametrize("name", READ)
def test_dense_pages_are_read(client, name):
    answer = client.post("/read", content=encode(READ[name]())).json()
    assert len(answer["lines"]) == 40


@pytest.mark.parametrize("name", OTHERS)
def test_what_looks_like_a_page_gets_an_answer_that_is_not_sure_or_a_problem(
    client, name
):
    picture = OTHERS[name]()
    if picture.width < 12_000:
        file = encode(picture)
    else:
        file = encode(picture.convert("1"), "TIFF", compression="group4")
    answer = client.post("/read", content=file)
    if answer.status_code == 200:
        assert answer.json()["text"] == "" or answer.json()["confidence"] < 0.9
    else:
        assert_problem(answer, 422, "too-much-writing", "/read")
        assert answer.json()["detail"] == TOO_MUCH


def read_noting(
    file: bytes,
    network: LineNetwork,
    widths: list[float],
    options: TextOptions = AS_WRITTEN,
) -> None:
    """Read a page, and note the widths of its strips before they are read."""
    picture = decoded(open_image(file))
    text_in(picture, network, page_network(), options, widths.append)


class NotingNetwork(LineNetwork):
    """Notes the widths of the strips that it reads, with padding."""

    def __init__(self) -> None:
        super().__init__(LINES_MODEL)
        self.widths = list[int]()

    def __call__(
        self, strips: list[np.ndarray], padding: int | None = None
    ) -> list[np.ndarray]:
        outputs = super().__call__(strips, padding)
        self.widths += [len(columns) * self.spec.stride for columns in outputs]
        return outputs


@pytest.mark.parametrize(
    ("name", "query"), [*zip(TOO_DENSE, ["", "?rotate=auto", "?length=4"], strict=True)]
)
def test_more_writing_than_can_be_read_is_a_problem_before_it_takes_the_time(
    client, name, query
):
    file = encode(TOO_DENSE[name]())
    answer = client.post(f"/read{query}", content=file)
    assert_problem(answer, 422, "too-much-writing", "/read")
    assert answer.json()["detail"] == TOO_MUCH
    widths: list[float] = []
    with pytest.raises(TooMuchWriting):
        read_noting(file, line_network(), widths)
    assert widths == []


@pytest.mark.parametrize(
    ("name", "turns"),
    [("40 rows of 25 digits", (0,)), ("table of 40 by 10", (0, 90, 180, 270))],
)
def test_no_more_is_read_of_a_page_than_was_asked_for(name, turns):
    network = NotingNetwork()
    widths: list[float] = []
    read_noting(encode(READ[name]()), network, widths, TextOptions(turns=turns))
    beside = 4 * len(turns) * 960  # the whole picture, as one line
    assert 0 < sum(network.widths) <= sum(widths) + beside
    assert max(widths) <= MAX_WIDTH


@pytest.mark.parametrize("name", ["a page", "a line"])
def test_no_other_direction_is_tried_where_the_picture_is_upright(name):
    picture = rows_of(12, 8, (40, 100), of=2)
    if name == "a line":
        picture = number(MNIST_DIGITS[[350, 120, 250]])
    read = []
    texts = []
    for turns in ((0,), (0, 90, 180, 270)):
        network = NotingNetwork()
        options = TextOptions(turns=turns)
        texts.append(read_text(encode(picture), network, page_network(), options).text)
        read.append(sorted(network.widths))
    assert read[0] == read[1]
    assert texts[0] == texts[1] != ""


def test_a_page_of_much_writing_is_read_exclusively():
    widths: list[float] = []
    for rows in (4, 40):
        read_noting(encode(rows_of(rows, 25)), line_network(), widths)
    short, long = widths
    limits = replace(SHARED, processor_seconds=100)
    with limited(limits, 10**10):  # which stops the timer that ends a process
        limits.extend(short)
        with pytest.raises(NeedsExclusiveDecoder):
            limits.extend(long)
