"""Read a stack of sheets as a user would, while everything goes wrong.

    python benchmarks/stack.py

The default `digits read` meets a service with one decoder on a busy core. The service
is killed and started again, and so is the command. Exits with 1 unless each sheet has
one row, with what the same code reads offline, and the command ends with 0.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.random import Generator
from PIL import Image

from measuring import Served
from servers import DIGITS, LOAD_CORE, SERVER_CORE, URL, pinned, running
from training.sample import digits
from training.writing.drawing import png

DIFFERENT = 10  # sheets; the others are copies
ROWS, COLUMNS = 14, 4  # of numbers on a sheet
PITCH = 64  # pixels between rows
WAIT_SECONDS = 600  # for rows, before the stack is given up
IDLE = [sys.executable, "-c", "while True: pass"]


def sheet(rng: Generator) -> bytes:
    """Write rows of numbers of two digits on a sheet, twice as large as MNIST's."""
    images = digits()
    ink = np.zeros((ROWS * PITCH + 120, COLUMNS * 3 * PITCH + 120), np.uint8)
    for row in range(ROWS):
        for column in range(COLUMNS):
            two = np.hstack(images[rng.integers(len(images), size=2)])
            top = 60 + row * PITCH
            left = 60 + column * 3 * PITCH
            ink[top : top + 56, left : left + 112] = two.repeat(2, 0).repeat(2, 1)
    return png(Image.fromarray(255 - ink))


def write_stack(folder: Path, count: int) -> dict[str, str]:
    """Write sheets to a folder; return the text of each file."""
    rng = np.random.default_rng(0)
    networks = Served.committed()
    some = [sheet(rng) for _ in range(DIFFERENT)]
    texts = [networks.transcription(each).text for each in some]
    right: dict[str, str] = {}
    for number in range(count):
        file = folder / f"{number:03}.png"
        file.write_bytes(some[number % DIFFERENT])
        right[str(file)] = texts[number % DIFFERENT]
    return right


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep the service's core busy with something else."""
    other = subprocess.Popen(pinned(SERVER_CORE) + IDLE)
    try:
        yield
    finally:
        other.kill()
        other.wait()


def wait_for(output: Path, count: int) -> None:
    """Wait until a file has so many lines."""
    end = time.monotonic() + WAIT_SECONDS
    while not output.exists() or output.read_bytes().count(b"\n") < count:
        if time.monotonic() > end:
            raise SystemExit(f"There are no {count} rows after {WAIT_SECONDS} s.")
        time.sleep(0.2)


def read_stack(folder: Path, output: Path, count: int) -> int:
    """Read the sheets, whatever happens; return the exit code of the last command."""
    command = [*pinned(LOAD_CORE), DIGITS, "read", str(folder), "--url", URL]
    command += ["--output", str(output)]
    with busy_core():
        with running() as (server, _):
            reading = subprocess.Popen(command)
            wait_for(output, count // 4)
            os.killpg(server.pid, signal.SIGKILL)
        with running():
            wait_for(output, count // 2)
            reading.kill()
            reading.wait()
            return subprocess.run([*command, "--resume"]).returncode


def faults_in(output: Path, right: dict[str, str]) -> Counter[str]:
    """Count the sheets that have no row, several, an error, or a wrong text."""
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    counts = Counter(row["file"] for row in rows)
    faults = Counter[str]()
    faults["lost"] = sum(file not in counts for file in right)
    faults["doubled"] = sum(count > 1 for count in counts.values())
    for row in rows:
        if "error" in row:
            faults[row["error"]] += 1
        elif row["text"] != right[row["file"]]:
            faults["wrong"] += 1
    return +faults


def main(count: Annotated[int, typer.Option(help="Number of sheets.")] = 200) -> None:
    """Read a stack of sheets as a user would, while everything goes wrong."""
    os.environ["DIGITS_DECODERS"] = "1"
    with TemporaryDirectory() as name:
        folder = Path(name, "sheets")
        folder.mkdir()
        right = write_stack(folder, count)
        output = Path(name, "rows.jsonl")
        begin = time.monotonic()
        code = read_stack(folder, output, count)
        faults = faults_in(output, right)
    typer.echo(
        f"{count} sheets in {time.monotonic() - begin:.0f} s, exit code {code}; "
        f"faults: {dict(faults) or 'none'}"
    )
    sys.exit(bool(faults) or code)


if __name__ == "__main__":
    typer.run(main)
