"""Measure how well written fields are read, amounts, dates and times, with their format
and without.

    make formats [ARGS="--count 20 --only without --kind dates"]
    make formats ARGS="--folder DIR"
    make formats ARGS="--save DIR"

The fields of `written_fields` are written with MNIST's test digits; `--save` only
writes them, to a folder. A DIR of your own holds `images/` and `labels.csv`, with the
columns filename, kind, label, value, format, date and values: the text as written, the
value that it stands for, and how the field is asked for. `value` is a plain decimal
number, an ISO date or a time such as 09:05; `date` is dmy, mdy or ymd, or empty;
`values` is a file in DIR with a list of what may be written, a line each, or empty.

Without a format, digits and marks may stand in a field, as by default; in negative
amounts, also parentheses. Everything runs on one core. Needs the extra `training`.
"""

import csv
import time
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import typer

from app.picture.errors import PictureError
from app.text.field import Field
from app.text.reading import TextOptions
from app.text.transcription import Transcription
from measuring import (
    Folder,
    Save,
    Seed,
    Served,
    Split,
    header,
    held_out,
    measure_written,
    on_one_core,
    row,
)
from training.writing.alphabet import DIGITS, MARKS
from written_fields import KINDS, Entry, write_folder

WAYS = "without", "with"
SIGNS = {"negatives": "()"}  # requested without a format, beside digits and marks
SURE = 0.9


class Scan(NamedTuple):
    """A picture of a field."""

    file: Path
    kind: str
    entry: Entry


class Answer(NamedTuple):
    """How a field is read, and the processor time for that in milliseconds."""

    text: str
    value: str | None
    confidence: float
    milliseconds: float


def field_of(said: Mapping[str, str], folder: Path) -> Field:
    """Return how a field is asked for."""
    values = said.get("values") and (folder / said["values"]).read_text()
    known = {"format": said["format"], "date": said["date"], "values": values}
    return Field(**{name: each for name, each in known.items() if each})


def scans_of(folder: Path) -> list[Scan]:
    """Find the fields of a folder."""
    scans = []
    with (folder / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
        for each in csv.DictReader(file):
            picture = folder / "images" / each["filename"]
            entry = Entry(each["label"], each["value"], field_of(each, folder))
            scans.append(Scan(picture, each["kind"], entry))
    return scans


def read_scan(networks: Served, scan: Scan, way: str) -> Transcription:
    """Read a field with its format, or without."""
    field = scan.entry.field
    if way == "without":
        field = Field(characters=DIGITS + MARKS + SIGNS.get(scan.kind, ""))
    return networks.transcription(scan.file.read_bytes(), TextOptions(field))


def answer_of(networks: Served, scan: Scan, way: str) -> Answer:
    """Read a field; a refused picture is empty."""
    began = time.process_time()
    try:
        text = read_scan(networks, scan, way)
    except PictureError:
        text = Transcription((), 0.0)
    milliseconds = 1000 * (time.process_time() - began)
    return Answer(text.text, text.value, text.confidence, milliseconds)


def report(
    kind: str, way: str, scans: Sequence[Scan], answers: Sequence[Answer]
) -> None:
    """Print a row of the table."""
    rights = []
    values = []
    sure = 0
    unmarked = 0
    for scan, answer in zip(scans, answers, strict=True):
        is_right = answer.text == scan.entry.text
        rights.append(is_right)
        values.append(answer.value == scan.entry.value)
        sure += answer.confidence >= SURE
        unmarked += not is_right and answer.confidence >= SURE
    share = f"{100 * np.mean(rights):.1f}"
    value = f"{100 * np.mean(values):.1f}" if way == "with" else ""
    milliseconds = np.median([answer.milliseconds for answer in answers])
    unseen = f"{100 * sure / len(scans):.1f}"
    row([kind, len(scans), way, share, value, unseen, unmarked, f"{milliseconds:.1f}"])


def measure(scans: Sequence[Scan], ways: Sequence[str]) -> None:
    """Read all fields; print a row for each kind, and for all, and each way."""
    networks = Served.committed()
    header(
        "fields",
        "n",
        "format",
        "as written, %",
        "right value, %",
        f"at {SURE} or more, %",
        f"wrong at {SURE} or more",
        "processor, ms",
    )
    answers = {way: [answer_of(networks, scan, way) for scan in scans] for way in ways}
    for kind in (*dict.fromkeys(scan.kind for scan in scans), "all"):
        chosen = [kind in (scan.kind, "all") for scan in scans]
        for way in ways:
            those = list(compress(answers[way], chosen))
            report(kind, way, list(compress(scans, chosen)), those)


def main(
    folder: Folder = None,
    split: Split = "test",
    count: Annotated[int, typer.Option(min=1, help="Fields of each kind.")] = 100,
    seed: Seed = 0,
    only: Annotated[
        Literal["with", "without"] | None,
        typer.Option(help="Read only with or without format."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="A kind; may be repeated (all).")
    ] = None,
    save: Save = None,
) -> None:
    """Measure fields with their format and without."""
    on_one_core()
    ways = (only,) if only else WAYS

    def write(to: Path) -> None:
        write_folder(to, held_out(split), count, seed, kind or KINDS)

    measure_written(folder, save, write, lambda those: measure(scans_of(those), ways))


if __name__ == "__main__":
    typer.run(main)
