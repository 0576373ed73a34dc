"""The command line: `digits serve`, `predict`, `read`, `info` and `bulk`.

What a command needs is imported when it runs: `serve` has no use for a client, nor `predict` for a server.
Ignores: how a digit is read, how a service is asked, and how answers look.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.answers import Answerer, NoService, attempt_each
from app.cli.corrections import corrections
from app.cli.output import Ask, What, format_of, say, write
from app.cli.pictures import expand, groups

if TYPE_CHECKING:
    from app.settings import Settings

AT_ONCE = 16
MOST_DIGITS = 64  # as the service has it, whose module would take long to import
URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(envvar="DIGITS_URL", help="URL of the service.")]
Key = Annotated[str | None, typer.Option(envvar="DIGITS_API_KEY", help="API key, if the service requires one.")]
InProcess = Annotated[bool, typer.Option("--local", help="Use no service: run the model in this process.")]
Model = Annotated[Path | None, typer.Option(help="Model file for --local (DIGITS_MODEL).")]
Files = Annotated[
    list[str], typer.Argument(help="Picture files, folders, or - for standard input.", metavar="FILE|DIR|-")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, one row per picture.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help=f"Pictures in progress at once. Default: {AT_ONCE}; with --local, one per core."),
]

cli = typer.Typer(help="Read handwritten digits and whole numbers.", no_args_is_help=True, add_completion=False)
cli.add_typer(corrections, name="corrections")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (DIGITS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (DIGITS_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of worker processes (DIGITS_WORKERS).")] = None,
    model: Annotated[Path | None, typer.Option(help="Model file to serve (DIGITS_MODEL).")] = None,
) -> None:
    """Start the service, by default on http://127.0.0.1:8000.

    Options override the environment variables in parentheses.
    """
    with configured(host=host, port=port, workers=workers, model=model) as settings:
        from app.server import logs, process

        logs.configure(settings.log_level)
        try:
            process.serve(settings)
        except process.NotListening as error:
            say(str(error), err=True)
            raise typer.Exit(1) from error


@cli.command()
def predict(
    files: Files,
    url: Url = URL,
    api_key: Key = None,
    local: InProcess = False,
    model: Model = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    jobs: Jobs = None,
) -> None:
    """Read the digit on each picture.

    A folder stands for the pictures in it and in its subfolders: all files
    that end in .png, .jpg and the like, except hidden ones. A - stands for one
    picture on standard input. Answers come in the order of the files.

    If the service is busy, the picture is sent again. If a picture cannot be
    read, standard error says why, and the exit code is 1.
    """
    with ending_well(), closing(answerer(local, url, api_key, model, jobs)) as asked:
        write_all("digit", asked.predict_several, files, as_json, as_csv, asked.at_once, asked.together)


@cli.command()
def read(
    files: Files,
    length: Annotated[
        int | None, typer.Option(min=1, max=MOST_DIGITS, help="Number of digits on each picture, if known.")
    ] = None,
    url: Url = URL,
    api_key: Key = None,
    local: InProcess = False,
    model: Model = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    jobs: Jobs = None,
) -> None:
    """Read all digits on each picture, line by line.

    Files, output and exit code are as for predict.
    """
    with ending_well(), closing(answerer(local, url, api_key, model, jobs)) as asked:
        ask = partial(attempt_each, partial(asked.read, length=length))
        write_all("text", ask, files, as_json, as_csv, asked.at_once)


@cli.command()
def info(
    url: Url = URL,
    api_key: Key = None,
    local: InProcess = False,
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the state of the service and the metadata of its model."""
    with ending_well(), closing(answerer(local, url, api_key, model, jobs=1)) as asked:
        about = asked.about()
        if as_json:
            say(json.dumps(about))
            return
        from app.cli.terminal import facts

        say(facts(about))


@cli.command()
def bulk(
    source: Annotated[str, typer.Argument(help="A folder, a glob or Parquet; local, s3://… or gs://….")],
    destination: Annotated[
        str, typer.Argument(help="A folder for the Parquet files of results; local, s3://… or gs://….")
    ],
    read: Annotated[bool, typer.Option("--read", help="Read all digits on each picture.")] = False,
    column: Annotated[str | None, typer.Option(help="SOURCE is Parquet: the column of encoded pictures.")] = None,
    key: Annotated[str | None, typer.Option(help="A column of SOURCE to copy into the results.")] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster: auto, or HOST:PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of workers, one core each; by default all free cores.")
    ] = None,
    rows_per_file: Annotated[int, typer.Option(min=1, help="Rows per file of results.")] = 2000,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Serve Ray's dashboard while the job runs.")] = False,
    model: Annotated[Path | None, typer.Option(help="The model file (DIGITS_MODEL).")] = None,
) -> None:
    """Read any number of pictures, on all cores or a Ray cluster, into Parquet with one row for each.

    If started again, it reads the pictures that have no row yet. The exit code is
    0 if every picture has a row, even one with an error.
    """
    from app.bulk.errors import BulkError

    try:
        from app.bulk.job import Cluster
        from app.cli.bulk import read_all
    except ModuleNotFoundError as error:
        say(f"digits bulk needs {error.name}, which the extra `bulk` brings: pip install '.[bulk]'", err=True)
        raise typer.Exit(1) from error
    with ending_well(), configured(model=model) as settings:
        try:
            cluster = Cluster(address, workers, dashboard)
            read_all(source, destination, settings, read, column, key, rows_per_file, cluster)
        except (BulkError, OSError) as error:  # OSError: of the storage
            say(str(error), err=True)
            raise typer.Exit(1) from error


def write_all(
    what: What, ask: Ask[Any], files: list[str], as_json: bool, as_csv: bool, at_once: int, together: int = 1
) -> None:
    """Write the answer for each picture; exit with 1 if any has none."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv cannot be used together.")
    names = expand(files)
    failed = write(ask, list(groups(names, together)), format_of(what, names, as_json, as_csv), at_once)
    raise typer.Exit(failed)


def answerer(local: bool, url: str, key: str | None, model: Path | None, jobs: int | None) -> Answerer:
    """Who is to read the pictures, `jobs` at once."""
    if local:
        from app.cli.local import Local
        from app.settings import usable_cores

        with configured(model=model) as settings:
            return Local(settings, jobs or usable_cores())
    if model:
        raise typer.BadParameter("--model needs --local: a service uses its own model.")
    from app.cli.client import Service

    return Service(url, key, jobs or AT_ONCE)


@contextmanager
def configured(**given: object) -> Iterator["Settings"]:
    """The settings, with what the command line says of them; a sentence where they or the model are not valid."""
    from pydantic import ValidationError

    from app.inference.classifier import ModelError
    from app.settings import Settings

    os.environ |= {f"DIGITS_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    try:
        yield Settings()
    except ValidationError as error:
        for each in error.errors():
            say(f"DIGITS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}, not {each['input']!r}.", err=True)
        raise typer.Exit(1) from error
    except ModelError as error:
        say(str(error), err=True)
        raise typer.Exit(1) from error


@contextmanager
def ending_well() -> Iterator[None]:
    """A sentence where there is nobody to ask; Ctrl-C and a reader that has gone end the process at once."""
    try:
        yield
    except NoService as error:
        say(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    except BrokenPipeError:
        die_of(signal.SIGPIPE)


def die_of(number: signal.Signals) -> None:
    """End as a program that leaves the signal alone, so that a shell's loop around it ends too."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
