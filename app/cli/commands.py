"""The commands: `digits serve`, `predict`, `read`, `threshold`, `info`, `bulk`,
`forms`, `corrections`.

Each command imports what it needs when it runs: `serve` needs no client, and `predict`
no server.
"""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Context, Exit, Option, Typer

from app.answers.columns import Kind
from app.cli import options
from app.cli.corrections import corrections
from app.cli.forms import forms, forms_of
from app.cli.options import AT_ONCE, URL
from app.form.form import InvalidForm
from app.labels import InvalidLabels, labels_below
from app.many.engine import ReadOptions, SheetOptions
from app.many.errors import CannotGoOn, InvalidOption, Unanswered, needs_extra
from app.many.messages import say
from app.many.patience import BUSY_MINUTES, Patience
from app.printable import printable
from app.text.field import Field, InvalidField

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from app.many.engine import Engine
    from app.settings import Settings

cli = Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help, which fits narrow terminals
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(corrections, name="corrections")
cli.add_typer(forms, name="forms")


@cli.callback()
def digits(version: options.Version = False) -> None:
    """Read handwritten digits and numbers from pictures."""


@cli.command()
def serve(
    host: options.Host = None,
    port: options.Port = None,
    workers: options.Workers = None,
    model: options.Model = None,
    lines_model: options.LinesModel = None,
) -> None:
    """Start the service and its page.

    By default, it listens on http://127.0.0.1:8000. All other settings are
    environment variables: see docs/configuration.md.
    """
    with suppress(KeyboardInterrupt), loading():
        settings = configured(
            host=host, port=port, workers=workers, model=model, lines_model=lines_model
        )
        if settings.workers == 1:
            from app.serving.processes import preload

            preload()
        from app.server import logs, process

        logs.configure(settings.log_level, settings.log_format)
        try:
            process.serve(settings)
        except process.CannotStart as error:
            raise failure(str(error)) from error


@cli.command()
def predict(
    context: Context,
    files: options.Files,
    page: options.Page = None,
    region: options.Region = None,
    url: options.Url = URL,
    api_key: options.Key = None,
    local: options.InProcess = False,
    model: options.LocalModel = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    file: options.OutputFile = None,
    resume: options.Resume = False,
    watch: options.Watch = None,
    min_confidence: options.MinConfidence = 0.0,
    jobs: options.Jobs = None,
    patience: options.Patience = BUSY_MINUTES,
) -> None:
    """Read the digit in each picture.

    A folder stands for the pictures in it and in its subfolders: all files
    that end in .png, .jpg and the like, except hidden ones and PDFs. Answers
    come in the order of the files.

    If the service is busy, the picture is sent again, and fewer at once. If a
    picture cannot be read, standard error says why, and the exit code is 1.

    With --watch, a file is read once it has the same size and time in two looks,
    and again if it changes. Whenever the command is started again, it goes on.
    """
    from app.many.output import Output
    from app.many.pictures import whole_files
    from app.many.watch import Watch
    from app.picture.file_formats import PICTURE_ENDINGS

    output = Output(as_json, as_csv, file, resume, min_confidence, watch=watch)
    models = {"model": model}
    with answerer(context, local, url, api_key, jobs, models, patience) as reader:
        digits = partial(reader.digits, region=region)
        pictures_of = partial(whole_files, page=page)
        if watch:
            endless = Watch(files, PICTURE_ENDINGS, watch)
            output.follow("digit", digits, endless, pictures_of)
        failed = output.write("digit", digits, pictures_of(files))
    raise Exit(failed > 0)


@cli.command()
def read(
    context: Context,
    files: options.Files,
    length: options.Length = None,
    marks: options.Marks = True,
    characters: options.Characters = None,
    format: options.Format = None,
    date: options.Date = None,
    values: options.Values = None,
    min: options.Min = None,
    max: options.Max = None,
    digits: options.Decimals = None,
    check: options.Check = None,
    alternatives: options.Alternatives = 0,
    page: options.OnlyPage = None,
    region: options.Region = None,
    rotate: options.Rotate = "none",
    url: options.Url = URL,
    api_key: options.Key = None,
    local: options.InProcess = False,
    lines_model: options.LocalLinesModel = None,
    form: options.FormFiles = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    file: options.OutputFile = None,
    resume: options.Resume = False,
    watch: options.Watch = None,
    min_confidence: options.MinConfidence = 0.0,
    spreadsheet: options.Spreadsheet = False,
    jobs: options.Jobs = None,
    patience: options.Patience = BUSY_MINUTES,
) -> None:
    """Read the numbers in each picture, line by line.

    Files, output and exit code are as for predict, but every page of a TIFF
    or PDF is read as a picture, and PDFs in folders are read too.
    """
    from app.many.output import Output
    from app.many.pictures import all_pages
    from app.many.watch import Watch
    from app.picture.file_formats import ENDINGS

    of_sheets = SheetOptions(forms_of(form or []), alternatives)
    output = Output(
        as_json,
        as_csv,
        file,
        resume,
        min_confidence,
        spreadsheet,
        watch,
        of_sheets.fields,
    )
    field = Field(length, characters, format, date, values, min, max, digits, check)
    how = ReadOptions(field, marks, rotate, alternatives, region)
    kind: Kind = "sheet" if form else "text"
    models = {"lines_model": lines_model}
    with answerer(context, local, url, api_key, jobs, models, patience) as reader:
        texts = partial(reader.texts, options=how)
        sheets = partial(reader.sheets, options=of_sheets)
        answers = sheets if form else texts
        pictures_of = partial(all_pages, page=page, of_sheet=of_sheets.pages)
        if watch:
            endless = Watch(files, ENDINGS, watch)
            output.follow(kind, answers, endless, pictures_of)
        failed = output.write(kind, answers, pictures_of(files))
    raise Exit(failed > 0)


@cli.command()
def threshold(
    context: Context,
    folder: Annotated[
        Path, Argument(metavar="FOLDER", help="Holds images/ and labels.csv.")
    ],
    errors: Annotated[
        list[float],
        Option(metavar="PERCENT", min=0, max=100, help="Most errors; may be repeated."),
    ] = [1.0, 0.5],  # noqa: B006 - typer copies it
    length: options.Length = None,
    marks: options.Marks = True,
    characters: options.Characters = None,
    format: options.Format = None,
    date: options.Date = None,
    values: options.Values = None,
    min: options.Min = None,
    max: options.Max = None,
    digits: options.Decimals = None,
    check: options.Check = None,
    rotate: options.Rotate = "none",
    url: options.Url = URL,
    api_key: options.Key = None,
    local: options.InProcess = False,
    lines_model: options.LocalLinesModel = None,
    jobs: options.Jobs = None,
    patience: options.Patience = BUSY_MINUTES,
) -> None:
    """Find the confidence from which numbers like yours need no look.

    It reads labelled pictures, such as those of digits corrections export, as
    digits read does: images/ holds them, and labels.csv has the columns
    filename, label and, for files of several pages, page. A label is what is
    written, or none.
    """
    from app.many.threshold import judged, summary_of

    field = Field(length, characters, format, date, values, min, max, digits, check)
    how = ReadOptions(field, marks, rotate)
    models = {"lines_model": lines_model}
    with answerer(context, local, url, api_key, jobs, models, patience) as reader:
        labels = labels_below(folder)
        if not labels:
            raise InvalidLabels(
                f"{folder} holds no labelled pictures: pass a folder with images/ and "
                "labels.csv."
            )
        texts = list(judged(reader, labels, how))
    say("\n".join(summary_of(texts, [percent / 100 for percent in errors])))


@cli.command()
def info(
    context: Context,
    url: options.Url = URL,
    api_key: options.Key = None,
    local: options.InProcess = False,
    model: options.LocalModel = None,
    lines_model: options.LocalLinesModel = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the state of the service and the metadata of its models."""
    models = {"model": model, "lines_model": lines_model}
    with answerer(context, local, url, api_key, 1, models) as reader:
        about = reader.about()
        if as_json:
            say(json.dumps(about))
            return
        from app.many import terminal

        say(terminal.facts(about))


@cli.command()
def bulk(
    source: Annotated[
        str,
        Argument(
            metavar="SOURCE",
            help="A folder, a glob or Parquet; local, s3://… or gs://….",
        ),
    ],
    destination: Annotated[
        str,
        Argument(
            metavar="DESTINATION",
            help="A folder for the Parquet files of results; local, s3://… or gs://….",
        ),
    ],
    read: Annotated[
        bool, Option("--read", help="Read the numbers in each picture.")
    ] = False,
    form: options.FormFiles = None,
    characters: options.Characters = None,
    format: options.Format = None,
    date: options.Date = None,
    values: options.Values = None,
    min: options.Min = None,
    max: options.Max = None,
    digits: options.Decimals = None,
    check: options.Check = None,
    rotate: options.Rotate = "none",
    column: Annotated[
        str | None,
        Option(
            metavar="NAME", help="Column of encoded pictures, if SOURCE is Parquet."
        ),
    ] = None,
    key: Annotated[
        str | None,
        Option(metavar="NAME", help="Column of SOURCE to copy into the results."),
    ] = None,
    address: Annotated[
        str | None,
        Option(metavar="HOST:PORT", help="Read on this Ray cluster; auto finds it."),
    ] = None,
    csv: Annotated[
        Path | None,
        Option(metavar="FILE", help="Also write all results to this CSV file."),
    ] = None,
    min_confidence: options.MinConfidence = 0.0,
    spreadsheet: options.Spreadsheet = False,
    workers: options.BulkWorkers = None,
    rows_per_file: options.RowsPerFile = 2000,
    model: options.Model = None,
    lines_model: options.LinesModel = None,
) -> None:
    """Read many pictures and write the results to Parquet.

    It uses all cores of this machine, or a Ray cluster. The results have one row
    per picture, and per page or sheet of each TIFF and PDF.
    If started again, it reads pictures that have no row yet, files that have
    changed, and files that could not be opened. The exit code is 1 if the job
    stopped, if pictures are left because the machine was too busy or an
    unexpected error occurred, or if a row has an error.
    """
    field = Field(None, characters, format, date, values, min, max, digits, check)
    of_texts = vars(field) | {"rotate": None if rotate == "none" else rotate}
    for name, given in of_texts.items():
        if given is not None and not read:
            raise BadParameter(f"--{name} needs --read.")
    if form and read:
        raise BadParameter("--form needs no --read: it says what to read.")
    if spreadsheet and not csv:
        raise BadParameter("--spreadsheet needs --csv.")
    with clean_exit(), loading(), needing("cluster" if address else "bulk"):
        from app.cli.bulk import conclude, read_all, require_apart
        from app.many.parquet import Destination
        from app.many.sources import Files, Table
        from app.many.storage import place_of
        from app.many.worker import Job
        from app.serving.networks import Networks

        settings = configured(model=model, lines_model=lines_model)
        place = place_of(source)
        most = settings.max_upload_bytes
        pictures = Table(place, most, column, key) if column else Files(place, most)
        networks = Networks.load(*settings.files, settings.second_opinion)
        field.require_possible(networks.lines.spec)
        sheets = SheetOptions(forms_of(form or []))
        sheets.require_possible(networks.lines.spec, networks.pages is not None)
        kind: Kind = "sheet" if form else "text" if read else "digit"
        version = networks.digit_model if kind == "digit" else networks.text_model
        results = Destination(
            place_of(destination), kind, version, field, rotate, sheets, min_confidence
        )
        if column:
            require_apart(results.place, place)
        if address:  # its nodes have model files of their own
            from app.many import cluster

            run = partial(cluster.run, address=address, most_workers=workers)
        else:
            from app.many import processes
            from app.settings import usable_cores

            settings = settings.model_copy(update=networks.files._asdict())
            run = partial(processes.run, workers=workers or usable_cores())
        left = read_all(Job(pictures, results, settings), rows_per_file, run)
        summary = conclude(results, left, csv, min_confidence, spreadsheet)
    raise Exit(summary.errors.total() > 0)


@contextmanager
def loading() -> Iterator[None]:
    """Exit with a message if a model file cannot be used."""
    from app.network import ModelError

    try:
        yield
    except ModelError as error:
        raise failure(str(error)) from error


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Exit with a message if a package of an extra is missing, or storage fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise failure(needs_extra(error.name, extra)) from error
    except OSError as error:
        raise failure(printable(str(error))) from error


@contextmanager
def answerer(
    context: Context,
    is_local: bool,
    url: str,
    key: str | None,
    jobs: int | None,
    models: Mapping[str, Path | None],
    patience: float = BUSY_MINUTES,
) -> Iterator["Engine"]:
    """Yield what answers for `jobs` pictures at once: the client of a service, or the
    models in this process, which are named like their settings.
    """
    with clean_exit():
        if not is_local:
            for name, path in models.items():
                if path:
                    raise BadParameter(
                        f"--{name.replace('_', '-')} needs --local: a service uses its "
                        "own models."
                    )
            from app.many.client import Client

            with Client(url, key, jobs or AT_ONCE, Patience(60 * patience)) as service:
                yield service
            return
        source = context.get_parameter_source("url")
        if source and source.name == "COMMANDLINE":
            raise BadParameter("--local and --url cannot be used together.")
        from app.many.local import Local
        from app.settings import usable_cores

        with loading():
            local = Local(configured(**models), jobs or usable_cores())
        yield local


def configured(**given: object) -> "Settings":
    """Return the settings, of which some are given on the command line.

    Exits with a message if one is invalid.
    """
    from pydantic import ValidationError

    from app.settings import Settings

    said = {name: str(value) for name, value in given.items() if value is not None}
    try:
        Settings()  # a variable may be invalid even where an option takes its place
        return Settings.model_validate(said)
    except ValidationError as error:
        raise failure("\n".join(map(invalid_setting, error.errors()))) from error


def invalid_setting(error: "ErrorDetails") -> str:
    """Return what is wrong with a setting, and its value unless that is a key."""
    name = "_".join(map(str, error["loc"]))
    why = error["msg"].removeprefix("Value error, ")
    value = "" if name.startswith("api_keys") else f" (it is {error['input']!r})"
    return f"DIGITS_{name.upper()}: {why}{value}."


@contextmanager
def clean_exit() -> Iterator[None]:
    """If there is no answer, exit with a message; end the process at once on Ctrl-C or
    a broken pipe.
    """
    try:
        yield
    except (InvalidOption, InvalidField, InvalidForm) as error:
        raise BadParameter(printable(str(error))) from error
    except (CannotGoOn, InvalidLabels, Unanswered) as error:
        raise failure(printable(str(error))) from error
    except KeyboardInterrupt:
        end_by(signal.SIGINT)
    except BrokenPipeError:
        end_by(signal.SIGPIPE)
    except OSError as error:  # such as a full disk
        why = f"The answers cannot be written: {error.strerror or error}."
        raise failure(why) from error


def failure(message: str) -> Exit:
    """Say why a command fails; return the exception that ends it."""
    say(message, err=True)
    return Exit(1)


def end_by(number: signal.Signals) -> None:
    """End this process by an unhandled signal, which also ends a shell's loop."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
