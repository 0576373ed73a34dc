"""Ruled tables with printed names and headings, filled by hand with MNIST's digits,
scanned or photographed: what `benchmarks/tables.py` measures on.

A table depends only on its kind, the seed and its index.
"""

import csv
import json
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image

from app.picture.maps import Map
from training.data import Digits
from training.writing.scenes import FROM, write_line
from written_pages import (
    HAND,
    NAMES,
    Cells,
    Grid,
    blank,
    fill,
    grid_of,
    numbers,
    photo,
    pressed,
    printed,
    rule,
    scan,
    sheet_of,
)

KINDS = {"scan": scan, "photo": photo}
ROWS = 5, 25  # of numbers
COLUMNS = 3, 8  # with that of the names
LONGEST = 5  # digits of a number
EMPTY = 0.1  # share of the cells
NAMED = 0.8  # share of the tables with a column of names
HEADED = 0.8  # share of the tables with a row of headings
MERGED = 0.3  # share of these in which one heading is that of two columns
HEADINGS = """
    Maths, Total, Points, Price, Meter, Left, Right, Morning, Evening, Weight, Stock,
    Sold, Returned, Height, Kilometres, Hours, Amount, Volume, Reading, Result"""
NOTHING = np.zeros((1, 1), np.float32)


class Cell(NamedTuple):
    """What is printed or written in a cell, and its number, if it is one."""

    printed: Map = NOTHING
    ink: Map = NOTHING
    text: str = ""


Column = list[Cell]  # with its heading, if it has one


def columns_of(digits: Digits, is_headed: bool, rng: Generator) -> list[Column]:
    """Print and write the cells of a table."""
    rows = int(rng.integers(ROWS[0], ROWS[1] + 1))
    count = int(rng.integers(COLUMNS[0], COLUMNS[1] + 1))
    columns = [numbers_in(rows, digits, rng) for _ in range(count)]
    if rng.random() < NAMED:
        names = rng.permutation([*split(NAMES, ";")])[:rows]
        columns[0] = [Cell(printed(str(name))) for name in names]
    if is_headed:
        headings = rng.permutation([*split(HEADINGS, ",")])
        for column, heading in zip(columns, headings, strict=False):
            column.insert(0, Cell(printed(str(heading))))
    return columns


def split(words: str, separator: str) -> Iterable[str]:
    """Split words."""
    return map(str.strip, words.split(separator))


def numbers_in(rows: int, digits: Digits, rng: Generator) -> Column:
    """Write the numbers of a column, some of them left out."""
    writer = HAND.writer(digits, rng)
    column = []
    for pattern in numbers(rows, LONGEST, rng):
        writer.digits = cycle(rng.permutation(len(digits)).tolist())
        ink, text = write_line(writer, pattern)
        is_empty = rng.random() < EMPTY
        column.append(Cell() if is_empty else Cell(ink=ink, text=text))
    return column


def page(digits: Digits, rng: Generator) -> tuple[Map, Map, Cells]:
    """Put a table on a page: the form, which is printed, the ink, and the numbers."""
    is_headed = bool(rng.random() < HEADED)
    columns = columns_of(digits, is_headed, rng)
    form = blank(1000, rng)
    ink = np.zeros_like(form)
    widest = [
        [max(cell.printed, cell.ink, key=np.size) for cell in column]
        for column in columns
    ]
    grid = grid_of(widest, form.shape, rng)
    rule(form, grid, "table", rng)
    if is_headed and rng.random() < MERGED:
        merge_headings(form, grid, columns, rng)
    for place, column in enumerate(columns):
        is_left = not any(cell.text for cell in column)
        fill(form, grid, place, [cell.printed for cell in column], is_left, 0.0, rng)
        fill(ink, grid, place, [cell.ink for cell in column], is_left, 0.06, rng)
    texts = [[cell.text for cell in column] for column in columns]
    rows = [list(row) for row in zip(*texts, strict=True)]
    return form, pressed(ink, rng), rows


def merge_headings(
    form: Map, grid: Grid, columns: list[Column], rng: Generator
) -> None:
    """Leave out the line between two headings, and the second of them."""
    second = int(rng.integers(1, len(columns)))
    columns[second][0] = Cell()
    line = int(grid.edges[second])
    top, bottom = (int(grid.top + row * grid.pitch) for row in (0, 1))
    form[top + 4 : bottom, line : line + 4] = 0


def write_table(
    kind: str, digits: Digits, seed: int, index: int
) -> tuple[Image.Image, Cells]:
    """Make a picture of a table, and its numbers."""
    rng = np.random.default_rng([seed, crc32(f"ruled {kind}".encode()), index])
    first = int(rng.integers(len(digits) - FROM))
    some = digits.take(torch.arange(first, first + FROM))
    form, ink, rows = page(some, rng)
    return KINDS[kind](sheet_of(form, ink, rng), rng), rows


def write_folder(folder: Path, digits: Digits, count: int, seed: int) -> None:
    """Write so many tables of each kind to images/, with meta.csv."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    meta = [("filename", "kind", "table")]
    for kind in KINDS:
        for index in range(count):
            image, rows = write_table(kind, digits, seed, index)
            name = f"{kind}-{index:02}.jpg"
            image.save(folder / "images" / name, quality=85)
            meta.append((name, kind, json.dumps(rows)))
    with (folder / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(meta)
