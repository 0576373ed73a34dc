"""Count the functions of app/ that a request passes through.

    make functions [ARGS="-v"]

sends an MNIST PNG and photos of digits on paper to /predict of a warm service in this
process. The second photo is one that takes a second opinion. A profiler notes which
functions are called from the server's call of the application until the answer, in all
threads and in the decoder processes. Lambdas, comprehensions and
generator expressions count as part of the function around them. With -v, lists the
functions in order of their first call.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from types import FrameType
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import structlog
import typer
from fastapi.testclient import TestClient
from pebble import ProcessPool

import app
from app.main import create_app
from app.settings import Settings
from servers import SEVEN, pictures
from training.writing.scenes import SCENES
from training.writing.sheets import jpeg, opened

APP = f"{Path(app.__file__).parent}/"
schedule = ProcessPool.schedule


class Profiler:
    """Notes when each function of app/ is first called, while `is_on`."""

    def __init__(self, is_on: bool = False) -> None:
        self.is_on = is_on
        self.first_calls: dict[tuple[str, str], int] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call, as a function for `sys.setprofile`."""
        code = frame.f_code
        is_ours = code.co_filename.startswith(APP) and code.co_name[0] != "<"
        if self.is_on and event == "call" and is_ours:
            function = code.co_filename.removeprefix(APP), code.co_qualname
            self.first_calls.setdefault(function, perf_counter_ns())


def sent() -> dict[str, bytes]:
    """Draw the pictures to send, by the titles under which they are counted."""
    shot = opened(SCENES["phone-photo"](SEVEN, np.random.default_rng(0)))
    drawn = pictures()
    return {
        "small PNG": drawn["28×28 PNG"],
        "JPEG photo": jpeg(shot.resize((1600, 1200))),
        "doubtful JPEG photo": drawn["phone photo"],
    }


def call_profiled(folder: Path, work: Callable[..., object], *args: object) -> object:
    """Do the work in a decoder process, and write its calls to a file in the folder."""
    profiler = Profiler(is_on=True)
    sys.setprofile(profiler)
    try:
        return work(*args)
    finally:
        sys.setprofile(None)
        calls = [[*function, time] for function, time in profiler.first_calls.items()]
        file = folder / f"{perf_counter_ns()}.json"
        file.write_text(json.dumps(calls))


def functions_called(
    client: TestClient, picture: bytes, profiler: Profiler
) -> list[tuple[str, str]]:
    """List (file, function) for a warm request, in order of the first calls."""

    def schedule_profiled(
        pool: ProcessPool,
        work: Callable[..., object],
        args: tuple[Any, ...] = (),
        timeout: float | None = None,
    ) -> object:
        return schedule(
            pool, call_profiled, (Path(folder), work, *args), timeout=timeout
        )

    def predict() -> None:
        client.post("/predict", files={"file": picture}).raise_for_status()

    predict()
    profiler.first_calls.clear()
    with TemporaryDirectory() as folder:
        with patch.object(ProcessPool, "schedule", schedule_profiled):
            profiler.is_on = True
            predict()
            profiler.is_on = False
        times = profiler.first_calls
        for file in Path(folder).iterdir():
            for module, function, time in json.loads(file.read_text()):
                first = times.get((module, function), time)
                times[module, function] = min(first, time)
    return sorted(times, key=lambda function: times[function])


def main(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List the functions.")
    ] = False,
) -> None:
    """Count the functions that a request passes through."""
    bound_logger = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=bound_logger)
    profiler = Profiler()
    threading.setprofile(profiler)
    with TestClient(create_app(Settings())) as client:
        for title, picture in sent().items():
            functions = functions_called(client, picture, profiler)
            files = {file for file, _ in functions}
            typer.echo(f"{title}: {len(functions)} functions in {len(files)} files")
            if verbose:
                for file, function in functions:
                    typer.echo(f"    app/{file}: {function}")


if __name__ == "__main__":
    typer.run(main)
