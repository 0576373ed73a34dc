"""Answers → standard output or a file, as they arrive; errors → standard error."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Union

from typer import BadParameter

from app.answers.columns import Kind
from app.answers.responses import TRANSIENT
from app.many.errors import CannotGoOn, NoService, Unanswered, needs_extra
from app.many.messages import say, tolerate_encoding_errors
from app.many.pictures import Picture
from app.many.records import Csv, Json, PrintedCsv
from app.many.results import Results
from app.many.rows import Answer
from app.many.watch import Watch
from app.printable import printable

if TYPE_CHECKING:
    from app.many.parquet_results import ParquetResults
    from app.many.terminal import Lines

MANY = 20  # minimum number of pictures for a progress bar
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
ENDINGS = (".csv", PARQUET, *JSON_ENDINGS)

Format = Union[Csv, Json, "Lines"]
# What yields the answer for each picture, in order.
Read = Callable[[Sequence[Picture]], Iterator[Answer | Unanswered]]
Put = Callable[[Picture, Answer | Unanswered], None]  # into a file, or on the terminal


@dataclass
class Tally:
    """How many pictures are done, and the problems of those that could not be read."""

    total: int
    done: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer | Unanswered) -> None:
        """Count a picture."""
        self.done += 1
        if isinstance(answer, Unanswered):
            self.problems[answer.problem] += 1

    def failures(self) -> str:
        """Return how many pictures have which problem, in words."""
        each = [f"{count:,} {name}" for name, count in self.problems.most_common()]
        return (
            f"{self.problems.total():,} of {self.total:,} pictures could not be read: "
            f"{', '.join(each)}."
        )

    def way_on(self) -> str:
        """Return how far the command came, and how to go on."""
        done = f"{self.done:,} of {self.total:,} done."
        return f"{done} The same command goes on with --resume."


@dataclass(frozen=True)
class Output:
    """How and where answers are written, as asked for on the command line.

    Raises BadParameter.
    """

    as_json: bool
    as_csv: bool
    file: Path | None
    resume: bool
    least: float
    for_spreadsheet: bool = False
    watch: float | None = None
    fields: Sequence[str] = ()  # of the forms of sheets

    def __post_init__(self) -> None:
        if self.as_json and self.as_csv:
            raise BadParameter("--json and --csv cannot be used together.")
        ending = self.file.suffix.lower() if self.file else ".csv"
        if ending not in ENDINGS:
            raise BadParameter(f"{self.file} must end in {', '.join(ENDINGS)}.")
        if ending == PARQUET and self.least and not self.fields:
            raise BadParameter(
                "--min-confidence marks rows of CSV and JSON. In Parquet, compare the "
                "column confidence."
            )
        if self.resume and not self.file:
            raise BadParameter("--resume needs --output.")
        if self.watch and not self.file:
            raise BadParameter("--watch needs --output.")

    def write(self, kind: Kind, read: Read, pictures: Sequence[Picture]) -> int:
        """Write the answer for each picture; return the number of failures, including
        those that are in the file and are not tried again.

        Raises NoService, or CannotGoOn if the file exists.
        """
        tally = Tally(len(pictures))
        if self.file:
            self.add_to(self.file, kind, read, pictures, tally)
        elif self.as_csv:
            csv = PrintedCsv(kind, self.least, self.for_spreadsheet, self.fields)
            try:
                write(read, pictures, printing(csv), tally)
            finally:  # also on Ctrl-C
                say(csv.rest())
        else:
            write(read, pictures, printing(self.shown(tally.total)), tally)
        if tally.problems and (tally.total > 1 or self.resume):
            say(tally.failures(), err=True)
        return tally.problems.total()

    def shown(self, count: int) -> Union[Json, "Lines"]:
        """Return how to print the answers for so many pictures, if not as CSV."""
        if self.as_json:
            return Json(self.least)
        from app.many import terminal

        return (terminal.Bars if count == 1 else terminal.Lines)(self.least)

    def add_to(
        self,
        path: Path,
        kind: Kind,
        read: Read,
        pictures: Sequence[Picture],
        tally: Tally,
    ) -> None:
        """Add the answers that a file lacks; if interrupted, say how to go on."""
        with self.opened(path, kind, self.resume) as results:
            problems = results.resume(pictures)
            left = [each for each in pictures if each.location not in problems]
            tally.done = tally.total - len(left)
            had = (problems.get(picture.location) for picture in pictures)
            tally.problems.update(filter(None, had))
            try:
                write(read, left, results.add, tally)
            except NoService as error:
                if not tally.done:
                    raise
                raise NoService(f"{error} {tally.way_on()}") from error
            except KeyboardInterrupt:
                say(tally.way_on(), err=True)
                raise

    def opened(
        self, path: Path, kind: Kind, is_resumed: bool
    ) -> Union[Results, "ParquetResults"]:
        """Open a file in the format of its ending; raise CannotGoOn."""
        ending = path.suffix.lower()
        if ending == ".csv":
            csv = Csv(kind, self.least, self.for_spreadsheet, self.fields)
            return Results(path, csv, is_resumed)
        if ending != PARQUET:
            return Results(path, Json(self.least), is_resumed)
        try:
            from app.many.parquet_results import ParquetResults
        except ModuleNotFoundError as error:
            raise CannotGoOn(needs_extra(error.name, "bulk")) from error
        return ParquetResults(path, kind, self.fields, self.least, is_resumed)

    def follow(
        self,
        kind: Kind,
        read: Read,
        watch: Watch,
        pictures_of: Callable[[Sequence[str]], Sequence[Picture]],
    ) -> None:
        """Add the answers that a file lacks, as files become due, without end."""

        def read_and_note(pictures: Sequence[Picture]) -> Iterator[Answer | Unanswered]:
            for picture, answer in zip(pictures, read(pictures), strict=True):
                if isinstance(answer, Unanswered) and answer.problem in TRANSIENT:
                    watch.retry(picture.path)
                yield answer

        assert self.file  # since `watch` is set
        with_rows: set[str] | None = None  # not known yet
        for names in watch.batches():
            left = pictures_of(names)
            with self.opened(self.file, kind, is_resumed=True) as results:
                if with_rows is None or not with_rows.isdisjoint(names):
                    done = results.resume(left)
                    with_rows = {file for file, _ in done}
                    left = [each for each in left if each.location not in done]
                with_rows.update(names)
                write(read_and_note, left, results.add, Tally(len(left)))


def printing(format: Format) -> Put:
    """Return what prints the answer for a picture in a format."""
    return lambda picture, answer: say(format.shown(picture, answer))


def write(read: Read, pictures: Sequence[Picture], put: Put, tally: Tally) -> None:
    """Write the answer for each picture as soon as it is known."""
    tolerate_encoding_errors(sys.stdout)
    with progress(len(pictures)) as advance:
        for picture, answer in zip(pictures, read(pictures), strict=True):
            if isinstance(answer, Unanswered):
                say(printable(f"{picture}: {answer}"), err=True)
            put(picture, answer)
            tally.add(answer)
            advance()


def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show the progress if there are many pictures and standard error is a terminal."""
    if total < MANY or not sys.stderr or not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from app.many import terminal

    return terminal.progress(total)
