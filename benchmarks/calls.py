"""Count the functions of the service that one request runs, in all of its threads and processes.

    python benchmarks/calls.py

prints, for each picture, the functions and the files of `app/` that are run, the calls, and how often a picture is
decoded. With `--verbose`, it lists the functions. Comprehensions belong to the function that they are in. The requests
share a connection.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, Any

import httpx2
import typer
import uvicorn
from PIL import ImageFile

import app
from app.inference import decoder, decoders
from app.main import create_app
from app.server import logs, process
from app.settings import Settings
from serving import pictures

HERE = str(Path(app.__file__).parent)
FOLDER = "DIGITS_CALLS"  # environment variable: where the decoder processes write their calls
CALLS: Counter[str] = Counter()  # of this process, by file and function
COMPREHENSIONS = "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"
DECODED = "a picture is decoded"
LOAD = ImageFile.ImageFile.load
WARM_UP = 5  # requests, for each decoder process to have one


def note(frame: FrameType, event: str, _: object) -> None:
    """Count a call of one of the service's functions."""
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(HERE) and code.co_name not in COMPREHENSIONS:
        CALLS[f"{code.co_filename.removeprefix(HERE)} {code.co_qualname}"] += 1


def load(image: ImageFile.ImageFile) -> Any:  # noqa: ANN401
    """Count a picture that is decoded: it has tiles until then."""
    CALLS[DECODED] += bool(getattr(image, "tile", None))
    return LOAD(image)


def read_within(*given: Any) -> Any:  # noqa: ANN401
    """Do the work of a decoder process, and write its calls to a file."""
    ImageFile.ImageFile.load = load  # type: ignore[method-assign]
    CALLS.clear()
    sys.setprofile(note)
    try:
        return decoder.read_within(*given)
    finally:
        sys.setprofile(None)
        Path(os.environ[FOLDER], str(os.getpid())).write_text(json.dumps(CALLS))


def calls_of(client: httpx2.Client, path: str, picture: bytes, folder: Path) -> Counter[str]:
    """Send a picture several times; return the calls of the last time."""
    for _ in range(WARM_UP):
        CALLS.clear()
        for file in folder.iterdir():
            file.unlink()
        client.post(path, content=picture).raise_for_status()
        time.sleep(0.05)  # the request is logged and counted after the answer
    return sum((Counter(json.loads(file.read_text())) for file in folder.iterdir()), CALLS)


def main(verbose: Annotated[bool, typer.Option(help="List the functions.")] = False) -> None:
    """Serve, send pictures, and count what they run."""
    small, drawing, _ = pictures().values()
    settings = Settings(port=0, log_level="error")
    logs.configure(settings.log_level, settings.log_format)
    listener = process.listen(settings.host, settings.port)
    server = uvicorn.Server(process.config(create_app(settings), settings))

    def measure() -> None:
        while not server.started:
            time.sleep(0.05)
        client = httpx2.Client(base_url=process.url_of(listener))
        for name, path, picture in (
            ("28×28 PNG, /predict", "/predict", small),
            ("640×480 JPEG, /predict", "/predict", drawing),
            ("640×480 JPEG, /read", "/read", drawing),
        ):
            calls = calls_of(client, path, picture, Path(os.environ[FOLDER]))
            decoded = calls.pop(DECODED, 0)
            files = {call.split()[0] for call in calls}
            typer.echo(
                f"{name}: {len(calls)} functions in {len(files)} files, {calls.total()} calls, decoded {decoded} times"
            )
            for call, count in sorted(calls.items()) if verbose else ():
                typer.echo(f"    {count:4} {call}")
        server.should_exit = True

    with TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        decoders.read_within = read_within  # type: ignore[attr-defined]
        ImageFile.ImageFile.load = load  # type: ignore[method-assign]
        client = threading.Thread(target=measure)
        client.start()
        threading.setprofile(note)
        sys.setprofile(note)
        server.run([listener])
        client.join()


if __name__ == "__main__":
    typer.run(main)
