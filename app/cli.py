"""The command line: `digits serve` and `digits predict FILE…`.

Ignores: how a digit is read; `predict` asks a running service.
"""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
import uvicorn
from pydantic import ValidationError

from app import logs
from app.classifier import ModelError
from app.main import create_app
from app.settings import Settings

cli = typer.Typer(help="Read handwritten digits.", no_args_is_help=True, add_completion=False)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (DIGITS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (DIGITS_PORT).")] = None,
    model: Annotated[Path | None, typer.Option(help="The model file to serve (DIGITS_MODEL).")] = None,
) -> None:
    """Serve on http://127.0.0.1:8000, or where the options and the environment say."""
    given: dict[str, Any] = {"host": host, "port": port, "model": model}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        app = create_app(settings)
    except ValidationError as error:
        for each in error.errors():
            typer.echo(
                f"DIGITS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}, not {each['input']!r}.", err=True
            )
        raise typer.Exit(1) from error
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    logs.configure(settings.log_level)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it anew once all requests are answered
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # as logs.configure says
        access_log=False,  # logs.RequestLog writes these
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
    )


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
