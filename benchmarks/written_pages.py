"""Pages of numbers written with MNIST's digits, scanned or photographed: what
`benchmarks/pages.py` measures on.

A page depends only on its kind, the seed and its index. Lengths are in shares of the
page, or in digit heights.
"""

import csv
import json
from collections.abc import Sequence
from math import radians
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from app.picture.maps import Map
from training.data import Digits
from training.drawing import levels, to_image
from training.line_writer import HEIGHT
from training.scenes import FROM, Scene, line, scaled
from training.sheets import blended, clouds, daylight, noisy, shadowed

CONTENTS = "column", "table", "names", "rows"
KINDS = (*CONTENTS, *(f"{content}-photo" for content in CONTENTS), "turned")
TURNS = 90, 180, 270
HAND = Scene(pens=(9, 16), slant=(-0.1, 0.35), gap=(0.04, 0.3))
HEADINGS = "Register", "Readings", "Results", "Stock list", "Log book", "Daily totals"
NAMES = (
    "Abbott, Carl", "Adeyemi, Tola", "Bauer, Lena", "Brooks, Henry", "Carter, June", "Chen, Wei", "Costa, Rui",
    "Dubois, Anne", "Duarte, Paula", "Egger, Franz", "Evans, Mary", "Fischer, Jan", "Fontana, Luca", "Garcia, Elena",
    "Gruber, Eva", "Haddad, Sami", "Hansen, Ole", "Ibrahim, Noor", "Ivanova, Olga", "Jensen, Mette", "Jones, Peter",
    "Kaya, Deniz", "Keller, Ruth", "Kowalski, Piotr", "Larsen, Nils", "Lopez, Diego", "Meyer, Klara", "Moreau, Luc",
    "Nagy, Peter", "Novak, Jana", "Okafor, Ada", "Patel, Ravi", "Quinn, Sean", "Rossi, Marco", "Sato, Yuki",
    "Schmidt, Uwe", "Tanaka, Mai", "Vogel, Petra", "Walker, Rose", "Young, Alice",
)  # fmt: skip

Cells = list[list[str]]  # of each row


class Grid(NamedTuple):
    """Where rows and columns are on a page, in pixels, and by how much its ink is
    scaled.
    """

    top: float
    rows: int
    pitch: float  # from row to row
    edges: NDArray[np.float64]  # of the columns
    gap: float  # between columns
    scale: float


def patterns(content: str, rng: Generator) -> Cells:
    """Choose what stands in the cells of each row, as patterns of `training.line_text`."""
    if content == "rows":
        counts = rng.integers(1, 5, 40)
        return [
            [" ".join("d" * length for length in rng.integers(1, 6, count))]
            for count in counts
        ]
    if content == "table":
        return table(int(rng.integers(5, 13)), int(rng.integers(2, 6)), rng)
    most, longest = (20, 6) if content == "column" else (24, 3)
    return [
        [number] for number in numbers(int(rng.integers(12, most + 1)), longest, rng)
    ]


def table(rows: int, columns: int, rng: Generator) -> Cells:
    """Choose the numbers of a table; some cells are empty, but no row and no column is."""
    cells = np.array([numbers(rows, 5, rng) for _ in range(columns)]).T
    is_empty = rng.random((rows, columns)) <= 0.12
    is_empty[np.arange(rows), np.arange(rows) % columns] = False
    return np.where(is_empty, "", cells).tolist()


def numbers(count: int, longest: int, rng: Generator) -> list[str]:
    """Choose the numbers of a column: of one length or of several, and with as many
    decimals.
    """
    lengths = (
        rng.integers(2, longest + 1, count)
        if rng.random() < 0.5
        else [int(rng.integers(2, longest + 1))] * count
    )
    decimals = int(rng.choice([0, 0, 1, 2]))
    fraction = "." + "d" * decimals if decimals else ""
    return ["d" * max(1, length - decimals) + fraction for length in lengths]


def printed(text: str) -> Map:
    """Print words in Pillow's own font; letters are about as high as digits."""
    font = ImageFont.load_default(HEIGHT * 1.2)
    image = Image.new("L", (int(font.getlength(text)) + 2, int(1.5 * HEIGHT)))
    ImageDraw.Draw(image).text((1, 1.15 * HEIGHT), text, 255, font, anchor="ls")
    return levels(image)


def page(
    content: str, digits: Digits, is_ruled: bool, rng: Generator
) -> tuple[Map, Map, Cells]:
    """Write a page: the form, which is printed, the ink, and the texts of the cells."""
    width = int(rng.integers(1300 if content == "rows" else 1000, 1700))
    height = int(width * rng.uniform(1.33, 1.42))
    form, ink = np.zeros((2, height, width), np.float32)
    columns, texts = write_cells(content, digits, rng)
    names = (
        [printed(str(name)) for name in rng.permutation(NAMES)[: len(texts)]]
        if content == "names"
        else []
    )
    grid = grid_of([names, *columns] if names else columns, ink.shape, rng)
    if rng.random() < 0.5:
        heading = scaled(printed(str(rng.choice(HEADINGS))), 0.022 * height / HEIGHT)
        put(form, heading, 0.04 * height, grid.edges[0])
    if is_ruled:
        rule(form, grid, content, rng)
    if names:
        fill(form, grid, 0, names, True, 0.0, rng)
    for place, column in enumerate(columns, start=bool(names)):
        fill(ink, grid, place, column, content == "rows", 0.06, rng)
    return (
        form,
        ink
        * (np.float32(0.9) + np.float32(0.1) * clouds(ink.shape, 30, rng)).clip(0.6, 1),
        texts,
    )


def write_cells(
    content: str, digits: Digits, rng: Generator
) -> tuple[list[tuple[Map, ...]], Cells]:
    """Write the cells of a page in one hand: the ink of each column, and the texts of
    each row.
    """
    writer = HAND.writer(digits, rng)
    inks, texts = list[list[Map]](), Cells()
    for row in patterns(content, rng):
        cells = []
        for pattern in row:
            writer.digits = rng.permutation(len(digits))
            cells.append(
                line(writer, pattern) if pattern else (np.zeros((1, 1), np.float32), "")
            )
        inks.append([ink for ink, _ in cells])
        texts.append([text for _, text in cells])
    return list(zip(*inks, strict=True)), texts


def grid_of(
    columns: Sequence[Sequence[Map]], shape: tuple[int, ...], rng: Generator
) -> Grid:
    """Choose where rows and columns are, so that they fit on the page."""
    (height, width), count = shape, len(columns[0])
    top = rng.uniform(0.07, 0.11) * height
    pitch = min(0.94 * height - top, count * rng.uniform(0.03, 0.055) * height) / count
    gap = rng.uniform(0.8, 2.5) * HEIGHT
    widths = [gap + max(mask.shape[1] for mask in column) for column in columns]
    scale = min(pitch / HEIGHT / rng.uniform(1.3, 1.9), 0.9 * width / sum(widths))
    left = rng.uniform(0.04 * width, 0.96 * width - scale * sum(widths))
    return Grid(
        top, count, pitch, left + scale * np.cumsum([0, *widths]), scale * gap, scale
    )


def rule(form: Map, grid: Grid, content: str, rng: Generator) -> None:
    """Print lines between rows, columns or both."""
    thick, dark = int(rng.integers(1, 4)), rng.uniform(0.3, 0.9)
    rows = grid.top + grid.pitch * np.arange(grid.rows + 1)
    down, across = (
        slice(int(ends[0]), int(ends[-1]) + thick) for ends in (rows, grid.edges)
    )
    for row in rows if content != "column" else ():
        form[int(row) : int(row) + thick, across] = dark
    for column in grid.edges if content in ("column", "table") else ():
        form[down, int(column) : int(column) + thick] = dark


def fill(
    sheet: Map,
    grid: Grid,
    place: int,
    column: Sequence[Map],
    is_left: bool,
    uneven: float,
    rng: Generator,
) -> None:
    """Fill a column of the grid, aligned to the left or right, as unevenly as a hand
    does, in digit heights.
    """
    left, right = grid.edges[place] + grid.gap / 2, grid.edges[place + 1] - grid.gap / 2
    for index, small in enumerate(column):
        mask = scaled(small, grid.scale)
        down, aside = rng.normal(0, uneven, 2) * grid.scale * HEIGHT
        start = left if is_left else right - mask.shape[1]
        put(
            sheet, mask, grid.top + grid.pitch * (index + 0.5) + down, start + 2 * aside
        )


def put(sheet: Map, mask: Map, middle: float, left: float) -> None:
    """Put a mask on a sheet, as far as it fits."""
    top, start = max(0, round(middle - len(mask) / 2)), max(0, round(left))
    part = sheet[top : top + len(mask), start : start + mask.shape[1]]
    np.maximum(part, mask[: part.shape[0], : part.shape[1]], out=part)


def sheet_of(form: Map, ink: Map, rng: Generator) -> Image.Image:
    """Colour what is printed and written on paper."""
    paper = np.full(
        (*ink.shape, 3),
        rng.uniform(228, 250) - rng.uniform(0, 8) * np.arange(3),
        np.float32,
    )
    black, blue = rng.uniform(15, 60, 3), rng.uniform((15, 25, 90), (60, 80, 170))
    grey = rng.uniform((25, 25, 25), (90, 100, 115))
    return to_image(
        blended(blended(paper, form, grey), ink, black if rng.random() < 0.5 else blue)
    )


def finished(
    picture: Map, light: Map, blur: float, noise: float, rng: Generator
) -> Image.Image:
    """Light a picture, blur it and add noise."""
    blurred = to_image(picture * light[..., None]).filter(
        ImageFilter.GaussianBlur(rng.uniform(0.3, blur))
    )
    return to_image(noisy(np.asarray(blurred), rng, noise))


def scan(sheet: Image.Image, rng: Generator) -> Image.Image:
    """Scan a sheet, not quite straight."""
    paper = sheet.getpixel((0, 0))
    picture = np.asarray(
        sheet.rotate(rng.uniform(-1, 1), Image.Resampling.BICUBIC, fillcolor=paper),
        np.float32,
    )
    return finished(picture, daylight(picture.shape[:2], 0, rng), 0.7, 4, rng)


def photo(sheet: Image.Image, rng: Generator) -> Image.Image:
    """Photograph a sheet on a darker desk, up to ten degrees askew, in uneven light."""
    half, angle = np.array(sheet.size) / 2, radians(rng.uniform(-10, 10))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    onto = corners * half * rng.uniform(0.95, 1.05, (4, 2)) @ turn
    onto *= rng.uniform(0.92, 1.0) * (half / np.abs(onto).max(axis=0)).min()
    view = perspective(onto + half, corners * half + half)
    method = Image.Transform.PERSPECTIVE
    seen = sheet.convert("RGBA").transform(
        sheet.size, method, view, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(seen, np.float32)
    shape = pixels.shape[:2]
    desk = (
        rng.uniform(30, 130)
        * rng.uniform((1, 0.8, 0.6), 1)
        * (1 + 0.05 * clouds(shape, 60, rng))[..., None]
    )
    picture = blended(desk, pixels[..., 3] / np.float32(255), pixels[..., :3])
    return finished(picture, shadowed(shape, 0, rng), 1.1, 8, rng)


def perspective(onto: NDArray[np.float64], corners: NDArray[np.float64]) -> list[float]:
    """Compute Pillow's coefficients of the perspective that shows the corners (4, 2) at
    these points.
    """
    equations = []
    for (x, y), (u, v) in zip(onto, corners, strict=True):
        equations += [
            [x, y, 1, 0, 0, 0, -u * x, -u * y],
            [0, 0, 0, x, y, 1, -v * x, -v * y],
        ]
    coefficients: list[float] = np.linalg.solve(equations, corners.ravel()).tolist()
    return coefficients


def write_page(
    kind: str, digits: Digits, seed: int, index: int
) -> tuple[Image.Image, Cells, int]:
    """Make a picture of a page, with the texts of its cells and the turn that makes it
    upright, in degrees.
    """
    rng = np.random.default_rng([seed, crc32(kind.encode()), index])
    first = int(rng.integers(len(digits) - FROM))
    content = (
        CONTENTS[index % len(CONTENTS)]
        if kind == "turned"
        else kind.removesuffix("-photo")
    )
    is_photo = kind.endswith("photo") or (
        kind == "turned" and index % 8 >= len(CONTENTS)
    )
    form, ink, cells = page(
        content, digits.take(torch.arange(first, first + FROM)), index % 2 == 1, rng
    )
    image = (photo if is_photo else scan)(sheet_of(form, ink, rng), rng)
    turn = TURNS[index % len(TURNS)] if kind == "turned" else 0
    return image.rotate(-turn, expand=True), cells, turn


def write_folder(folder: Path, digits: Digits, count: int, seed: int) -> None:
    """Write so many pages of each kind to images/, with labels.csv and meta.csv."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    labels, meta = [("filename", "label")], [("filename", "kind", "turn", "table")]
    for kind in KINDS:
        for index in range(count):
            image, cells, turn = write_page(kind, digits, seed, index)
            name = f"{kind}-{index:02}.jpg"
            image.save(folder / "images" / name, quality=85)
            labels.append(
                (name, "\n".join(" ".join(filter(None, row)) for row in cells))
            )
            meta.append(
                (name, kind, str(turn), json.dumps(cells) if len(cells[0]) > 1 else "")
            )
    for file, rows in (("labels.csv", labels), ("meta.csv", meta)):
        with (folder / file).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
