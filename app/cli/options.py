"""Options and arguments that several commands share, and their validation."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal, get_args

from typer import Argument, BadParameter, Exit, Option

from app.many.messages import say
from app.many.patience import BUSY_MINUTES
from app.printable import printable
from app.text import formats
from app.text.conditions import CheckName
from app.text.field import MAX_DECIMALS, values_in
from app.text.limits import MAX_DIGITS

AT_ONCE = 16
URL = "http://127.0.0.1:8000"
number = partial(Option, metavar="NUMBER", min=1)
model_file = partial(
    Option,
    metavar="FILE",
    show_default="DIGITS_MODEL, else the one that comes with Digits",
)
lines_file = partial(
    Option,
    metavar="FILE",
    show_default="DIGITS_LINES_MODEL, else the one that comes with Digits",
)


def say_version(is_asked: bool) -> None:
    """Print the version and exit."""
    if is_asked:
        from importlib.metadata import version

        say(f"digits {version('digits')}")
        raise Exit


def listed(path: str) -> str:
    """Return the values in a file, a value a line; raise BadParameter."""
    try:
        return "\n".join(values_in(Path(path)))
    except ValueError as error:
        raise BadParameter(printable(f"{error}.")) from error


def region(text: str) -> str:
    """Return a region as it is; raise BadParameter if it is none."""
    from app.picture.region import Region as Part  # loads NumPy

    try:
        Part.of(text)
    except ValueError as error:
        raise BadParameter(str(error)) from error
    return text


Version = Annotated[
    bool,
    Option(
        "--version",
        callback=say_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
]
Files = Annotated[
    list[str],
    Argument(
        metavar="FILE|FOLDER...",
        help="Picture files, folders, or - for standard input.",
    ),
]
Length = Annotated[
    int | None, number(max=MAX_DIGITS, help="Number of digits in a line, if known.")
]
Region = Annotated[
    str | None,
    Option(parser=region, metavar="BOX", help="Part to read: left,top,width,height."),
]
Page = Annotated[
    int | None, number(help="Page of each TIFF or PDF, if it has several.")
]
OnlyPage = Annotated[
    int | None, number(show_default="all", help="Page of each TIFF or PDF to read.")
]
FormFiles = Annotated[
    list[Path] | None,
    Option(
        "--form",
        metavar="FORM.json",
        help="Read filled sheets of this form, or of one of several.",
    ),
]
Rotate = Annotated[
    Literal["none", "auto"], Option(help="Whether pictures may be turned.")
]
Url = Annotated[  # named explicitly, since typer would name it --URL after its metavar
    str, Option("--url", envvar="DIGITS_URL", metavar="URL", help="URL of the service.")
]
Key = Annotated[
    str | None,
    Option(
        envvar="DIGITS_API_KEY",
        metavar="KEY",
        help="API key, if the service requires one.",
    ),
]
Marks = Annotated[
    bool,
    Option(
        "--marks/--no-marks",
        help="Print the marks . , - / : and spaces, or only digits.",
    ),
]
Characters = Annotated[
    str | None,
    Option(
        metavar="SIGNS",
        show_default="digits and marks",
        help="Digits and signs to read, such as 0123456789+%.",
    ),
]
Format = Annotated[
    formats.FormatName | None,
    Option(
        metavar="FORM",
        show_default="any",
        help=f"Form of each number. One of {', '.join(get_args(formats.FormatName))}.",
    ),
]
Date = Annotated[
    formats.DateOrder | None,
    Option(show_default="any", help="Order of each date, with --format date."),
]
Values = Annotated[
    str | None,
    Option(
        metavar="FILE",
        parser=listed,
        show_default="any",
        help="What may be written. The first column of a .csv, else a value a line.",
    ),
]
Min = Annotated[
    float | None, Option(metavar="NUMBER", help="Lowest number that may be written.")
]
Max = Annotated[
    float | None, Option(metavar="NUMBER", help="Highest number that may be written.")
]
Decimals = Annotated[
    int | None,
    number("--digits", min=0, max=MAX_DECIMALS, help="Digits after the point."),
]
Check = Annotated[
    CheckName | None,
    Option(
        metavar="KIND",
        help=f"Check digit of each number. One of {', '.join(get_args(CheckName))}.",
    ),
]
Alternatives = Annotated[
    int,
    number(
        min=0, max=10, show_default=False, help="Number of other texts for each line."
    ),
]
InProcess = Annotated[
    bool, Option("--local", help="Run the model locally, without a service.")
]
LocalModel = Annotated[
    Path | None, model_file(help="Model file for digits, with --local.")
]
LocalLinesModel = Annotated[
    Path | None, lines_file(help="Model file for numbers, with --local.")
]
Model = Annotated[Path | None, model_file(help="Model file for digits.")]
LinesModel = Annotated[Path | None, lines_file(help="Model file for numbers.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object per line.")]
AsCsv = Annotated[
    bool, Option("--csv", help="Print CSV, one row per picture or line of writing.")
]
OutputFile = Annotated[
    Path | None,
    Option(
        "--output",
        metavar="FILE",
        help="Write to this .csv, .json, .jsonl or .parquet file.",
    ),
]
Resume = Annotated[
    bool,
    Option("--resume", help="Read only what is missing, changed or failed for now."),
]
Watch = Annotated[
    float | None,
    Option(
        metavar="SECONDS",
        min=0.1,
        max=86_400,
        show_default=False,
        help="Add what arrives to --output, until Ctrl-C.",
    ),
]
MinConfidence = Annotated[
    float,
    Option(
        metavar="SHARE",
        min=0,
        max=1,
        show_default=False,
        help="Mark answers that are less sure, for a person.",
    ),
]
Spreadsheet = Annotated[
    bool,
    Option("--spreadsheet", help="In CSV, a spreadsheet keeps 007 and adds up values."),
]
Jobs = Annotated[
    int | None,
    number(
        show_default=f"{AT_ONCE}; with --local, one per core",
        help="Limit of requests at once; with --local, of threads.",
    ),
]
Patience = Annotated[
    float,
    Option(
        metavar="MINUTES",
        min=0,
        max=100_000,
        show_default=f"{BUSY_MINUTES:g}",
        help="How long to ask a busy service that answers nothing.",
    ),
]
Host = Annotated[
    str | None,
    Option(
        metavar="ADDRESS",
        show_default="DIGITS_HOST, else 127.0.0.1",
        help="Address to listen on.",
    ),
]
Port = Annotated[
    int | None,
    Option(
        metavar="NUMBER",
        show_default="DIGITS_PORT, else 8000",
        help="Port to listen on.",
    ),
]
Workers = Annotated[
    int | None,
    Option(
        metavar="NUMBER",
        show_default="DIGITS_WORKERS, else 1",
        help="Number of worker processes.",
    ),
]
BulkWorkers = Annotated[
    int | None,
    number(show_default="all free cores", help="Number of workers, one core each."),
]
RowsPerFile = Annotated[int, number(help="Rows per file of results.")]
