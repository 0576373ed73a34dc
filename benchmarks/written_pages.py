"""Pages of numbers written with MNIST's digits, scanned or photographed: what
`benchmarks/pages.py` measures on.

A page depends only on its kind, the seed and its index. Lengths are in shares of the
page, or in digit heights.
"""

import csv
import json
from collections.abc import Sequence
from itertools import cycle
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
from training.writing.drawing import levels, to_image
from training.writing.scenes import FROM, Scene, scaled, write_line
from training.writing.sheets import blended, clouds, daylight, noisy, shadowed
from training.writing.writer import DIGIT_HEIGHT

CONTENTS = "column", "table", "names", "rows"
KINDS = (*CONTENTS, *(f"{content}-photo" for content in CONTENTS), "turned")
TURNS = 90, 180, 270
HAND = Scene(pens=(9, 16), slant=(-0.1, 0.35), gap=(0.04, 0.3))
HEADINGS = ["Register", "Readings", "Results", "Stock list", "Log book", "Daily totals"]
NAMES = """
    Abbott, Carl; Adeyemi, Tola; Bauer, Lena; Brooks, Henry; Carter, June; Chen, Wei;
    Costa, Rui; Dubois, Anne; Duarte, Paula; Egger, Franz; Evans, Mary; Fischer, Jan;
    Fontana, Luca; Garcia, Elena; Gruber, Eva; Haddad, Sami; Hansen, Ole; Ibrahim, Noor;
    Ivanova, Olga; Jensen, Mette; Jones, Peter; Kaya, Deniz; Keller, Ruth;
    Kowalski, Piotr; Larsen, Nils; Lopez, Diego; Meyer, Klara; Moreau, Luc; Nagy, Peter;
    Novak, Jana; Okafor, Ada; Patel, Ravi; Quinn, Sean; Rossi, Marco; Sato, Yuki;
    Schmidt, Uwe; Tanaka, Mai; Vogel, Petra; Walker, Rose; Young, Alice"""

Cells = list[list[str]]  # of each row


class Grid(NamedTuple):
    """Where rows and columns are on a page, in pixels, and the scale of its ink."""

    top: float
    rows: int
    pitch: float  # from row to row
    edges: NDArray[np.float64]  # of the columns
    gap: float  # between columns
    scale: float


def patterns(content: str, rng: Generator) -> Cells:
    """Choose the cells of each row, as patterns of `training.writing.patterns`."""
    if content == "rows":
        rows = []
        for count in rng.integers(1, 5, 40):
            lengths = rng.integers(1, 6, count)
            rows.append([" ".join("d" * length for length in lengths)])
        return rows
    if content == "table":
        return table(int(rng.integers(5, 13)), int(rng.integers(2, 6)), rng)
    most, longest = (20, 6) if content == "column" else (24, 3)
    count = int(rng.integers(12, most + 1))
    return [[number] for number in numbers(count, longest, rng)]


def table(rows: int, columns: int, rng: Generator) -> Cells:
    """Choose the numbers of a table; some cells are empty, but no row or column is."""
    cells = np.array([numbers(rows, 5, rng) for _ in range(columns)]).T
    is_empty = rng.random((rows, columns)) <= 0.12
    is_empty[np.arange(rows), np.arange(rows) % columns] = False
    return np.where(is_empty, "", cells).tolist()


def numbers(count: int, longest: int, rng: Generator) -> list[str]:
    """Choose the numbers of a column, all with the same number of decimals."""
    are_of_several_lengths = rng.random() < 0.5
    lengths = rng.integers(2, longest + 1, count if are_of_several_lengths else 1)
    decimals = int(rng.choice([0, 0, 1, 2]))
    fraction = "." + "d" * decimals if decimals else ""
    written = ["d" * max(1, length - decimals) + fraction for length in lengths]
    return written if are_of_several_lengths else written * count


def printed(text: str) -> Map:
    """Print words in Pillow's own font; letters are about as high as digits."""
    font = ImageFont.load_default(DIGIT_HEIGHT * 1.2)
    image = Image.new("L", (int(font.getlength(text)) + 2, int(1.5 * DIGIT_HEIGHT)))
    ImageDraw.Draw(image).text((1, 1.15 * DIGIT_HEIGHT), text, 255, font, anchor="ls")
    return levels(image)


def page(
    content: str, digits: Digits, is_ruled: bool, rng: Generator
) -> tuple[Map, Map, Cells]:
    """Write a page: the form, which is printed, the ink, and the texts of the cells."""
    form = blank(1300 if content == "rows" else 1000, rng)
    ink = np.zeros_like(form)
    columns, texts = write_cells(content, digits, rng)
    names = []
    if content == "names":
        all_names = [name.strip() for name in NAMES.split(";")]
        chosen = rng.permutation(all_names)[: len(texts)]
        names = [[printed(str(name)) for name in chosen]]
    grid = grid_of([*names, *columns], ink.shape, rng)
    if rng.random() < 0.5:
        height = len(form)
        heading = printed(str(rng.choice(HEADINGS)))
        small = scaled(heading, 0.022 * height / DIGIT_HEIGHT)
        put(form, small, 0.04 * height, grid.edges[0])
    if is_ruled:
        rule(form, grid, content, rng)
    for column in names:
        fill(form, grid, 0, column, is_left=True, uneven=0.0, rng=rng)
    for place, column in enumerate(columns, start=len(names)):
        fill(ink, grid, place, column, content == "rows", uneven=0.06, rng=rng)
    return form, pressed(ink, rng), texts


def blank(narrowest: int, rng: Generator) -> Map:
    """Make an empty page, at least so many pixels wide."""
    width = int(rng.integers(narrowest, 1700))
    height = int(width * rng.uniform(1.33, 1.42))
    return np.zeros((height, width), np.float32)


def pressed(ink: Map, rng: Generator) -> Map:
    """Write with uneven pressure."""
    pressure = np.float32(0.9) + np.float32(0.1) * clouds(ink.shape, 30, rng)
    return ink * pressure.clip(0.6, 1)


def write_cells(
    content: str, digits: Digits, rng: Generator
) -> tuple[list[tuple[Map, ...]], Cells]:
    """Write the cells in one hand; return the ink by column, and the texts by row."""
    writer = HAND.writer(digits, rng)
    nothing = np.zeros((1, 1), np.float32)
    inks = []
    texts = []
    for row in patterns(content, rng):
        cells = []
        for pattern in row:
            writer.digits = cycle(rng.permutation(len(digits)).tolist())
            cells.append(write_line(writer, pattern) if pattern else (nothing, ""))
        inks.append([ink for ink, _ in cells])
        texts.append([text for _, text in cells])
    return list(zip(*inks, strict=True)), texts


def grid_of(
    columns: Sequence[Sequence[Map]], shape: tuple[int, ...], rng: Generator
) -> Grid:
    """Choose where rows and columns are, so that they fit on the page."""
    height, width = shape
    count = len(columns[0])
    top = rng.uniform(0.07, 0.11) * height
    wanted = count * rng.uniform(0.03, 0.055) * height
    pitch = min(0.94 * height - top, wanted) / count
    gap = rng.uniform(0.8, 2.5) * DIGIT_HEIGHT
    widths = [gap + max(mask.shape[1] for mask in column) for column in columns]
    total = sum(widths)
    scale = min(pitch / DIGIT_HEIGHT / rng.uniform(1.3, 1.9), 0.9 * width / total)
    left = rng.uniform(0.04 * width, 0.96 * width - scale * total)
    edges = left + scale * np.cumsum([0, *widths])
    return Grid(top, count, pitch, edges, scale * gap, scale)


def rule(form: Map, grid: Grid, content: str, rng: Generator) -> None:
    """Print lines between rows, columns or both."""
    thick = int(rng.integers(1, 4))
    dark = rng.uniform(0.3, 0.9)
    rows = (grid.top + grid.pitch * np.arange(grid.rows + 1)).astype(int)
    columns = grid.edges.astype(int)
    if content != "column":
        for row in rows:
            form[row : row + thick, columns[0] : columns[-1] + thick] = dark
    if content in ("column", "table"):
        for column in columns:
            form[rows[0] : rows[-1] + thick, column : column + thick] = dark


def fill(
    sheet: Map,
    grid: Grid,
    place: int,
    column: Sequence[Map],
    is_left: bool,
    uneven: float,
    rng: Generator,
) -> None:
    """Fill a column of the grid, aligned left or right, unevenly as by hand."""
    left = grid.edges[place] + grid.gap / 2
    right = grid.edges[place + 1] - grid.gap / 2
    for index, small in enumerate(column):
        mask = scaled(small, grid.scale)
        down, aside = rng.normal(0, uneven, 2) * grid.scale * DIGIT_HEIGHT
        start = left if is_left else right - mask.shape[1]
        middle = grid.top + grid.pitch * (index + 0.5)
        put(sheet, mask, middle + down, start + 2 * aside)


def put(sheet: Map, mask: Map, middle: float, left: float) -> None:
    """Put a mask on a sheet, as far as it fits."""
    height, width = mask.shape
    top = max(0, round(middle - height / 2))
    start = max(0, round(left))
    part = sheet[top : top + height, start : start + width]
    np.maximum(part, mask[: part.shape[0], : part.shape[1]], out=part)


def sheet_of(form: Map, ink: Map, rng: Generator) -> Image.Image:
    """Colour what is printed and written on paper."""
    white = rng.uniform(228, 250) - rng.uniform(0, 8) * np.arange(3)
    paper = np.full((*ink.shape, 3), white, np.float32)
    black = rng.uniform(15, 60, 3)
    blue = rng.uniform((15, 25, 90), (60, 80, 170))
    grey = rng.uniform((25, 25, 25), (90, 100, 115))
    colour = black if rng.random() < 0.5 else blue
    return to_image(blended(blended(paper, form, grey), ink, colour))


def finished(
    picture: Map, light: Map, blur: float, noise: float, rng: Generator
) -> Image.Image:
    """Light a picture, blur it and add noise."""
    lit = to_image(picture * light[..., None])
    blurred = lit.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, blur)))
    return to_image(noisy(np.asarray(blurred), rng, noise))


def scan(sheet: Image.Image, rng: Generator) -> Image.Image:
    """Scan a sheet, not quite straight."""
    picture = askew(sheet, 1, rng)
    light = daylight(picture.shape[:2], 0, rng)
    return finished(picture, light, 0.7, 4, rng)


def askew(sheet: Image.Image, most: float, rng: Generator) -> Map:
    """Turn a sheet by a few degrees."""
    angle = rng.uniform(-most, most)
    paper = sheet.getpixel((0, 0))
    turned = sheet.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)
    return np.asarray(turned, np.float32)


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix that turns points by an angle in radians."""
    cosine = np.cos(angle)
    sine = np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def photo(sheet: Image.Image, rng: Generator) -> Image.Image:
    """Photograph a sheet on a darker desk, up to ten degrees askew, in uneven light."""
    half = np.array(sheet.size) / 2
    turn = rotation(radians(rng.uniform(-10, 10)))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    onto = corners * half * rng.uniform(0.95, 1.05, (4, 2)) @ turn
    onto *= rng.uniform(0.92, 1.0) * (half / np.abs(onto).max(axis=0)).min()
    view = perspective(onto + half, corners * half + half)
    method = Image.Transform.PERSPECTIVE
    opaque = sheet.convert("RGBA")
    seen = opaque.transform(sheet.size, method, view, Image.Resampling.BICUBIC)
    pixels = np.asarray(seen, np.float32)
    shape = pixels.shape[:2]
    brown = rng.uniform(30, 130) * rng.uniform((1, 0.8, 0.6), 1)
    desk = brown * (1 + 0.05 * clouds(shape, 60, rng))[..., None]
    opacity = pixels[..., 3] / np.float32(255)
    picture = blended(desk, opacity, pixels[..., :3])
    return finished(picture, shadowed(shape, 0, rng), 1.1, 8, rng)


def perspective(onto: NDArray[np.float64], corners: NDArray[np.float64]) -> list[float]:
    """Compute Pillow's coefficients for a perspective that moves the corners (4, 2)."""
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
    """Make a picture of a page, its texts, and the degrees that turn it upright."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), index])
    first = int(rng.integers(len(digits) - FROM))
    some = digits.take(torch.arange(first, first + FROM))
    content = kind.removesuffix("-photo")
    is_photo = content != kind
    turn = 0
    if kind == "turned":
        content = CONTENTS[index % len(CONTENTS)]
        is_photo = index % 8 >= len(CONTENTS)
        turn = TURNS[index % len(TURNS)]
    form, ink, cells = page(content, some, index % 2 == 1, rng)
    take = photo if is_photo else scan
    image = take(sheet_of(form, ink, rng), rng)
    return image.rotate(-turn, expand=True), cells, turn


def write_folder(folder: Path, digits: Digits, count: int, seed: int) -> None:
    """Write so many pages of each kind to images/, with labels.csv and meta.csv."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    labels = [("filename", "label")]
    meta = [("filename", "kind", "turn", "table")]
    for kind in KINDS:
        for index in range(count):
            image, cells, turn = write_page(kind, digits, seed, index)
            name = f"{kind}-{index:02}.jpg"
            image.save(folder / "images" / name, quality=85)
            lines = [" ".join(filter(None, row)) for row in cells]
            labels.append((name, "\n".join(lines)))
            table = json.dumps(cells) if len(cells[0]) > 1 else ""
            meta.append((name, kind, str(turn), table))
    for file, rows in (("labels.csv", labels), ("meta.csv", meta)):
        with (folder / file).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
