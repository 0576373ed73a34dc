"""Answers → standard output or a file, as they arrive; errors → standard error."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO, TypeVar

import typer

from app.cli import results
from app.cli.answers import Unanswered, in_order
from app.cli.messages import say, tolerate_encoding_errors
from app.cli.pictures import Picture
from app.cli.records import Csv, Json
from app.printable import printable

MANY = 20  # minimum number of pictures for a progress bar
JSON_ENDINGS = ".json", ".jsonl", ".ndjson"

AnswerKind = Literal["digit", "text"]
Answered = TypeVar("Answered", covariant=True)
Shown = TypeVar("Shown", contravariant=True)


class Ask(Protocol[Answered]):
    """A way to have a picture read, or a page of it."""

    def __call__(self, data: bytes, *, page: int | None) -> Answered:
        """Return the answer; raise Unanswered if there is none."""


class Format(Protocol[Shown]):
    """An output format; None means that nothing is written."""

    def answer(self, picture: Picture, answer: Shown) -> str | None:
        """Return the output for a picture that was read."""

    def failure(self, picture: Picture, why: str) -> str | None:
        """Return the output for a picture that was not read."""


@dataclass(frozen=True)
class Output:
    """How and where answers are written, as asked for on the command line; raises
    typer.BadParameter.
    """

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
            raise typer.BadParameter(
                f"{self.file} must end in .csv, {', '.join(JSON_ENDINGS)}."
            )
        if self.resume and not self.file:
            raise typer.BadParameter("--resume needs --output.")

    def write(
        self, kind: AnswerKind, ask: Ask[Any], pictures: Sequence[Picture], at_once: int
    ) -> int:
        """Write the answer for each picture; return the number of failures. Raises
        NoService.
        """
        if not self.file:
            return write(ask, pictures, self.format(kind, len(pictures)), at_once)
        is_csv = self.file.suffix.lower() == ".csv"
        parsed = Csv(kind).parsed if is_csv else Json.parsed
        file, done = results.opened(self.file, parsed, self.resume)
        left = [picture for picture in pictures if picture.key not in done]
        format = (
            Csv(kind, self.least, self.for_spreadsheet, not done)
            if is_csv
            else Json(self.least)
        )
        try:
            with file:
                return write(
                    ask, left, format, at_once, file, len(pictures) - len(left)
                )
        finally:
            if not self.file.stat().st_size:  # such as after an invalid option
                self.file.unlink()

    def format(self, kind: AnswerKind, count: int) -> Format[Any]:
        """Return the requested format for standard output, by default that for a
        terminal.
        """
        if self.as_csv:
            return Csv(kind, self.least, self.for_spreadsheet)
        if self.as_json:
            return Json(self.least)
        from app.cli import terminal

        return (terminal.Bars if count == 1 else terminal.Lines)(self.least)


def write(
    ask: Ask[Any],
    pictures: Sequence[Picture],
    format: Format[Any],
    at_once: int,
    file: TextIO | None = None,
    done: int = 0,
) -> int:
    """Write the answer for each picture as soon as it is known; return the number of
    failures.

    Without a file, to standard output. If it is interrupted, it says how many are in
    the file, `done` of them before.
    """
    failed, answered, total = 0, 0, len(pictures)
    tolerate_encoding_errors(sys.stdout)
    try:
        with progress(total) as advance:
            for picture, answer in in_order(partial(answer_to, ask), pictures, at_once):
                if isinstance(answer, Unanswered):
                    failed += 1
                    say(
                        f"{printable(str(picture))}: {printable(str(answer))}", err=True
                    )
                    say(format.failure(picture, str(answer)), file)
                else:
                    say(format.answer(picture, answer), file)
                answered += 1
                advance()
    except KeyboardInterrupt:
        if file:
            say(
                f"{done + answered:,} of {done + total:,} done. The same command "
                "goes on with --resume.",
                err=True,
            )
        raise
    if failed and total > 1:
        say(f"{failed} of {total} could not be read.", err=True)
    return failed


def answer_to(
    ask: Ask[Answered], picture: Picture
) -> tuple[Picture, Answered | Unanswered]:
    """Return a picture with its answer, or why there is none."""
    try:
        return picture, ask(picture.read(), page=picture.page)
    except Unanswered as error:
        return picture, error


def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show the progress if there are many pictures and standard error is a terminal."""
    if total < MANY or not sys.stderr or not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from app.cli import terminal

    return terminal.progress(total)
