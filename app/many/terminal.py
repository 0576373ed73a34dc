"""Answers → text for a terminal: a line for each picture, bars for a single one, and a
progress bar.

rich draws them, in colour if the terminal supports it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from pydantic import MISSING
from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.answers.columns import is_unsure, unsure_fields
from app.answers.responses import LEGIBLE, Digit, FilledSheet, Line, Mark, Prediction
from app.figures import MEASURED
from app.many.errors import Unanswered
from app.many.pictures import Picture
from app.many.rows import Answer
from app.printable import printable

BAR_WIDTH = 40  # columns of a bar
BESIDE_BAR = 36  # columns of what may stand beside it
GREEN_FROM = 0.9
YELLOW_FROM = 0.5
# Probability of another digit, or of not one whole digit, that is shown.
MIN_DOUBT = 0.01


class Lines:
    """A line for each picture that was read; the others are named on standard error."""

    def __init__(self, least: float) -> None:
        self.least = least

    def shown(self, picture: Picture, outcome: Answer | Unanswered) -> str | None:
        """Return the lines of a picture that was read."""
        if isinstance(outcome, Unanswered):
            return None
        return self.answer(picture, outcome)

    def answer(self, picture: Picture, answer: Answer) -> str:
        """Return what was read, how sure that is, and what else it might be."""
        notes = [f"({percent(answer.confidence)})"]
        if isinstance(answer, Prediction):
            text = str(answer.digit)
            notes += doubts(answer)
        elif isinstance(answer, FilledSheet):
            return self.sheet(picture, answer)
        else:
            text = " / ".join(map(in_words, answer.lines)) or "no digits"
        if is_unsure(answer.model_dump(), self.least):
            notes.append("please check")
        line = Text.assemble(
            f"{printable(str(picture))}: ",
            (printable(text), "bold"),
            " ",
            (", ".join(notes), colour(certainty(answer))),
        )
        return rendered(line)

    def sheet(self, picture: Picture, sheet: FilledSheet) -> str:
        """Return a line for a sheet, and one for each of its fields."""
        fit = f"{sheet.form} ({percent(sheet.fit)} of its landmarks)"
        lines = [f"{printable(str(picture))}: {printable(fit)}"]
        unsure = unsure_fields(sheet.model_dump(), self.least)
        for name, field in sheet.fields.items():
            nothing = "empty" if field.empty >= YELLOW_FROM else "unreadable"
            read = field.text or nothing
            if field.text and field.value not in (None, field.text):
                read += f" [= {field.value}]"
            note = ", please check" if name in unsure else ""
            said = f"({percent(field.confidence)}{note})"
            line = Text.assemble(
                f"  {printable(name)}: ",
                (printable(read), "bold"),
                " ",
                (said, colour(field.confidence)),
            )
            lines.append(rendered(line))
        return "\n".join(lines)


class Bars(Lines):
    """The same for one picture, with a bar for each digit: of the ten probabilities, or
    of those in a text.
    """

    def answer(self, picture: Picture, answer: Answer) -> str:
        """Return the line, with the bars below it."""
        table = Table.grid(padding=(0, 1))
        if isinstance(answer, Prediction):
            for digit, share in enumerate(answer.probabilities):
                if digit == answer.digit:
                    style = colour(certainty(answer))
                    add_bar(table, digit, share, style, legibility_in_words(answer))
                else:
                    add_bar(table, digit, share)
        elif not isinstance(answer, FilledSheet):
            for number, line in enumerate(answer.lines):
                if number:
                    table.add_row()
                add_line(table, line)
        heading = super().answer(picture, answer)
        return f"{heading}\n{rendered(table)}" if table.rows else heading


def certainty(answer: Answer) -> float:
    """Return the confidence, or the legibility if an answer has one that is lower."""
    if isinstance(answer, Prediction):
        return min(answer.confidence, answer.legibility)
    return answer.confidence


def doubts(answer: Prediction) -> Iterator[str]:
    """Yield what else a picture might show: another digit, none or several."""
    shares = ((share, digit) for digit, share in enumerate(answer.probabilities))
    share, digit = max(other for other in shares if other[1] != answer.digit)
    if share >= MIN_DOUBT:
        yield f"or {digit} ({percent(share)})"
    if said := legibility_in_words(answer):
        yield said
    if answer.legibility < LEGIBLE:
        yield "probably no digit or several"


def legibility_in_words(answer: Prediction) -> str:
    """Return the legibility if it leaves a doubt, else nothing."""
    is_doubtful = 1 - answer.legibility >= MIN_DOUBT
    return f"legibility {percent(answer.legibility)}" if is_doubtful else ""


def in_words(line: Line) -> str:
    """Return the text of a line, then in brackets what it means in its format, and what
    else it might be.
    """
    notes = ["not in this format"] if line.format is False else []
    if line.format is True and line.value != line.text:
        notes.append(f"= {line.value}")
    if line.alternatives is not MISSING:
        for other in line.alternatives:
            notes.append(f"or {other.text} ({percent(other.confidence)})")
    return f"{line.text} [{', '.join(notes)}]" if notes else line.text


def add_line(table: Table, line: Line) -> None:
    """Add a bar for each digit of a line, with its marks between them."""
    signs: list[Digit | Mark] = [*line.digits, *line.marks]
    for sign in sorted(signs, key=lambda sign: sign.box.left):
        if isinstance(sign, Mark):
            table.add_row("", printable(sign.mark))
        else:
            style = colour(min(sign.confidence, sign.legibility))
            note = "probably not a digit" if sign.legibility < LEGIBLE else ""
            add_bar(table, sign.digit, sign.confidence, style, note)


def add_bar(
    table: Table, digit: int, share: float, style: str = "", note: str = ""
) -> None:
    """Add the row of a digit and its probability."""
    width = max(1, min(BAR_WIDTH, screen().width - BESIDE_BAR))
    behind = f"{percent(share):>6}" + (f"  {note}" if note else "")
    bar = Bar(1, 0, share, width=width, color=style or "default")
    table.add_row("", Text(str(digit), style), bar, Text(behind, style))


def facts(about: Mapping[str, Any]) -> str:
    """Return the facts about a service, then about each of its models, one per line;
    each figure with its pictures.
    """
    service = dict(about)
    models = service.pop("models")
    groups = [service] if service else []
    for name, model in models.items():
        metadata = dict(model or {"version": "none"})
        measured = MEASURED.get(name, {})
        for figure in metadata.keys() & measured:
            metadata[figure] += f" ({measured[figure]})"
        version = {f"{name} model": metadata.pop("version", "")}
        groups.append(version | dict(sorted(metadata.items())))
    indent = max(len(name) for group in groups for name in group) + 2
    lines: list[str] = []
    for group in groups:
        lines.append("")
        for name, value in group.items():
            heading = printable(name).replace("_", " ").ljust(indent)
            fact = Text.assemble((heading, "bold"), printable(str(value)))
            lines.append(rendered(fact))
    return "\n".join(lines[1:])


def percent(share: float) -> str:
    """Format a probability as a percentage, with >99.9% for what would round to 100.0%.

    >>> percent(0.9996), percent(1), percent(0.123)
    ('>99.9%', '>99.9%', '12.3%')
    """
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def colour(share: float) -> str:
    """Return the colour of a probability."""
    if share >= GREEN_FROM:
        return "green"
    return "yellow" if share >= YELLOW_FROM else "red"


def rendered(shown: RenderableType) -> str:
    """Render for standard output, in colour if that is a terminal with colours; the
    terminal wraps long lines.
    """
    if isinstance(shown, Text) and screen().color_system is None:
        return shown.plain  # ten times as fast
    with screen().capture() as captured:
        screen().print(shown, soft_wrap=isinstance(shown, Text))
    return captured.get().removesuffix("\n")


@cache
def screen() -> Console:
    """Return rich's console for standard output."""
    return Console(highlight=False)


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error, advanced by each call; other output
    appears above it.
    """
    screen()  # created before standard output is redirected
    with Progress(
        TextColumn("{task.completed} of {task.total}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as shown:
        task = shown.add_task("", total=total)
        yield lambda: shown.advance(task)
