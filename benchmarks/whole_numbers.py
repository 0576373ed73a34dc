"""Measure how well numbers are read, in pictures made from MNIST's digits or in your
own folders over HTTP.

    make numbers [ARGS="--n 500 --scene touching --lengths 2 5"]
    make numbers ARGS="--folder DIR [--no-marks] [--url http://127.0.0.1:8000]"

The numbers of `training.writing.scenes` are read as by the service, without HTTP, and
compared without marks, except in the scenes of marks. A DIR holds `images/` and
`labels.csv` (columns filename, label and, if needed, page). A label is the text, or
`none`; a space in it may also be a line break in the answer. With `--no-marks`, only
the digits are compared, and a space stands for a line break. A number is right if its
text matches exactly. Beside the share that is right is the share that can be taken
unseen, from the lowest confidence at which at most 1 or 0.5 % are wrong. Needs the
extra `training`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import AT_ONCE
from app.labels import labels_of
from app.many.client import Client
from app.many.engine import ReadOptions
from app.many.errors import Unanswered
from app.many.threshold import Judged, judged, threshold
from measuring import (
    LinesModel,
    Scenes,
    Seed,
    Served,
    Split,
    header,
    held_out,
    percent,
    row,
)
from training.options import LINES_MODEL, MODEL, PAGES_MODEL
from training.writing.scenes import MARKED, NUMBERS, number

ERRORS = 0.01, 0.005  # shares of what is taken unseen
UNREAD = Judged(-1, False)


def read_folder(folder: Path, url: str, with_marks: bool) -> list[Judged]:
    """Judge what a running service reads in the pictures of a folder."""
    with Client(url, None, AT_ONCE) as service:
        outcomes = judged(service, labels_of(folder), ReadOptions(marks=with_marks))
        return [UNREAD if isinstance(each, Unanswered) else each for each in outcomes]


def report(name: str, texts: Sequence[Judged]) -> None:
    """Print a row of the table."""
    right = sum(text.is_right for text in texts)
    row([name, percent(right, len(texts)), *(covered(texts, most) for most in ERRORS)])


def covered(texts: Sequence[Judged], errors: float) -> str:
    """Return the share of texts that can be taken unseen with so many errors."""
    found = threshold(texts, errors)
    return f"{100 * found.accepted / len(texts):.0f} %" if found else "0 %"


def main(
    split: Split = "test",
    n: Annotated[int, typer.Option(min=1, help="Numbers in each scene.")] = 500,
    lengths: Annotated[
        tuple[int, int],
        typer.Option(help="Minimum and maximum number of digits in a line."),
    ] = (2, 5),
    seed: Seed = 0,
    scenes: Scenes = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option(help="Send this folder to a running service instead."),
    ] = None,
    url: Annotated[
        str, typer.Option(help="The running service.")
    ] = "http://127.0.0.1:8000",
    marks: Annotated[
        bool, typer.Option(help="Compare a folder's text as written.")
    ] = True,
    model: LinesModel = LINES_MODEL,
) -> None:
    """Measure every scene, or every folder."""
    unseen = [f"unseen at {100 * most:g} % errors" for most in ERRORS]
    header("numbers", "text correct (95 % interval)", *unseen)
    for path in folder or ():
        report(path.name, read_folder(path, url, marks))
    if not folder:
        networks = Served.load(MODEL, model, PAGES_MODEL)
        digits = held_out(split)
        every = list[Judged]()
        for name in scenes or NUMBERS:
            texts = []
            for index in range(n):
                picture, label = number(name, digits, seed, index, lengths)
                text, confidence = networks.text(picture, name in MARKED)
                texts.append(Judged(confidence, text == label))
            report(name, texts)
            every += texts
        report("all", every)


if __name__ == "__main__":
    typer.run(main)
