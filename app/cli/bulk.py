"""`digits bulk`: SOURCE and DESTINATION → the job, its progress, and a summary."""

import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Literal

from app.answers.responses import LEGIBLE
from app.bulk.destination import Destination, Summary
from app.bulk.errors import BulkError
from app.bulk.job import parts_left, run
from app.bulk.source import Files, Table
from app.bulk.storage import Place, place_of
from app.cli.messages import say
from app.serving.networks import Networks
from app.settings import Settings, usable_cores
from app.text.field import Field

SECONDS = 10  # between lines about the progress


def read_all(
    source: str,
    destination: str,
    settings: Settings,
    is_text: bool,
    field: Field,
    column: str | None,
    key: str | None,
    rows_per_file: int,
    workers: int | None,
    address: str | None,
    csv: Path | None,
) -> None:
    """Read the pictures that have no row yet, on the Ray cluster at an address if
    given; then write all as CSV too.

    Raises BulkError, ModelError or InvalidField.
    """
    place = place_of(source)
    most = settings.max_upload_bytes
    pictures = Table(place, most, column, key) if column else Files(place, most)
    networks = Networks.load(*settings.files, settings.second_opinion)
    field.require_possible(networks.lines.spec)
    model = networks.text_model if is_text else networks.digit_model
    kind: Literal["digit", "text"] = "text" if is_text else "digit"
    results = Destination(place_of(destination), kind, model, field)
    if column:
        require_apart(results.place, place)
    if not address:  # the nodes of a cluster have files of their own
        settings = settings.model_copy(update=networks.files._asdict())
    everything = list(pictures.parts(rows_per_file))
    results.prepare()
    parts = parts_left(everything, results)
    total = sum(map(len, parts))
    say(f"{total:,} pictures to read.", err=True)
    if parts:
        if address:
            from app.bulk import cluster

            done = cluster.run(parts, pictures, results, settings, address, workers)
        else:
            done = run(parts, pictures, results, settings, workers or usable_cores())
        show(done, total)
        parts = parts_left(everything, results)
    results.tidy()
    if csv:
        with csv.open("w", encoding="utf-8", newline="") as file:
            results.write_csv(file)
    say(in_words(results.summary()), err=True)
    if left := sum(map(len, parts)):
        raise BulkError(
            f"{left:,} pictures are left: the machine was too busy for them, stopped "
            "or killed the process that read them, or an unexpected error occurred. "
            "The same command reads them."
        )


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


def in_words(summary: Summary) -> str:
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
    lines += [f"{count:,} {name}" for name, count in summary.errors.most_common()]
    return "\n  ".join(lines)
