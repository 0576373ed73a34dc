"""Answers → what a person sees: bars for one picture, a table for several, and how far the work is.

In colour where the terminal has any. Ignores: where answers come from.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.cli.answers import Answer, TextAnswer
from app.cli.pictures import printable

BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉"
LONGEST_NAME = 60  # that the other columns make room for
SURE, UNSURE = 0.9, 0.5
WORTH_A_WORD = 0.01
LEGIBLE = 0.5
NOT_A_DIGIT = "probably not a digit"
NO_DIGITS = "no digits"


class Bars:
    """The ten probabilities of a picture, and whether it is a digit at all."""

    def answer(self, name: str, answer: Answer) -> str:
        """The digit, and below it the bars."""
        heading = Text.assemble(f"{printable(name)}: ", (str(answer.digit), "bold"), f" ({answer.confidence:.1%})")
        if answer.legibility < LEGIBLE:
            heading.append(f", {NOT_A_DIGIT}", colour(answer.legibility))
        rows = [
            bar_row(digit, share, colour(share) if digit == answer.digit else "")
            for digit, share in enumerate(answer.probabilities)
        ]
        return rendered(Text("\n").join([heading, *rows]))

    def failure(self, name: str, why: str) -> None:
        """Nothing: standard error says it."""


class DigitBars:
    """All digits on a picture, and how sure each is."""

    def answer(self, name: str, answer: TextAnswer) -> str:
        """The text, and below it a bar for each digit, line by line."""
        heading = Text.assemble(f"{printable(name)}: ", (in_one_line(answer), "bold"), f" ({answer.confidence:.1%})")
        rows: list[Text] = []
        for line in answer.lines:
            rows += [Text(), *map(digit_row, line["digits"])]
        return rendered(Text("\n").join([heading, *rows[1:]]))

    def failure(self, name: str, why: str) -> None:
        """Nothing: standard error says it."""


class Table:
    """A row a picture, below the columns' names."""

    def __init__(self, names: Sequence[str], *columns: str) -> None:
        self.width = min(max(cell_len(name) for name in ["file", *names]), LONGEST_NAME)
        self.above = rendered(self.line("file", "  ".join(columns), "", "bold")) + "\n"

    def row(self, name: str, cells: str, more: str, style: str) -> str:
        """The row of a picture, its cells in a style; the first one below the columns' names."""
        above, self.above = self.above, ""
        return above + rendered(self.line(printable(name), cells, more, style))

    def line(self, name: str, cells: str, more: str, style: str) -> Text:
        """A line of the table."""
        padding = " " * (self.width - cell_len(name))
        return Text.assemble(f"{name}{padding}  ", (cells, style), f"  {more}".rstrip())

    def failure(self, name: str, why: str) -> None:
        """Nothing: standard error says it."""


class Rows(Table):
    """The digit on each picture, its probability, and what else it may be: the next digit, or none."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names, "digit", "confidence", "or")

    def answer(self, name: str, answer: Answer) -> str:
        """The row of a picture that was read."""
        share, digit = max((share, digit) for digit, share in enumerate(answer.probabilities) if digit != answer.digit)
        others = [f"{digit} ({share:.1%})"] if share >= WORTH_A_WORD else []
        if answer.legibility < LEGIBLE:
            others.append(NOT_A_DIGIT)
        style = colour(min(answer.confidence, answer.legibility))
        return self.row(name, f"{answer.digit:<5}  {answer.confidence:>10.1%}", ", ".join(others), style)


class TextRows(Table):
    """All digits on each picture, and how probable that is."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names, "confidence", "text")

    def answer(self, name: str, answer: TextAnswer) -> str:
        """The row of a picture that was read."""
        return self.row(name, f"{answer.confidence:>10.1%}  {in_one_line(answer)}", "", colour(answer.confidence))


FORMATS: dict[str, tuple[Callable[[], Any], Callable[[Sequence[str]], Any]]] = {
    "digit": (Bars, Rows),
    "text": (DigitBars, TextRows),
}


def facts(about: Mapping[str, Any]) -> str:
    """What there is to say of a service or a model, a line each, the model's own words last."""
    model = dict(about["model"])
    lines = {**about, "model": model.pop("version"), **dict(sorted(model.items()))}
    width = max(map(len, lines))
    return rendered(
        Text("\n").join(
            Text.assemble((name.replace("_", " ").ljust(width), "bold"), f"  {printable(str(value))}")
            for name, value in lines.items()
        )
    )


def in_one_line(answer: TextAnswer) -> str:
    """A text as it is shown in one line."""
    return answer.text.replace("\n", " / ") or NO_DIGITS


def digit_row(digit: Mapping[str, Any]) -> Text:
    """A digit of a text, and how probable it is."""
    row = bar_row(digit["digit"], digit["confidence"], colour(min(digit["confidence"], digit["legibility"])))
    return row if digit["legibility"] >= LEGIBLE else row.append(f"  {NOT_A_DIGIT}")


def bar_row(digit: int, share: float, style: str) -> Text:
    """A digit and its probability."""
    return Text(f"  {digit} {bar(share)} {share:>6.1%}", style)


def bar(share: float) -> str:
    """A probability as a bar.

    >>> bar(0.5).rstrip() == 20 * "█"
    True
    """
    full, eighths = divmod(round(share * BAR_WIDTH * 8), 8)
    return ("█" * full + EIGHTHS[eighths]).ljust(BAR_WIDTH)[:BAR_WIDTH]


def colour(share: float) -> str:
    """How a probability looks."""
    return "green" if share >= SURE else "yellow" if share >= UNSURE else "red"


def rendered(text: Text) -> str:
    """Lines for standard output, with colours where that is a terminal that has any."""
    if screen().color_system is None:
        return text.plain  # in a tenth of the time
    with screen().capture() as captured:
        screen().print(text, soft_wrap=True)
    return captured.get().removesuffix("\n")


@cache
def screen() -> Console:
    """Standard output, as rich sees it."""
    return Console()


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, moved on by each call; what is printed meanwhile stands above it."""
    columns = TextColumn("{task.completed} of {task.total}"), BarColumn(), TimeRemainingColumn()
    screen()  # as standard output is now
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as shown:
        task = shown.add_task("", total=total)
        yield lambda: shown.advance(task)
