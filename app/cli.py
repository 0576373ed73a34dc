"""The command line: `digits serve` and `digits predict FILE…`.

Ignores: how a digit is read; `predict` asks a running service.
"""

import os
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from pydantic import ValidationError

from app import logs, server
from app.classifier import ModelError
from app.settings import Settings

cli = typer.Typer(help="Read handwritten digits.", no_args_is_help=True, add_completion=False)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (DIGITS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (DIGITS_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer (DIGITS_WORKERS).")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file to serve (DIGITS_MODEL).")] = None,
) -> None:
    """Serve on http://127.0.0.1:8000, or where the options and the environment say."""
    given = {"host": host, "port": port, "workers": workers, "model": model}
    os.environ |= {f"DIGITS_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    try:
        settings = Settings()
        logs.configure(settings.log_level)
        server.serve(settings)
    except ValidationError as error:
        for each in error.errors():
            typer.echo(
                f"DIGITS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}, not {each['input']!r}.", err=True
            )
        raise typer.Exit(1) from error
    except (ModelError, server.NotListening) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@cli.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures of one digit each.", metavar="FILE…")],
    url: Annotated[str, typer.Option(envvar="DIGITS_URL", help="The service to ask.")] = "http://127.0.0.1:8000",
) -> None:
    """Ask a running service for the digit on each picture; exits with 1 if any could not be read."""
    failed = False
    with httpx2.Client(base_url=url) as client:
        for path in files:
            try:
                typer.echo(f"{path}: {ask(client, path)}")
            except OSError as error:
                failed = True
                typer.echo(f"{path}: {error.strerror}", err=True)
            except Refused as error:
                failed = True
                typer.echo(f"{path}: {error}", err=True)
            except httpx2.HTTPError as error:
                typer.echo(
                    f"{url} does not answer ({error}): start it with `digits serve`, or name it with --url.", err=True
                )
                raise typer.Exit(1) from error
    raise typer.Exit(failed)


class Refused(Exception):
    """The service answered, but not with a digit."""


def ask(client: httpx2.Client, path: Path) -> str:
    """The service's answer for one file, in a few words."""
    answer = client.post("/predict", content=path.read_bytes(), headers={"content-type": "application/octet-stream"})
    if answer.is_success:
        prediction = answer.json()
        return f"{prediction['digit']} ({prediction['confidence']:.1%})"
    if answer.headers.get("content-type") == "application/problem+json":
        raise Refused(answer.json()["detail"])
    raise Refused(f"{client.base_url} answered {answer.status_code} {answer.reason_phrase}")
