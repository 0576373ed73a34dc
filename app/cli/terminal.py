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

from app.cli.answers import Answer
from app.cli.pictures import printable

BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉"
LONGEST_NAME = 60  # that the other columns make room for
SURE, UNSURE = 0.9, 0.5
WORTH_A_WORD = 0.01
LEGIBLE = 0.5
NOT_A_DIGIT = "probably not a digit"


class Bars:
    """The ten probabilities of a picture, and whether it is a digit at all."""

    def answer(self, name: str, answer: Answer) -> str:
        """The digit, and below it the bars."""
        heading = Text.assemble(f"{printable(name)}: ", (str(answer.digit), "bold"), f" ({answer.confidence:.1%})")
        if answer.legibility < LEGIBLE:
            heading.append(f", {NOT_A_DIGIT}", colour(answer.legibility))
        rows = [
            Text(f"  {digit} {bar(share)} {share:>6.1%}", colour(share) if digit == answer.digit else "")
            for digit, share in enumerate(answer.probabilities)
        ]
        return rendered(Text("\n").join([heading, *rows]))

    def failure(self, name: str, why: str) -> None:
        """Nothing: standard error says it."""


class Rows:
    """A row a picture: the digit, its probability, and what else it may be: the next digit, or none."""

    def __init__(self, names: Sequence[str]) -> None:
        self.width = min(max(cell_len(name) for name in ["file", *names]), LONGEST_NAME)
        self.above = rendered(self.row("file", "digit", "confidence", "or", "bold")) + "\n"

    def answer(self, name: str, answer: Answer) -> str:
        """The row of a picture that was read; the first one below the columns' names."""
        share, digit = max((share, digit) for digit, share in enumerate(answer.probabilities) if digit != answer.digit)
        others = [f"{digit} ({share:.1%})"] if share >= WORTH_A_WORD else []
        if answer.legibility < LEGIBLE:
            others.append(NOT_A_DIGIT)
        style = colour(min(answer.confidence, answer.legibility))
        row = self.row(printable(name), str(answer.digit), f"{answer.confidence:.1%}", ", ".join(others), style)
        above, self.above = self.above, ""
        return above + rendered(row)

    def failure(self, name: str, why: str) -> None:
        """Nothing: standard error says it."""

    def row(self, name: str, digit: str, confidence: str, other: str, style: str) -> Text:
        """A row of the table."""
        padding = " " * (self.width - cell_len(name))
        return Text.assemble(f"{name}{padding}  ", (f"{digit:<5}  {confidence:>10}", style), f"  {other}".rstrip())


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
