"""Compare the service under load with others: throughput, latency, memory and start-up
time.

    make bench [ARGS="digits LitServe --runs 1"]

starts each server in turn on one core and loads it from another with wrk, with an MNIST
PNG, a 640×480 JPEG of a drawing and a phone photo, as multipart uploads. The others
(`benchmarks/rivals`) run a network of the same size, in torch on one thread. They
squash the picture to 28×28, where Digits finds the digit. Digits also answers a batch
of 64 PNGs, and explains one. Prints a table of medians. Needs wrk.
"""

import shutil
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from PIL import Image

from measuring import header, row
from processes import memory
from servers import (
    BIN,
    BOUNDARY,
    LOAD_CORE,
    PORT,
    SERVE,
    URL,
    form,
    pictures,
    pinned,
    running,
)
from training.sample import digits
from training.writing.drawing import png

CONNECTIONS = (1, 16)
BATCH = 64
UVICORN = "PYTHON -m uvicorn --http httptools --no-access-log --log-level error"
SERVERS = {
    "digits": " ".join(SERVE),
    "no-op": f"{UVICORN} --port {PORT} noop:app",
    "FastAPI + torch": f"{UVICORN} --port {PORT} plain:app",
    "LitServe": f"PYTHON lit.py {PORT}",
    "BentoML": f"PYTHON -m bentoml serve bento:Digits --port {PORT}",
}
FIELDS = {"LitServe": "request"}  # LitServe names the field after its parameter
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary={boundary}"
wrk.body = io.open("{body}", "rb"):read("*a")
function done(summary, latency)
  local e = summary.errors
  print(summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.status + e.connect + e.read + e.write + e.timeout)
end
"""

# Requests per second, p50 and p99 in milliseconds, failed requests.
Load = tuple[float, float, float, float]


def load(body: bytes, connections: int, seconds: int, path: str = "/predict") -> Load:
    """Load a server with a form."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "body"
        script = Path(folder) / "post.lua"
        file.write_bytes(body)
        script.write_text(SCRIPT.format(boundary=BOUNDARY, body=file))
        options = f"-t1 -c{connections} -d{seconds} --timeout 10 -s {script}"
        command = ["wrk", *options.split(), URL + path]
        output = subprocess.check_output(
            pinned(LOAD_CORE) + command, stderr=subprocess.PIPE, text=True
        )
    rate, p50, p99, failed = map(float, output.splitlines()[-1].split())
    return rate, p50, p99, failed


def loads(name: str, seconds: int) -> dict[tuple[str, int], Load]:
    """Load a server with each picture, and Digits with a batch and explanations too."""
    found = {}
    for picture, data in pictures().items():
        body = form([data], FIELDS.get(name, "file"))
        load(body, 16, 1)  # to warm up
        for count in CONNECTIONS:
            found[picture, count] = load(body, count, seconds)
    if name == "digits":
        chosen = digits()[:: len(digits()) // BATCH][:BATCH]
        batch = [png(Image.fromarray(digit)) for digit in chosen]
        body = form(batch, "files")
        batches = load(body, 1, seconds, "/predict/batch")
        found[f"a batch of {BATCH} PNGs", 1] = batches
        found["28×28 PNG, explained", 1] = load(form(batch[:1]), 1, seconds, "/explain")
    return found


def main(
    servers: Annotated[
        list[str] | None, typer.Argument(help="Servers to measure (all).")
    ] = None,
    runs: Annotated[
        int, typer.Option(help="Number of times each server is started and measured.")
    ] = 3,
    seconds: Annotated[
        int, typer.Option(help="Duration of each load, in seconds.")
    ] = 4,
    peers: Annotated[
        Path, typer.Option(help="Virtual environment with litserve and bentoml.")
    ] = BIN.parent / "peers",
) -> None:
    """Compare the service under load with others."""
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            raise SystemExit(
                f"{tool} is needed: on Debian, apt-get install wrk util-linux"
            )
    found: dict[tuple[str, int], dict[str, list[Load]]] = {}
    starts: dict[str, list[tuple[float, float]]] = {}
    for run in range(runs):
        for name in servers or SERVERS:
            command = SERVERS[name].replace("PYTHON", str(peers / "bin" / "python"))
            field = FIELDS.get(name, "file")
            with running(command.split(), field) as (server, began):
                for kind, measured in loads(name, seconds).items():
                    found.setdefault(kind, {}).setdefault(name, []).append(measured)
                starts.setdefault(name, []).append((memory(server.pid), began))
            typer.echo(f"run {run + 1}: {name}", err=True)
    header(
        "load",
        "connections",
        "server",
        "requests/s (range)",
        "p50, ms",
        "p99, ms",
        "failed",
    )
    for (picture, connections), by_server in found.items():
        for name, measurements in by_server.items():
            rates, p50, p99, failed = zip(*measurements, strict=True)
            rate = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
            latencies = [f"{median(times):.2f}" for times in (p50, p99)]
            row([picture, connections, name, rate, *latencies, int(sum(failed))])
    typer.echo()
    header("server", "MB", "s to start")
    for name, measured in starts.items():
        megabytes, seconds_to_start = map(median, zip(*measured, strict=True))
        row([name, f"{megabytes:.0f}", f"{seconds_to_start:.1f}"])


if __name__ == "__main__":
    typer.run(main)
