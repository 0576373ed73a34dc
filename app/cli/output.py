"""Answers → standard output, as they arrive; errors → standard error."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from io import TextIOWrapper
from typing import Any, Literal, Protocol, TypeVar

from app.cli.answers import Unanswered, attempt_each, in_order
from app.cli.pictures import printable, read

MANY = 20  # minimum number of pictures for a progress bar

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


def format_of(kind: AnswerKind, names: Sequence[str], as_json: bool, as_csv: bool) -> Format[Any]:
    """Return the requested format, by default that for a terminal."""
    if as_json or as_csv:
        from app.cli import records

        return records.Json() if as_json else records.Csv(kind)
    from app.cli import layout, terminal

    one, several = terminal.FORMATS[kind]
    width = layout.terminal_width()
    format: Format[Any] = one(width) if len(names) == 1 else several(names, width)
    return format


def write(ask: Ask[Answered], groups: Sequence[Sequence[str]], format: Format[Answered], at_once: int) -> int:
    """Write the answer for each picture as soon as it is known; return the number of failures."""
    failed, total = 0, sum(map(len, groups))
    tolerate_encoding_errors(sys.stdout)
    with progress(total) as advance:
        for answers in in_order(lambda names: answers_to(names, ask), groups, at_once):
            for name, answer in answers:
                if isinstance(answer, Unanswered):
                    failed += 1
                    say(f"{printable(name)}: {printable(str(answer))}", err=True)
                    say(format.failure(name, str(answer)))
                else:
                    say(format.answer(name, answer))
                advance()
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


def say(lines: str | None, err: bool = False) -> None:
    """Write lines to standard output, or to standard error, and flush it."""
    stream = sys.stderr if err else sys.stdout
    if lines is not None and stream:  # it is None if it is closed
        with suppress(*([OSError] if err else [])):  # a message that cannot be written must not stop the results
            stream.write(f"{lines}\n")
            stream.flush()
