"""The command line: `digits serve`, `digits predict` and `digits read` with `FILE… | DIR | -`, `digits info`,
`digits bulk`.

What a command needs is imported when it runs: `serve` has no use for a client, nor `predict` for a server.
Ignores: how a digit is read, how a service is asked, and how answers look.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.answers import Answerer, NoService
from app.cli.output import What, format_of, say, write
from app.cli.pictures import expand

if TYPE_CHECKING:
    from app.settings import Settings

AT_ONCE = 16
MOST_DIGITS = 64  # as the service has it, whose module would take long to import
URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(envvar="DIGITS_URL", help="The service to ask.")]
Key = Annotated[str | None, typer.Option(envvar="DIGITS_API_KEY", help="The key, where the service wants one.")]
InProcess = Annotated[bool, typer.Option("--local", help="Without a service: in this process, by the model file.")]
Model = Annotated[Path | None, typer.Option(help="The model file for --local (DIGITS_MODEL).")]
Files = Annotated[list[str], typer.Argument(help="Pictures.", metavar="FILE|DIR|-")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object a picture, one a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="A row of CSV a picture.")]
Jobs = Annotated[int | None, typer.Option(min=1, help=f"Pictures at once: {AT_ONCE}, or --local as many as cores.")]

cli = typer.Typer(help="Read handwritten digits and numbers.", no_args_is_help=True, add_completion=False)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (DIGITS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (DIGITS_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer (DIGITS_WORKERS).")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file to serve (DIGITS_MODEL).")] = None,
) -> None:
    """Serve on http://127.0.0.1:8000, or where the options and the environment say."""
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
    """Read the digit on each picture; exits with 1 if any could not be read, and names it on standard error.

    A folder stands for the pictures in it and in its folders, by their endings
    (.png, .jpg, …), without hidden ones; - for one picture on standard input.
    Answers come in the order of the files. A busy service is asked again.
    """
    with ending_well(), closing(answerer(local, url, api_key, model, jobs)) as asked:
        write_all("digit", asked.predict, files, as_json, as_csv, asked.at_once)


@cli.command()
def read(
    files: Files,
    length: Annotated[
        int | None, typer.Option(min=1, max=MOST_DIGITS, help="Number of digits on each picture, where it is known.")
    ] = None,
    url: Url = URL,
    api_key: Key = None,
    local: InProcess = False,
    model: Model = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    jobs: Jobs = None,
) -> None:
    """Read all digits on each picture, line by line. Files, output and exit code are as those of predict."""
    with ending_well(), closing(answerer(local, url, api_key, model, jobs)) as asked:
        write_all("text", lambda data: asked.read(data, length), files, as_json, as_csv, asked.at_once)


@cli.command()
def info(
    url: Url = URL,
    api_key: Key = None,
    local: InProcess = False,
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say how the service is, and what its model's file says of itself."""
    with ending_well(), closing(answerer(local, url, api_key, model, jobs=1)) as asked:
        about = asked.about()
        if as_json:
            say(json.dumps(about))
            return
        from app.cli.terminal import facts

        say(facts(about))


@cli.command()
def bulk(
    source: Annotated[str, typer.Argument(help="A folder, a glob, or Parquet files; local, s3://… or gs://….")],
    destination: Annotated[
        str, typer.Argument(help="A folder for the results, Parquet files; local, s3://… or gs://….")
    ],
    read: Annotated[bool, typer.Option("--read", help="Read all digits on each picture, not one.")] = False,
    column: Annotated[str | None, typer.Option(help="SOURCE is Parquet: the column of encoded pictures.")] = None,
    key: Annotated[str | None, typer.Option(help="A column of SOURCE to copy into the results.")] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster: auto, or HOST:PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers, a core each; as many as there are cores.")
    ] = None,
    rows_per_file: Annotated[int, typer.Option(min=1, help="Rows of a file of results.")] = 2000,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Serve Ray's dashboard while this runs.")] = False,
    model: Annotated[Path | None, typer.Option(help="The model file (DIGITS_MODEL).")] = None,
) -> None:
    """Read any number of pictures, on all cores or on a Ray cluster, into Parquet with a row for each.

    Started again, it reads the pictures that have no row yet. Exits with 0 where
    every picture has its row, be that an error.
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
    what: What, ask: Callable[[bytes], Any], files: list[str], as_json: bool, as_csv: bool, at_once: int
) -> None:
    """Write the answer for each picture; exit with 1 if any has none."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other.")
    names = expand(files)
    failed = write(ask, names, format_of(what, names, as_json, as_csv), at_once)
    raise typer.Exit(failed)


def answerer(local: bool, url: str, key: str | None, model: Path | None, jobs: int | None) -> Answerer:
    """Who is to read the pictures, `jobs` at once."""
    if local:
        from app.cli.local import Local
        from app.settings import usable_cores

        with configured(model=model) as settings:
            return Local(settings, jobs or usable_cores())
    if model:
        raise typer.BadParameter("--model is for --local: a service has a model of its own.")
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
