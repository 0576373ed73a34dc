"""Answers → standard output or a file, as they arrive; errors → standard error."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO, TypeVar

import typer

from app.cli.answers import Unanswered, attempt_each, in_order
from app.cli.pictures import expand, groups, printable, read

MANY = 20  # minimum number of pictures for a progress bar
JSON_ENDINGS = ".json", ".jsonl", ".ndjson"

AnswerKind = Literal["digit", "text"]
Answered = TypeVar("Answered")
Shown = TypeVar("Shown", contravariant=True)
Ask = Callable[[Sequence[bytes]], Sequence[Answered | Unanswered]]


class Format(Protocol[Shown]):
    """An output format; None means that nothing is written."""

    def answer(self, name: str, answer: Shown) -> str | None:
        """Return the output for a picture that was read."""

    def failure(self, name: str, why: str) -> str | None:
        """Return the output for a picture that was not read."""


@dataclass(frozen=True)
class Output:
    """How and where answers are written, as asked for on the command line; raises typer.BadParameter."""

    as_json: bool = False
    as_csv: bool = False
    file: Path | None = None
    resume: bool = False
    least: float = 0.0
    for_spreadsheet: bool = False

    def __post_init__(self) -> None:
        if self.as_json and self.as_csv:
            raise typer.BadParameter("--json and --csv cannot be used together.")
        if self.file and self.file.suffix.lower() not in (".csv", *JSON_ENDINGS):
            raise typer.BadParameter(f"{self.file} must end in .csv, {', '.join(JSON_ENDINGS)}.")
        if self.resume and not self.file:
            raise typer.BadParameter("--resume needs --output.")

    def write(self, kind: AnswerKind, ask: Ask[Any], names: Sequence[str], at_once: int, together: int = 1) -> int:
        """Write the answer for each picture; return the number of failures. Raises NoService."""
        names = expand(names)
        if not self.file:
            return write(ask, list(groups(names, together)), self.format(kind, len(names)), at_once)
        from app.cli import records, results

        is_csv = self.file.suffix.lower() == ".csv"
        file, done = results.opened(self.file, records.Csv if is_csv else records.Json, self.resume)
        left = [name for name in names if name not in done]
        with file:
            format = self.csv(kind, not done) if is_csv else records.Json(self.least)
            return write(ask, list(groups(left, together)), format, at_once, file, len(names) - len(left))

    def format(self, kind: AnswerKind, count: int) -> Format[Any]:
        """Return the requested format for standard output, by default that for a terminal."""
        if self.as_csv:
            return self.csv(kind)
        if self.as_json:
            from app.cli import records

            return records.Json(self.least)
        from app.cli import terminal

        return (terminal.Bars if count == 1 else terminal.Lines)(self.least)

    def csv(self, kind: AnswerKind, with_header: bool = True) -> Format[Any]:
        """Return the format for CSV."""
        from app.cli import records

        return records.Csv(kind, self.least, self.for_spreadsheet, with_header)


def write(
    ask: Ask[Answered],
    groups: Sequence[Sequence[str]],
    format: Format[Answered],
    at_once: int,
    file: TextIO | None = None,
    done: int = 0,
) -> int:
    """Write the answer for each picture as soon as it is known; return the number of failures.

    Without a file, to standard output. If it is interrupted, it says how many are in the file, `done` of them before.
    """
    failed, read, total = 0, 0, sum(map(len, groups))
    tolerate_encoding_errors(sys.stdout)
    try:
        with progress(total) as advance:
            for answers in in_order(lambda names: answers_to(names, ask), groups, at_once):
                for name, answer in answers:
                    if isinstance(answer, Unanswered):
                        failed += 1
                        say(f"{printable(name)}: {printable(str(answer))}", err=True)
                        say(format.failure(name, str(answer)), file)
                    else:
                        say(format.answer(name, answer), file)
                    read += 1
                    advance()
    except KeyboardInterrupt:
        if file:
            say(f"{done + read:,} of {done + total:,} done. The same command goes on with --resume.", err=True)
        raise
    if failed and total > 1:
        say(f"{failed} of {total} could not be read.", err=True)
    return failed


def answers_to(names: Sequence[str], ask: Ask[Answered]) -> list[tuple[str, Answered | Unanswered]]:
    """Return the name of each of several files that are sent together with its answer, or why there is none."""
    files = attempt_each(read, names)
    answers = iter(ask([data for data in files if not isinstance(data, Unanswered)]))
    return [
        (name, data if isinstance(data, Unanswered) else next(answers)) for name, data in zip(names, files, strict=True)
    ]


def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show the progress if there are many pictures and standard error is a terminal."""
    if total < MANY or not sys.stderr or not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from app.cli import terminal

    return terminal.progress(total)


def tolerate_encoding_errors(stream: object) -> None:
    """Write file names that are not valid text, and characters that the encoding lacks, without an error."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "replace")


def say(lines: str | None, file: TextIO | None = None, err: bool = False) -> None:
    """Write lines to a file, to standard output, or to standard error, and flush it."""
    stream = file or (sys.stderr if err else sys.stdout)
    if lines is not None and stream:  # it is None if it is closed
        with suppress(*([OSError] if err else [])):  # a message that cannot be written must not stop the results
            stream.write(f"{lines}\n")
            stream.flush()
