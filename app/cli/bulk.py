"""`digits bulk`: a job, its progress, and a summary."""

import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from app.answers.responses import LEGIBLE
from app.many.errors import CannotGoOn
from app.many.messages import say
from app.many.parquet import Destination, Summary
from app.many.sources import Part
from app.many.storage import Place
from app.many.worker import Job

SECONDS = 10  # between lines about the progress

Run = Callable[[Job, list[Part]], Iterator[int]]


def read_all(job: Job, rows_per_file: int, run: Run) -> int:
    """Read the pictures that have no row yet, or one that is out of date; return how
    many are left.
    """
    results = job.destination
    everything = list(job.source.parts(rows_per_file))
    results.prepare()
    job.discard_outdated(everything)
    parts = job.parts_left(everything)
    say(f"{count_of(parts):,} pictures to read.", err=True)
    if parts:
        show(run(job, parts), count_of(parts))
        parts = job.parts_left(everything)
    results.tidy()
    return count_of(parts)


def conclude(
    results: Destination,
    left: int,
    csv: Path | None,
    least: float,
    for_spreadsheet: bool,
) -> Summary:
    """Write all rows as CSV too, if that is wanted, and summarise them.

    Raises CannotGoOn if pictures are left.
    """
    if csv:
        with csv.open("w", encoding="utf-8", newline="") as file:
            results.write_csv(file, least, for_spreadsheet)
    summary = results.summary(least)
    say(in_words(summary, least), err=True)
    if left:
        raise CannotGoOn(
            f"{left:,} pictures are left: the machine was too busy for them, stopped "
            "or killed the process that read them, or an unexpected error occurred. "
            "The same command reads them."
        )
    return summary


def count_of(parts: list[Part]) -> int:
    """Return the number of pictures in parts."""
    return sum(map(len, parts))


def require_apart(results: Place, source: Place) -> None:
    """Raise CannotGoOn if results would be among the Parquet files that are read."""
    is_within = source.includes(f"{results.path}/digits.parquet")
    if is_within and source.scheme == results.scheme:
        raise CannotGoOn(
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
