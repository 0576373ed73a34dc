"""Answers → standard output or a file, as they arrive; errors → standard error."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, Union

from typer import BadParameter

from app.cli import results
from app.cli.answers import Unanswered, in_order
from app.cli.messages import say, tolerate_encoding_errors
from app.cli.pictures import Picture
from app.cli.records import Answer, Csv, Json
from app.printable import printable

if TYPE_CHECKING:
    from app.cli.terminal import Lines

MANY = 20  # minimum number of pictures for a progress bar
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
# Files that are larger are read one by one, so that few of them are held.
TOGETHER_BYTES = 65_536

Format = Union[Csv, Json, "Lines"]
Answers = Sequence[Answer | Unanswered]
# What reads pictures, or the same page of each.
Ask = Callable[[Sequence[bytes], int | None], Answers]


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

    def __post_init__(self) -> None:
        if self.as_json and self.as_csv:
            raise BadParameter("--json and --csv cannot be used together.")
        if self.file and self.file.suffix.lower() not in (".csv", *JSON_ENDINGS):
            raise BadParameter(
                f"{self.file} must end in .csv, {', '.join(JSON_ENDINGS)}."
            )
        if self.resume and not self.file:
            raise BadParameter("--resume needs --output.")

    def write(
        self,
        kind: Literal["digit", "text"],
        ask: Ask,
        pictures: Sequence[Picture],
        at_once: int,
        batch: int = 1,
    ) -> int:
        """Write the answer for each picture; return the number of failures.

        Up to `batch` pictures are read together, `at_once` times at a time. Raises
        NoService.
        """
        csv = Csv(kind, self.least, self.for_spreadsheet)
        json = Json(self.least)
        if not self.file:
            shown: Format = csv if self.as_csv else json
            if not (self.as_csv or self.as_json):
                from app.cli import terminal

                lines = terminal.Bars if len(pictures) == 1 else terminal.Lines
                shown = lines(self.least)
            return write(ask, pictures, shown, at_once, batch)
        format = csv if self.file.suffix.lower() == ".csv" else json
        file, done = results.opened(self.file, format.parsed, self.resume)
        csv.has_header = not done
        left = [picture for picture in pictures if picture.key not in done]
        before = len(pictures) - len(left)
        try:
            with file:
                return write(ask, left, format, at_once, batch, file, before)
        finally:
            if not self.file.stat().st_size:  # such as after an invalid option
                self.file.unlink()


def write(
    ask: Ask,
    pictures: Sequence[Picture],
    format: Format,
    at_once: int,
    batch: int,
    file: TextIO | None = None,
    done: int = 0,
) -> int:
    """Write the answer for each picture as soon as it is known; return the number of
    failures.

    Without a file, write to standard output. On Ctrl-C, say how many are in the file,
    `done` of them before.
    """
    failed = 0
    answered = 0
    total = len(pictures)
    each = min(batch, total // at_once) or 1  # so that none of those at once has none
    groups = [pictures[first : first + each] for first in range(0, total, each)]
    answers = in_order(partial(answers_to, ask), groups, at_once)
    tolerate_encoding_errors(sys.stdout)
    try:
        with progress(total) as advance:
            for answer in chain.from_iterable(answers):
                picture = pictures[answered]
                if isinstance(answer, Unanswered):
                    failed += 1
                    say(printable(f"{picture}: {answer}"), err=True)
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


def answers_to(ask: Ask, pictures: Sequence[Picture]) -> Answers:
    """Return the answer for each picture, or why there is none; small ones are read
    together.
    """
    page = pictures[0].page
    answers: dict[int, Answer | Unanswered] = {}
    small: dict[int, bytes] = {}
    for place, picture in enumerate(pictures):
        try:
            small[place] = picture.read()
        except Unanswered as error:
            answers[place] = error
            continue
        if len(small[place]) > TOGETHER_BYTES:
            (answers[place],) = ask([small.pop(place)], page)
    if small:
        answers.update(zip(small, ask(list(small.values()), page), strict=True))
    return [answers[place] for place in sorted(answers)]


def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show the progress if there are many pictures and standard error is a terminal."""
    if total < MANY or not sys.stderr or not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from app.cli import terminal

    return terminal.progress(total)
