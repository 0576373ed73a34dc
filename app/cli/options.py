"""Options and arguments that several commands share, and their validation."""

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from app.cli.messages import say
from app.picture.errors import MAX_DIGITS
from app.text import forms

AT_ONCE = 16
URL = "http://127.0.0.1:8000"
MODEL = "DIGITS_MODEL, else the one that comes with Digits"
LINES_MODEL = "DIGITS_LINES_MODEL, else the one that comes with Digits"


def say_version(is_asked: bool) -> None:
    """Print the version and exit."""
    if is_asked:
        from importlib.metadata import version

        say(f"digits {version('digits')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=say_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|FOLDER...",
        help="Picture files, folders, or - for standard input.",
    ),
]
Length = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=1, max=MAX_DIGITS, help="Number of digits, if known."
    ),
]
Page = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=1, help="Page of each TIFF or PDF, if it has several."
    ),
]
OnlyPage = Annotated[
    int | None,
    typer.Option(
        "--page",
        metavar="NUMBER",
        min=1,
        show_default="all",
        help="Page of each TIFF or PDF to read.",
    ),
]
Rotate = Annotated[
    Literal["none", "auto"], typer.Option(help="Whether pictures may be turned.")
]
Url = Annotated[  # named explicitly, since typer would name it --URL after its metavar
    str,
    typer.Option(
        "--url", envvar="DIGITS_URL", metavar="URL", help="URL of the service."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="DIGITS_API_KEY",
        metavar="KEY",
        help="API key, if the service requires one.",
    ),
]
Marks = Annotated[
    bool,
    typer.Option(
        "--marks/--no-marks",
        help="Print the marks . , - / : and spaces, or only digits.",
    ),
]
Characters = Annotated[
    str | None,
    typer.Option(
        metavar="SIGNS",
        show_default="digits and marks",
        help="Digits and signs to read, such as 0123456789+%.",
    ),
]
Format = Annotated[
    forms.Format | None,
    typer.Option(
        metavar="FORM",
        show_default="any",
        help=f"Form of each number. One of {', '.join(get_args(forms.Format))}.",
    ),
]
Date = Annotated[
    forms.DateOrder | None,
    typer.Option(show_default="any", help="Order of each date, with --format date."),
]
Alternatives = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        min=0,
        max=10,
        show_default=False,
        help="Number of other texts for each line.",
    ),
]
InProcess = Annotated[
    bool, typer.Option("--local", help="Run the model locally, without a service.")
]
LocalModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=MODEL, help="Model file for digits, with --local."
    ),
]
LocalLinesModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=LINES_MODEL,
        help="Model file for numbers, with --local.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default=MODEL, help="Model file for digits."),
]
LinesModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=LINES_MODEL, help="Model file for numbers."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
AsCsv = Annotated[
    bool,
    typer.Option("--csv", help="Print CSV, one row per picture or line of writing."),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output", metavar="FILE", help="Write to this .csv, .json or .jsonl file."
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Read only pictures that are not yet in the file."),
]
MinConfidence = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        show_default=False,
        help="Mark answers that are less sure, for a person.",
    ),
]
Spreadsheet = Annotated[
    bool,
    typer.Option(
        "--spreadsheet", help="In CSV, a spreadsheet keeps 007 and adds up values."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=1,
        show_default=f"{AT_ONCE}; with --local, one per core",
        help="Number of pictures in progress at once.",
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        show_default="DIGITS_HOST, else 127.0.0.1",
        help="Address to listen on.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        show_default="DIGITS_PORT, else 8000",
        help="Port to listen on.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        show_default="DIGITS_WORKERS, else 1",
        help="Number of worker processes.",
    ),
]
BulkWorkers = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=1,
        show_default="all free cores",
        help="Number of workers, one core each.",
    ),
]
RowsPerFile = Annotated[
    int, typer.Option(metavar="NUMBER", min=1, help="Rows per file of results.")
]
