"""Compare how Digits and RapidOCR read pages of numbers: columns, tables, numbers
beside names, scans and photos.

    make pages [ARGS="--count 10 --only digits"]
    make pages ARGS="--folder DIR"
    make pages ARGS="--save DIR"

The pages of `written_pages` are written with MNIST's test digits; `--save` only writes
them, to a folder. A DIR of your own holds `images/` and `labels.csv` (columns filename
and label, the page's lines) and, if you like, `meta.csv` (columns filename, kind, turn:
by how many degrees the page has to be turned counter-clockwise, and table: the rows of
its cells as JSON). Pages with a turn are read as with `?rotate=auto`.

Of the labels and of all that is read, only numbers count: words with a digit, without
characters that no number has. RapidOCR's texts are put into rows by the overlap of
their boxes, after these are levelled. It does not say how a page is turned, so its
boxes are turned as the page is known to be. Each recogniser runs in its own process, on
one core. Needs the extra `training`.
"""

import csv
import json
import unicodedata
from collections.abc import Sequence
from math import radians
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from numpy.typing import ArrayLike

from app.labels import labels_of
from measuring import (
    Folder,
    Save,
    Seed,
    Split,
    digits_in,
    header,
    held_out,
    measure_written,
    row,
)
from peers import read_by_each
from written_pages import Cells, rotation, write_folder

RECOGNISERS = "digits", "rapidocr"
CHARACTERS = "0123456789.,-/:"  # of numbers
Only = Annotated[
    Literal["digits", "rapidocr"] | None, typer.Option(help="Leave the other one out.")
]
OVERLAP = 0.5  # of the lower of two boxes' heights, from which they are in one row


class Page(NamedTuple):
    """A labelled page; the turn makes it upright, in degrees counter-clockwise."""

    file: Path
    label: str
    kind: str
    turn: int
    table: Cells


class Answer(NamedTuple):
    """How a page is read; RapidOCR has neither confidence nor table."""

    text: str = ""
    confidence: float = 0.0
    table: Cells = []  # noqa: RUF012 - never changed


class Box(NamedTuple):
    """A text with its place on the upright page."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Return how much of the lower of both heights is common."""
        common = min(self.bottom, other.bottom) - max(self.top, other.top)
        return common / min(self.bottom - self.top, other.bottom - other.top)


def pages_of(folder: Path) -> list[Page]:
    """Find the pages of a folder."""
    about = dict[str, dict[str, str]]()
    if (folder / "meta.csv").exists():
        with (folder / "meta.csv").open(newline="", encoding="utf-8-sig") as file:
            about = {each["filename"]: each for each in csv.DictReader(file)}
    found = []
    for (file, _), label in labels_of(folder).items():
        fields = about.get(file.name, {})
        table = json.loads(fields.get("table") or "[]")
        kind = fields.get("kind") or folder.name
        turn = int(fields.get("turn") or 0)
        found.append(Page(file, label, kind, turn, table))
    return found


def numbers_in(text: str) -> str:
    """Keep the words with digits, and of these the characters of numbers."""
    lines = []
    for line in unicodedata.normalize("NFKC", text).split("\n"):
        kept = "".join(c for c in line if c in CHARACTERS or c.isspace())
        lines.append(" ".join(filter(digits_in, kept.split())))
    return "\n".join(filter(None, lines))


def in_rows(found: Sequence[tuple[str, Any]], turn: int) -> list[list[Box]]:
    """Put texts into rows, by the corners (4, 2) of their boxes on the turned page."""
    if not found:
        return []
    corners = np.array([box for _, box in found], float)
    across = corners[:, 1] - corners[:, 0]
    angles = np.arctan2(across[:, 1], across[:, 0])
    quarter = np.pi / 2
    tilt = np.median((angles + quarter / 2) % quarter - quarter / 2)
    x, y = np.moveaxis(corners @ rotation(radians(turn) + tilt), -1, 0)
    boxes = []
    for index, (text, _) in enumerate(found):
        ends = x[index].min(), x[index].max(), y[index].min(), y[index].max()
        boxes.append(Box(text, *ends))
    rows = list[list[Box]]()
    for box in sorted(boxes, key=lambda box: box.left):
        beside = max(rows, key=lambda row: row[-1].overlap(box), default=None)
        if beside and beside[-1].overlap(box) >= OVERLAP:
            beside.append(box)
        else:
            rows.append([box])
    return sorted(rows, key=lambda row: np.mean([box.top + box.bottom for box in row]))


def answer_of(name: str, raw: Any, page: Page) -> Answer:  # noqa: ANN401 - JSON
    """Convert what `rivals/recognise.py` prints for a page; a refused page is empty."""
    if name == "rapidocr":
        rows = in_rows(raw, page.turn)
        lines = [" ".join(box.text for box in row) for row in rows]
        return Answer(numbers_in("\n".join(lines)))
    text, confidence, cells = raw or ("", 0.0, [])
    table = [[text for text, _ in row] for row in cells]
    return Answer(numbers_in(text), confidence, table)


def common(these: Sequence[str], those: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    lengths = [0] * (len(those) + 1)
    for this in these:
        before = lengths
        lengths = [0]
        for index, that in enumerate(those):
            longest = max(before[index + 1], lengths[-1])
            lengths.append(before[index] + 1 if this == that else longest)
    return lengths[-1]


def accuracy(pages: Sequence[Page], answers: Sequence[Answer]) -> tuple[str, str, str]:
    """Format the shares of numbers found, of lines found, and of numbers made up."""
    numbers = lines = read = found = whole = 0
    for page, answer in zip(pages, answers, strict=True):
        label = numbers_in(page.label)
        numbers += len(label.split())
        lines += len(label.splitlines())
        read += len(answer.text.split())
        found += common(label.split(), answer.text.split())
        whole += common(label.splitlines(), answer.text.splitlines())
    return (
        f"{100 * found / numbers:.1f}",
        f"{100 * whole / lines:.1f}",
        f"{100 * (read - found) / numbers:.1f}",
    )


def certainty(pages: Sequence[Page], answers: Sequence[Answer]) -> list[str]:
    """Format how sure Digits is, how often rightly, and how many tables are right."""
    confidence = np.array([answer.confidence for answer in answers])
    rights = []
    tables = []
    for page, answer in zip(pages, answers, strict=True):
        rights.append(numbers_in(page.label) == answer.text)
        if page.table:
            tables.append(page.table == answer.table)
    return [
        f"{confidence.mean():.2f}",
        share(confidence >= 0.5),
        share(rights),
        share(~np.array(rights)[confidence >= 0.9]),
        share(tables),
    ]


def share(those: ArrayLike) -> str:
    """Format how many of some are so."""
    return f"{np.sum(those):.0f} of {np.size(those)}"


def measure(pages: Sequence[Page], names: Sequence[str]) -> None:
    """Read the pages with each recogniser; print the accuracy for each kind."""
    header(
        "pages",
        "n",
        "read by",
        "numbers, %",
        "lines, %",
        "not there, per 100",
        "processor, ms",
        "times Digits's",
    )
    sure = []
    for kind in dict.fromkeys(page.kind for page in pages):
        those = [page for page in pages if page.kind == kind]
        way = "turned" if any(page.turn for page in those) else "page"
        results = read_by_each(names, way, [page.file for page in those])
        for name, (raw, milliseconds) in results.items():
            answers = [answer_of(name, raw[page.file], page) for page in those]
            times = ""
            if "digits" in results:
                times = f"{milliseconds / results['digits'][1]:.2f}"
            shares = accuracy(those, answers)
            row([kind, len(those), name, *shares, f"{milliseconds:,.0f}", times])
            if name == "digits":
                sure.append([kind, *certainty(those, answers)])
    if sure:
        typer.echo()
        header(
            "by Digits",
            "mean confidence",
            "at least 0.5",
            "right",
            "wrong at 0.9 or more",
            "tables right",
        )
    for cells in sure:
        row(cells)


def main(
    folder: Folder = None,
    split: Split = "test",
    count: Annotated[int, typer.Option(min=1, help="Pages of each kind.")] = 4,
    seed: Seed = 0,
    only: Only = None,
    save: Save = None,
) -> None:
    """Measure Digits and RapidOCR on the same pages."""
    names = (only,) if only else RECOGNISERS

    def write(to: Path) -> None:
        write_folder(to, held_out(split), count, seed)

    measure_written(folder, save, write, lambda those: measure(pages_of(those), names))


if __name__ == "__main__":
    typer.run(main)
