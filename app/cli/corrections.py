"""`digits corrections export`: corrections → labelled pictures for `make real`."""

import csv
import shutil
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer

from app.many.messages import say

corrections = Typer(
    help="Use the corrections that the service stored.", no_args_is_help=True
)


@corrections.command()
def export(
    destination: Annotated[
        Path, Argument(metavar="FOLDER", help="A folder for images/ and labels.csv.")
    ],
    source: Annotated[
        Path,
        Option(
            "--from",
            envvar="DIGITS_CORRECTIONS_DIR",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="The folder of corrections.",
        ),
    ],
) -> None:
    """Copy the corrected pictures and their labels into a folder.

    Nothing is overwritten.
    """
    try:
        count = copy(source, destination)
    except OSError as error:
        say(f"{error.filename}: {error.strerror}.", err=True)
        raise Exit(1) from error
    say(f"Pictures copied to {destination}: {count:,}.")


def copy(source: Path, destination: Path) -> int:
    """Copy all corrections, the labels last; return their number. Raises OSError."""
    from app.corrections import corrections_in

    images = destination / "images"
    images.mkdir(parents=True)
    rows: list[tuple[str, str, object]] = []
    for picture, page, label in corrections_in(source):
        shutil.copyfile(picture, images / picture.name)
        rows.append((picture.name, label, page))
    with (destination / "labels.csv").open("x", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("filename", "label", "page"), *rows])
    return len(rows)
