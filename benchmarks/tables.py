"""Compare how Digits and RapidOCR read ruled tables with printed names and headings,
filled by hand, scanned and photographed.

    make tables [ARGS="--count 10 --only digits"]
    make tables ARGS="--folder DIR"
    make tables ARGS="--save DIR"

The tables of `written_tables` are written with MNIST's test digits; `--save` only
writes them, to a folder. A DIR of your own holds `images/`, and `meta.csv` with the
columns filename, kind and table: the rows of its cells as JSON, empty where no number
is.

A cell counts if its number is right and in its place; empty cells and those with words
do, too, if nothing is there. RapidOCR does not know cells: its words are put into rows
as for `make pages`, and into columns where gaps divide them. If a table lacks rows or
columns, it is laid where most of its cells are right. Each recogniser runs in its own
process, on one core. Needs the extra `training`.
"""

import csv
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from app.text.table import cells_of, columns_of
from measuring import (
    Folder,
    Save,
    Seed,
    Split,
    header,
    held_out,
    measure_written,
    percent,
    row,
)
from pages import RECOGNISERS, Only, in_rows, numbers_in
from peers import read_by_each
from written_pages import Cells
from written_tables import write_folder

SURE = 0.9


class Table(NamedTuple):
    """A labelled table."""

    file: Path
    kind: str
    cells: Cells


class Answer(NamedTuple):
    """What is read in each cell, and how surely, if that is known."""

    texts: Cells = []  # noqa: RUF012 - never changed
    confidences: list[list[float | None]] = []  # noqa: RUF012 - never changed


def tables_of(folder: Path) -> list[Table]:
    """Find the tables of a folder."""
    with (folder / "meta.csv").open(newline="", encoding="utf-8-sig") as file:
        return [
            Table(
                folder / "images" / each["filename"],
                each["kind"],
                json.loads(each["table"]),
            )
            for each in csv.DictReader(file)
        ]


def answer_of(name: str, raw: Any) -> Answer:  # noqa: ANN401 - JSON
    """Convert what `rivals/recognise.py` prints for a table; a refused one is empty."""
    if not raw:
        return Answer()
    if name == "digits":
        _, _, cells = raw
        texts = [[text for text, _ in row] for row in cells]
        return Answer(texts, [[share for _, share in row] for row in cells])
    rows: list[Any] = in_rows(raw, turn=0)
    columns = columns_of(rows)
    placed = [cells_of(words, columns) for words in rows]
    return Answer([[numbers_in(cell.text) for cell in row] for row in placed])


class Score(NamedTuple):
    """How many cells there are, are right, are sure, and are sure and wrong."""

    cells: int
    right: int
    numbers: int  # cells with a number, or where one was read
    sure: int  # of these
    wrong: int


def score(table: Table, answer: Answer) -> Score:
    """Lay an answer on a table where most of its cells are right, and compare."""
    truth = table.cells
    places = product(
        range(max(1, len(truth) - len(answer.texts) + 1)),
        range(max(1, len(truth[0]) - len(answer.texts[0]) + 1 if answer.texts else 1)),
    )
    return max(
        (laid(truth, answer, *place) for place in places), key=lambda each: each.right
    )


def laid(truth: Cells, answer: Answer, down: int, aside: int) -> Score:
    """Compare an answer whose first cell lies on this one of a table."""
    right = numbers = sure = wrong = 0
    for y, cells in enumerate(truth):
        for x, text in enumerate(cells):
            found, confidence = cell_of(answer, y - down, x - aside)
            right += found == text
            if found or text:
                numbers += 1
                is_sure = confidence is not None and confidence >= SURE
                sure += is_sure
                wrong += is_sure and found != text
    return Score(sum(map(len, truth)), right, numbers, sure, wrong)


def cell_of(answer: Answer, row: int, column: int) -> tuple[str, float | None]:
    """Return what is read in a cell; nothing outside."""
    try:
        if min(row, column) < 0:
            return "", None
        text = answer.texts[row][column]
        confidence = answer.confidences[row][column] if answer.confidences else None
    except IndexError:
        return "", None
    return text, confidence


def measure(tables: Sequence[Table], names: Sequence[str]) -> None:
    """Read the tables with each recogniser; print the shares of each kind."""
    header(
        "tables",
        "n",
        "read by",
        "shape right",
        "cells right and in place",
        "numbers at 0.9",
        "right at 0.9",
        "processor, ms",
    )
    for kind in dict.fromkeys(table.kind for table in tables):
        those = [table for table in tables if table.kind == kind]
        results = read_by_each(names, "page", [table.file for table in those])
        for name, (raw, milliseconds) in results.items():
            answers = [answer_of(name, raw[table.file]) for table in those]
            shapes = 0
            scores = []
            for table, answer in zip(those, answers, strict=True):
                lengths = [*map(len, answer.texts)]
                shapes += lengths == [*map(len, table.cells)]
                scores.append(score(table, answer))
            cells, right, numbers, sure, wrong = np.sum(scores, axis=0).tolist()
            row(
                [
                    kind,
                    len(those),
                    name,
                    f"{shapes} of {len(those)}",
                    percent(right, cells),
                    f"{100 * sure / numbers:.1f} %" if sure else "",
                    percent(sure - wrong, sure) if sure else "",
                    f"{milliseconds:,.0f}",
                ]
            )


def main(
    folder: Folder = None,
    split: Split = "test",
    count: Annotated[int, typer.Option(min=1, help="Tables of each kind.")] = 50,
    seed: Seed = 0,
    only: Only = None,
    save: Save = None,
) -> None:
    """Measure Digits and RapidOCR on the same ruled tables."""
    names = (only,) if only else RECOGNISERS

    def write(to: Path) -> None:
        write_folder(to, held_out(split), count, seed)

    measure_written(folder, save, write, lambda those: measure(tables_of(those), names))


if __name__ == "__main__":
    typer.run(main)
