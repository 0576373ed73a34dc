"""Measure how well numbers are read, in pictures made from MNIST's digits or in your
own folders over HTTP.

    make numbers [ARGS="--n 500 --scene touching --lengths 2 5"]
    make numbers ARGS="--folder DIR [--no-marks] [--url http://127.0.0.1:8000]"

The numbers of `training.writing.scenes` are read as by the service, without HTTP, and
compared without marks, except in the scenes of marks. A DIR holds `images/` and
`labels.csv` (columns filename, label and, if needed, page). A label is the text, or
`none`; a space in it may also be a line break in the answer. With `--no-marks`, only
the digits are compared, and a space stands for a line break. A number is right if its
text matches exactly. Needs the extra `training`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from measuring import (
    LinesModel,
    Scenes,
    Seed,
    Served,
    Split,
    digits_in,
    header,
    held_out,
    percent,
    row,
    watched,
)
from training.options import LINES_MODEL, MODEL, PAGES_MODEL
from training.pictures import NO_DIGIT, labels_of
from training.writing.scenes import MARKED, NUMBERS, number


def read_folder(folder: Path, url: str, with_marks: bool) -> Iterator[bool]:
    """Send each picture of a folder to a running service; yield whether it is right."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        for (file, page), label in watched(labels_of(folder).items(), folder.name):
            parameters = {"marks": with_marks} | ({"page": page} if page else {})
            answer = client.post("/read", params=parameters, content=file.read_bytes())
            if answer.is_server_error:
                answer.raise_for_status()
            text = answer.json().get("text", "")
            words = [] if label == NO_DIGIT else label.split()
            if with_marks:
                yield words == text.split()
            else:
                yield text == "\n".join(map(digits_in, words))


def report(name: str, right: list[bool]) -> None:
    """Print a row of the table."""
    row([name, percent(sum(right), len(right))])


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
    header("numbers", "text correct (95 % interval)")
    for path in folder or ():
        report(path.name, list(read_folder(path, url, marks)))
    if not folder:
        networks = Served.load(MODEL, model, PAGES_MODEL)
        digits = held_out(split)
        for name in scenes or NUMBERS:
            rights = []
            for index in range(n):
                picture, label = number(name, digits, seed, index, lengths)
                rights.append(networks.text(picture, name in MARKED) == label)
            report(name, rights)


if __name__ == "__main__":
    typer.run(main)
