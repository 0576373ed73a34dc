"""How much of a page is read: dense pages, and pictures made to look like them, get an
answer or a problem in time.
"""

from collections.abc import Callable
from functools import partialmethod

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.picture.errors import TooMuchWriting
from app.serving.decoder import SHARED, NeedsExclusiveDecoder, allow_page, limited
from app.text.hypotheses import MAX_WIDTH
from app.text.line_network import LineNetwork
from app.text.text import read_text
from support import assert_problem, encode, line_network, page_network, written

TOO_MUCH = (
    "There is too much writing or noise in the picture: crop it to fewer lines, or "
    "send it sharper."
)


def newspaper(_: np.ndarray) -> Image.Image:
    page, font = Image.new("L", (1600, 2200), 250), ImageFont.load_default(16)
    draw, random = ImageDraw.Draw(page), np.random.default_rng(0)
    for column in range(8):
        for row in range(80):
            words = "".join(random.choice([*"0123456789 aetino"], size=18))
            draw.text((200 * column + 10, 27 * row + 20), words, fill=20, font=font)
    return page


def specks(_: np.ndarray) -> Image.Image:
    page = np.full((1500, 1500), 255, np.uint8)
    for top, left in np.random.default_rng(0).integers(0, 1496, (5000, 2)):
        page[top : top + 3, left : left + 3] = 0
    return Image.fromarray(page)


def halftone(_: np.ndarray) -> Image.Image:
    y, x = np.indices((1500, 1500))
    grey = 128 + 100 * np.sin(x / 200) * np.cos(y / 170)
    dots = 128 + 127 * np.cos(x * np.pi / 5) * np.cos(y * np.pi / 5)
    return Image.fromarray((255 * (grey > dots)).astype(np.uint8))


def chequerboard(_: np.ndarray) -> Image.Image:
    return Image.fromarray(
        (255 * (np.indices((1500, 1500)) // 8 % 2).sum(axis=0) % 510).astype(np.uint8)
    )


def ones(digits: np.ndarray) -> Image.Image:
    return written(digits[50:51], 53, 75, (28, 20))


def noise(_: np.ndarray) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (1500, 1500), np.uint8)
    )


def ruled(_: np.ndarray) -> Image.Image:
    return Image.fromarray(
        np.tile(np.repeat(np.uint8([255, 60]), [14, 2]), (1500, 94)).T
    )


READ: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "40 rows of 25 digits": lambda digits: written(digits, 40, 25),
    "40 rows of 30 digits": lambda digits: written(digits, 40, 30),
    "table of 40 by 10": lambda digits: written(digits, 40, 10, (40, 120), of=3),
}
OTHERS: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "5,000 specks": specks,
    "noise": noise,
    "chequerboard": chequerboard,
    "halftone": halftone,
    "ruled": ruled,
    "covered with 1s": ones,
    "1 by 20,000": lambda _: Image.new("L", (1, 20_000), 255),
    "32,767 by 20": lambda digits: written(digits, 1, 1170).resize((32_767, 20)),
    "12,000 by 4,000": lambda digits: written(digits, 40, 25).resize((12_000, 4_000)),
}
TOO_DENSE: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "newspaper": newspaper,
    "table of 60 by 12": lambda digits: written(digits, 60, 12, (34, 120), of=3),
    "line of 150 digits": lambda digits: written(digits, 1, 150),
}


@pytest.mark.parametrize("name", READ)
def test_dense_pages_are_read(client, digits, name):
    answer = client.post("/read", content=encode(READ[name](digits))).json()
    assert len(answer["lines"]) == 40


@pytest.mark.parametrize("name", OTHERS)
def test_what_looks_like_a_page_gets_an_answer_that_is_not_sure_or_a_problem(
    client, digits, name
):
    picture = OTHERS[name](digits)
    file = (
        encode(picture)
        if picture.width < 12_000
        else encode(picture.convert("1"), "TIFF", compression="group4")
    )
    answer = client.post("/read", content=file)
    if answer.status_code == 200:
        assert answer.json()["text"] == "" or answer.json()["confidence"] < 0.9
    else:
        assert_problem(answer, 422, "too-much-writing", "/read")
        assert answer.json()["detail"] == TOO_MUCH


@pytest.mark.parametrize("query", ["", "?rotate=auto", "?length=4"])
@pytest.mark.parametrize("name", TOO_DENSE)
def test_more_writing_than_can_be_read_is_a_problem_before_it_takes_the_time(
    client, digits, name, query
):
    file, asked = encode(TOO_DENSE[name](digits)), list[float]()
    answer = client.post(f"/read{query}", content=file)
    assert_problem(answer, 422, "too-much-writing", "/read")
    assert answer.json()["detail"] == TOO_MUCH
    with pytest.raises(TooMuchWriting):
        read_text(file, line_network(), page_network(), allow=asked.append)
    assert asked == []


def test_no_more_is_read_of_a_page_than_was_asked_for(digits, monkeypatch):
    asked, read = list[float](), list[int]()
    network = line_network()
    monkeypatch.setattr(
        LineNetwork, "__call__", partialmethod(noted, read, LineNetwork.__call__)
    )
    for name, turns in (
        ("40 rows of 25 digits", (0,)),
        ("table of 40 by 10", (0, 90, 180, 270)),
    ):
        read_text(
            encode(READ[name](digits)),
            network,
            page_network(),
            turns=turns,
            allow=asked.append,
        )
        beside = 4 * len(turns) * 960  # the whole picture, as one line
        assert sum(read) <= sum(asked) + beside
        assert max(asked) <= MAX_WIDTH
        read.clear()
        asked.clear()


def noted(
    network: LineNetwork, read: list[int], call: Callable, strips: list[np.ndarray]
) -> list[np.ndarray]:
    """Compute what is written in strips, and note their widths with padding."""
    outputs = call(network, strips)
    read += [len(columns) * network.spec.stride for columns in outputs]
    return outputs


def test_a_page_of_much_writing_is_read_alone(digits):
    asked = list[float]()
    for rows in (4, 40):
        read_text(
            encode(written(digits, rows, 25)),
            line_network(),
            page_network(),
            allow=asked.append,
        )
    limits = SHARED._replace(memory_bytes=10**10, processor_seconds=100)
    with limited(limits):  # which stops the timer that ends a process
        allow_page(limits, asked[0])
        with pytest.raises(NeedsExclusiveDecoder):
            allow_page(limits, asked[1])
