"""`digits bulk`: SOURCE and DESTINATION → the job, its progress, and a summary."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from app.answers.responses import LEGIBLE
from app.many.changes import discard_outdated
from app.many.destination import Destination, Rotate, Summary
from app.many.errors import BulkError
from app.many.job import parts_left, run
from app.many.messages import say
from app.many.source import Files, Part, Source, Table
from app.many.storage import Place, place_of
from app.serving.networks import Networks
from app.settings import Settings, usable_cores
from app.text.field import Field

SECONDS = 10  # between lines about the progress


@dataclass(frozen=True)
class Pictures:
    """What is read, as said on the command line: digits or texts; from Parquet, the
    column of pictures and that of keys.
    """

    source: str
    is_text: bool
    field: Field
    rotate: Rotate
    column: str | None
    key: str | None


@dataclass(frozen=True)
class Work:
    """How the work is divided, here or on the Ray cluster at an address."""

    rows_per_file: int
    workers: int | None
    address: str | None


@dataclass(frozen=True)
class Output:
    """What is also written, and from which confidence on answers are sure."""

    csv: Path | None
    least: float
    for_spreadsheet: bool


def read_all(
    pictures: Pictures, destination: str, work: Work, output: Output, settings: Settings
) -> Summary:
    """Read the pictures that have no row yet, or one that is out of date; then write
    all rows as CSV too, and summarise them.

    Raises BulkError, ModelError or InvalidField.
    """
    place = place_of(pictures.source)
    most = settings.max_upload_bytes
    source: Source = Files(place, most)
    if pictures.column:
        source = Table(place, most, pictures.column, pictures.key)
    networks = Networks.load(*settings.files, settings.second_opinion)
    pictures.field.require_possible(networks.lines.spec)
    is_text = pictures.is_text
    results = Destination(
        place_of(destination),
        "text" if is_text else "digit",
        networks.text_model if is_text else networks.digit_model,
        pictures.field,
        pictures.rotate,
    )
    if pictures.column:
        require_apart(results.place, place)
    if not work.address:  # the nodes of a cluster have files of their own
        settings = settings.model_copy(update=networks.files._asdict())
    everything = list(source.parts(work.rows_per_file))
    results.prepare()
    discard_outdated(everything, source, results)
    parts = parts_left(everything, results)
    say(f"{count_of(parts):,} pictures to read.", err=True)
    if parts:
        read(parts, source, results, settings, work)
        parts = parts_left(everything, results)
    results.tidy()
    if output.csv:
        with output.csv.open("w", encoding="utf-8", newline="") as file:
            results.write_csv(file, output.least, output.for_spreadsheet)
    summary = results.summary(output.least)
    say(in_words(summary, output.least), err=True)
    if left := count_of(parts):
        raise BulkError(
            f"{left:,} pictures are left: the machine was too busy for them, stopped "
            "or killed the process that read them, or an unexpected error occurred. "
            "The same command reads them."
        )
    return summary


def count_of(parts: list[Part]) -> int:
    """Return the number of pictures in parts."""
    return sum(map(len, parts))


def read(
    parts: list[Part],
    source: Source,
    results: Destination,
    settings: Settings,
    work: Work,
) -> None:
    """Read the parts, and print the progress."""
    if work.address:
        from app.many import cluster

        given = parts, source, results, settings, work.address, work.workers
        done = cluster.run(*given)
    else:
        workers = work.workers or usable_cores()
        done = run(parts, source, results, settings, workers)
    show(done, count_of(parts))


def require_apart(results: Place, source: Place) -> None:
    """Raise BulkError if the results would be among the Parquet files that are read."""
    is_within = source.includes(f"{results.path}/digits.parquet")
    if is_within and source.scheme == results.scheme:
        raise BulkError(
            f"{results} is in {source}, where Parquet files are read: choose a folder "
            "outside of it."
        )


def show(done: Iterator[int], total: int) -> None:
    """Print the number of pictures read, and the rate, every SECONDS and at the end."""
    begin = time.monotonic()
    said = begin
    for pictures in accumulate(done):
        now = time.monotonic()
        if now - said >= SECONDS or pictures == total:
            said = now
            seconds = now - begin
            say(
                f"{pictures:,} of {total:,} pictures in {seconds:.0f} s "
                f"({pictures / seconds:,.1f} per second).",
                err=True,
            )


def in_words(summary: Summary, least: float) -> str:
    """Summarise the results of all pictures, including those of earlier runs."""
    refused = summary.errors.total()
    lines = [
        f"{summary.pictures:,} pictures done: {summary.pictures - refused:,} read, "
        f"{refused:,} failed."
    ]
    if summary.hardly_legible:
        lines.append(
            f"{summary.hardly_legible:,} read with a legibility below {LEGIBLE}"
        )
    if least:
        lines.append(
            f"{summary.unsure:,} unsure: a confidence or legibility below {least}"
        )
    lines += [f"{count:,} {name}" for name, count in summary.errors.most_common()]
    return "\n  ".join(lines)
