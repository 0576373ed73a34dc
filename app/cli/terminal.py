"""Answers → text for a terminal: bars for one picture, a table for several, and a progress bar.

In colour if the terminal supports it, and no wider than the terminal.
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

from app.cli.layout import BAR_WIDTH, MIN_COLUMNS, bar, hanging, percent, shortened
from app.cli.pictures import printable
from app.web import answers
from app.web.answers import LEGIBLE

AROUND_BAR = 11  # columns of the digit and the percentage beside a bar
BEHIND = 9  # columns reserved for the last cell of a table row, as in "3 (12.3%)"
GREEN_FROM, YELLOW_FROM = 0.9, 0.5
MIN_RUNNER_UP = 0.01  # probability of a runner-up that is shown
NOT_A_DIGIT = "probably not a digit"
NO_DIGITS = "no digits"


class TerminalFormat:
    """A format that shows only pictures that were read: why another one was not is on standard error."""

    def __init__(self, width: float) -> None:
        self.width = width

    def failure(self, name: str, why: str) -> None:
        """Return nothing."""


class Bars(TerminalFormat):
    """The ten probabilities of a picture, and whether it is probably a digit."""

    def answer(self, name: str, answer: answers.Prediction) -> str:
        """Return the digit, with the bars below it."""
        warning = "" if answer.legibility >= LEGIBLE else f", {NOT_A_DIGIT}"
        heading = titled(name, str(answer.digit), answer.confidence, warning, self.width)
        heading.stylize(colour(answer.legibility), len(heading) - len(warning))
        size = bar_width(self.width)
        rows = [
            bar_row(digit, share, colour(share) if digit == answer.digit else "", size)
            for digit, share in enumerate(answer.probabilities)
        ]
        return rendered(Text("\n").join([heading, *rows]))


class DigitBars(TerminalFormat):
    """The text in a picture, its digits with the probability of each, and its marks."""

    def answer(self, name: str, answer: answers.Text) -> str:
        """Return the text, with a bar for each digit below it, and its marks between them, line by line."""
        heading = titled(name, in_one_line(answer), answer.confidence, "", self.width)
        are_digits = all(is_digit(digit) for line in answer.lines for digit in line.digits)
        size = bar_width(self.width if are_digits else self.width - len(NOT_A_DIGIT) - 2)
        rows: list[Text] = []
        for line in answer.lines:
            signs: list[answers.Digit | answers.Mark] = [*line.digits, *line.marks]
            signs.sort(key=lambda sign: sign.box.left)
            rows += [Text(), *(sign_row(sign, size) for sign in signs)]
        return rendered(Text("\n").join([heading, *rows[1:]]))


class Table(TerminalFormat):
    """A table with a header and one row per picture."""

    def __init__(self, names: Sequence[str], width: float, columns: str, last: str) -> None:
        super().__init__(width)
        longest = max(cell_len(printable(name)) for name in ["file", *names])
        self.name_width = int(min(longest, max(width - len(columns) - BEHIND - 4, MIN_COLUMNS)))
        self.above = rendered(self.line("file", columns, last, "bold")) + "\n"

    def row(self, name: str, cells: str, last: str, style: str) -> str:
        """Return the row of a picture, its cells in a style; the first row is preceded by the header."""
        above, self.above = self.above, ""
        return above + rendered(self.line(printable(name), cells, last, style))

    def line(self, name: str, cells: str, last: str, style: str) -> Text:
        """Return a line of the table; the last cell gets a line of its own if it does not fit."""
        name = shortened(name, self.name_width)
        padding = " " * (self.name_width - cell_len(name))
        line = Text.assemble(f"{name}{padding}  ", (cells, style))
        if last:
            fits = line.cell_len + 2 + cell_len(last) <= self.width
            line.append(f"  {last}" if fits else f"\n  {last}")
        return line


class Rows(Table):
    """The digit in each picture, its probability, and the alternatives: the runner-up, or that it is not a digit."""

    def __init__(self, names: Sequence[str], width: float) -> None:
        super().__init__(names, width, "digit  confidence", "runner-up")

    def answer(self, name: str, answer: answers.Prediction) -> str:
        """Return the row of a picture that was read."""
        share, digit = max((share, digit) for digit, share in enumerate(answer.probabilities) if digit != answer.digit)
        others = [f"{digit} ({percent(share)})"] if share >= MIN_RUNNER_UP else []
        if answer.legibility < LEGIBLE:
            others.append(NOT_A_DIGIT)
        style = colour(min(answer.confidence, answer.legibility))
        return self.row(name, f"{answer.digit:<5}  {percent(answer.confidence):>10}", ", ".join(others), style)


class TextRows(Table):
    """The text in each picture, and its probability."""

    def __init__(self, names: Sequence[str], width: float) -> None:
        super().__init__(names, width, "confidence", "text")

    def answer(self, name: str, answer: answers.Text) -> str:
        """Return the row of a picture that was read."""
        return self.row(name, f"{percent(answer.confidence):>10}", in_one_line(answer), colour(answer.confidence))


FORMATS: dict[str, tuple[Callable[[float], Any], Callable[[Sequence[str], float], Any]]] = {
    "digit": (Bars, Rows),
    "text": (DigitBars, TextRows),
}


def facts(about: Mapping[str, Any], width: float) -> str:
    """Return the facts about a service, then those about each of its models, one per line."""
    groups = [{name: value for name, value in about.items() if name != "models"}]
    for name, model in about["models"].items():
        metadata = dict(model)
        groups.append({f"{name} model": metadata.pop("version", ""), **dict(sorted(metadata.items()))})
    indent = max(len(name) for group in groups for name in group) + 2
    return rendered(Text("\n\n").join(rows_of(group, indent, width) for group in groups if group))


def rows_of(group: Mapping[str, Any], indent: int, width: float) -> Text:
    """Return names and values, one pair per line."""
    return Text("\n").join(
        Text.assemble((name.replace("_", " ").ljust(indent), "bold"), hanging(printable(str(value)), indent, width))
        for name, value in group.items()
    )


def titled(name: str, text: str, confidence: float, warning: str, width: float) -> Text:
    """Return the heading above bars, with the name shortened so that the rest fits."""
    behind = f" ({percent(confidence)}){warning}"
    name = shortened(printable(name), width - cell_len(f": {text}{behind}"))
    return Text.assemble(f"{name}: ", (text, "bold"), behind)


def in_one_line(answer: answers.Text) -> str:
    """Return a text on one line, with slashes between its lines."""
    return answer.text.replace("\n", " / ") or NO_DIGITS


def is_digit(digit: answers.Digit) -> bool:
    """Return whether a digit of a text is probably one."""
    return digit.legibility >= LEGIBLE


def sign_row(sign: answers.Digit | answers.Mark, size: int) -> Text:
    """Return the row of a digit in a text, with its probability, or that of a mark."""
    if isinstance(sign, answers.Mark):
        return Text(f"  {sign.mark}")
    row = bar_row(sign.digit, sign.confidence, colour(min(sign.confidence, sign.legibility)), size)
    return row if is_digit(sign) else row.append(f"  {NOT_A_DIGIT}")


def bar_row(digit: int, share: float, style: str, size: int) -> Text:
    """Return the row of a digit and its probability."""
    return Text(f"  {digit} {bar(share, size)} {percent(share):>6}", style)


def bar_width(width: float) -> int:
    """Return the number of columns for a bar, beside its digit and percentage."""
    return int(max(MIN_COLUMNS, min(BAR_WIDTH, width - AROUND_BAR)))


def colour(share: float) -> str:
    """Return the colour of a probability."""
    return "green" if share >= GREEN_FROM else "yellow" if share >= YELLOW_FROM else "red"


def rendered(text: Text) -> str:
    """Render lines for standard output, in colour if that is a terminal with colours; a service may send anything."""
    text.plain = "\n".join(map(printable, text.plain.split("\n")))
    if screen().color_system is None:
        return text.plain  # ten times as fast
    with screen().capture() as captured:
        screen().print(text, soft_wrap=True)
    return captured.get().removesuffix("\n")


@cache
def screen() -> Console:
    """Return rich's console for standard output."""
    return Console()


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error, advanced by each call; other output appears above it."""
    columns = TextColumn("{task.completed} of {task.total}"), BarColumn(), TimeRemainingColumn()
    screen()  # created before standard output is redirected
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as shown:
        task = shown.add_task("", total=total)
        yield lambda: shown.advance(task)
