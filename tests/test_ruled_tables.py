"""Ruled tables are read by their rules: each number is in its cell, on any sheet."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.picture.decode import Picture
from app.text.field import Field
from app.text.grid import Grid
from app.text.reading import AS_WRITTEN, TextOptions, read_text
from app.text.strips import Sheet
from app.text.transcription import Transcription
from networks import line_network, page_network
from pictures import encode, load_sheet
from written_pages import perspective

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 66, 46  # of a cell; two digits nearly fill it
LEFT, TOP = 120, 100
NAMES = "Anna", "Bruno", "Carla", "Dirk", "Ewa", "Finn", "Gina"


class Drawn(NamedTuple):
    picture: Image.Image
    cells: list[list[str]]


@cache
def drawn(level: int = 90, has_names: bool = True) -> Drawn:
    """Draw a table of seven rows and five columns, with names, headings, and gaps; one
    heading is that of two columns.
    """
    digits, labels = load_sheet()
    random = np.random.default_rng(1)
    picture = Image.new("L", (560, 560), 245)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(20)
    edges = [LEFT - 80 * has_names, *range(LEFT, LEFT + 6 * WIDTH, WIDTH)][
        not has_names :
    ]
    for row in range(9):
        y = TOP + row * HEIGHT
        draw.line((edges[0], y, edges[-1], y), level, 2)
    for place, x in enumerate(edges):
        is_merged = has_names and place == 4
        begin = TOP + HEIGHT * is_merged
        draw.line((x, begin, x, TOP + 8 * HEIGHT), level, 2)
    cells = [[""] * (len(edges) - 1)]
    if has_names:
        for place, word in enumerate(("Name", "One", "Two", "Both", "", "Sum")):
            draw.text((edges[place] + 8, TOP + 10), word, 60, font)
    for row, name in enumerate(NAMES, 1):
        y = TOP + row * HEIGHT
        texts = []
        for place, x in enumerate(edges[:-1]):
            is_name = has_names and place == 0
            if is_name:
                draw.text((x + 8, y + 10), name, 60, font)
            if is_name or (row * 3 + place) % 10 == 0:
                texts.append("")
                continue
            text = ""
            for digit in range(2):
                chosen = int(random.integers(len(digits)))
                ink = ImageOps.invert(Image.fromarray(digits[chosen]))
                at = x + 4 + 29 * digit, y + 9
                picture.paste(ink, at, Image.fromarray(digits[chosen]))
                text += str(labels[chosen])
            texts.append(text)
        cells.append(texts)
    return Drawn(picture, cells)


def read(picture: Image.Image, options: TextOptions = AS_WRITTEN) -> Transcription:
    return read_text(encode(picture), line_network(), page_network(), options)


def texts_of(found: Transcription) -> list[list[str]]:
    return [[cell.text for cell in row] for row in found.table]


def are_in_place(found: Transcription, cells: list[list[str]]) -> bool:
    """Return whether each number is in its cell, and most of them are right."""
    texts = texts_of(found)
    assert [*map(len, texts)] == [*map(len, cells)]
    assert [[*map(bool, row)] for row in texts] == [[*map(bool, row)] for row in cells]
    return bool(np.mean(np.array(texts) == np.array(cells)) >= 0.85)


def tilted(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=245)


def photographed(picture: Image.Image) -> Image.Image:
    """See it at a slant, dark, on a black desk."""
    width, height = picture.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    onto = corners + np.array([(40, 20), (-30, 50), (10, -40), (-20, 10)])
    seen = picture.transform(
        picture.size,
        Image.Transform.PERSPECTIVE,
        perspective(onto, corners),
        Image.Resampling.BICUBIC,
        fillcolor=20,
    )
    dark = seen.point([round(level * 0.4) for level in range(256)])
    return ImageOps.expand(dark, 60, 8)


SEEN = {
    "as it is": lambda picture: picture,
    "tilted": lambda picture: tilted(picture, 10),
    "tilted back": lambda picture: tilted(picture, -7),
    "photographed": photographed,
    "white on black": ImageOps.invert,
    "small": lambda picture: picture.resize((420, 420), Image.Resampling.LANCZOS),
}


@pytest.mark.parametrize("seen", SEEN)
def test_each_number_is_in_its_cell(seen):
    picture, cells = drawn()
    assert are_in_place(read(SEEN[seen](picture)), cells)


def test_faint_rules_are_found():
    picture, cells = drawn(level=205)
    assert are_in_place(read(picture), cells)


def test_headings_and_names_are_no_numbers():
    found = read(drawn().picture)
    assert not any(cell.text for cell in found.table[0])
    assert not any(row[0].text for row in found.table)
    assert {line.row for line in found.lines} == {*range(1, 8)}


def test_a_cell_has_its_own_doubt_and_an_empty_one_its_place():
    picture, cells = drawn()
    found = read(picture)
    for row, texts in zip(found.table, cells, strict=True):
        for place, (cell, text) in enumerate(zip(row, texts, strict=True)):
            if text:
                assert cell.box.left >= LEFT + (place - 1) * WIDTH - 3
                assert cell.box.right <= LEFT + place * WIDTH + 3
    empty = next(cell for cell in found.table[2][1:] if not cell.text)
    assert empty.confidence > 0.9
    assert abs(empty.box.right - empty.box.left - WIDTH) <= 3
    merged = found.table[0][4]  # a part of the heading before
    assert (merged.text, merged.confidence, merged.box) == ("", None, None)


def test_what_is_not_in_the_table_is_a_line_of_its_own():
    picture, cells = drawn()
    digits, labels = load_sheet()
    picture = picture.copy()
    for place in range(4):
        ink = ImageOps.invert(Image.fromarray(digits[100 * place]))
        picture.paste(ink, (LEFT + 26 * place, 30))
    found = read(picture)
    first, *others = found.lines
    assert (first.text, first.row) == ("".join(map(str, labels[:400:100])), None)
    assert all(line.row is not None for line in others)
    assert are_in_place(found, cells)


def test_a_length_is_of_each_cell():
    picture, cells = drawn()
    found = read(picture, TextOptions(Field(length=2)))
    assert are_in_place(found, cells)


def test_a_turned_table_is_read_after_turning_it():
    picture, cells = drawn()
    turned = picture.rotate(90, expand=True)
    found = read(turned, TextOptions(turns=(0, 90, 180, 270)))
    assert found.turn == 270
    assert are_in_place(found, cells)


def grid_on(picture: Image.Image) -> Grid | None:
    return Grid.on(Sheet.of(Picture(picture, *picture.size)))


def test_without_lines_that_cross_there_is_no_grid():
    picture = Image.new("L", (560, 560), 245)
    assert grid_on(picture) is None
    draw = ImageDraw.Draw(picture)
    for y in range(60, 500, 40):  # of ruled paper
        draw.line((20, y, 540, y), 90, 2)
    assert grid_on(picture) is None
    draw.line((40, 20, 40, 540), 90, 2)  # its margin
    assert grid_on(picture) is None


def test_hatching_is_no_table():
    picture = Image.new("L", (1000, 1000), 245)
    draw = ImageDraw.Draw(picture)
    for y in range(10, 1000, 12):
        draw.line((0, y, 999, y), 90, 1)
    for x in range(10, 1000, 30):
        draw.line((x, 0, x, 999), 90, 1)
    assert grid_on(picture) is None
    assert grid_on(picture.crop((0, 0, 300, 300))).cells.shape == (24, 9)


def test_a_number_on_squared_paper_is_not_cut_into_squares():
    picture = Image.new("L", (560, 560), 245)
    draw = ImageDraw.Draw(picture)
    for at in range(20, 560, 26):
        draw.line((0, at, 559, at), 190, 1)
        draw.line((at, 0, at, 559), 190, 1)
    digits, _ = load_sheet()
    for row in range(2):
        for place in range(4):
            ink = Image.fromarray(digits[100 * place + 7 * row])
            picture.paste(25, (150 + 26 * place, 150 + 80 * row), ink)
    found = read(picture)
    assert len(found.lines) == 2
    assert all(len(row) < 3 for row in found.table)
