"""Compare the service under load with others: throughput, latency, memory and start-up time.

    make bench

starts each server in turn on one core and loads it from another with wrk, at 1, 16 and 64 connections, with an MNIST
PNG, a 640×480 JPEG of a drawing and a phone photo, as multipart uploads. The others (`benchmarks/peers`) run a network
of the same size, in torch on one thread. They squash the picture to 28×28, where Digits finds the digit.
`--before DIR` also measures the `digits` command of another checkout's virtual environment. Prints a table of medians,
and the same as one line of JSON. Needs wrk.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx2
import typer
from PIL import Image

from scenes import render
from sheet import digits

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "benchmarks" / "peers"
BIN = Path(sys.executable).parent
PORT = 8731
URL = f"http://127.0.0.1:{PORT}/predict"
CONNECTIONS = (1, 16, 64)
BOUNDARY = "b0undary"
SERVER_CORE, LOAD_CORE = "0", "1"

UVICORN = ["PEERS/bin/python", "-m", "uvicorn", "--port", str(PORT), "--http", "httptools"]
UVICORN += ["--no-access-log", "--log-level", "error", "--app-dir", str(PEERS)]
SERVERS: dict[str, list[str]] = {
    "digits": [str(BIN / "digits"), "serve", "--port", str(PORT)],
    "before": ["BEFORE/bin/digits", "serve", "--port", str(PORT)],
    "no-op": [*UVICORN, "noop:app"],
    "FastAPI + torch": [*UVICORN, "plain:app"],
    "LitServe": ["PEERS/bin/python", str(PEERS / "lit.py"), str(PORT)],
    "BentoML": [
        "PEERS/bin/python",
        "-m",
        "bentoml",
        "serve",
        "bento:Digits",
        "--port",
        str(PORT),
        "--working-dir",
        str(PEERS),
    ],
}
FIELDS = {"LitServe": "request"}  # LitServe names the field after its parameter


def pictures() -> dict[str, bytes]:
    """Make a test digit's MNIST PNG, a drawing of it on a sheet, and a photo of it."""
    digit = Image.fromarray(digits()[350])
    small, large = BytesIO(), BytesIO()
    digit.save(small, "PNG")
    paper = Image.new("L", (640, 480), 240)
    paper.paste(
        Image.eval(digit.resize((240, 240), Image.Resampling.BICUBIC), lambda level: 240 - level * 200 // 255),
        (180, 120),
    )
    paper.convert("RGB").save(large, "JPEG", quality=85)
    photo = render("phone-photo", digits()[350], seed=0, index=0)
    return {"28×28 PNG": small.getvalue(), "640×480 JPEG": large.getvalue(), "phone photo": photo}


def form(picture: bytes, field: str) -> bytes:
    """Build a multipart form with one picture."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="digit"\r\n'
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"{head}Content-Type: image/{kind}\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def pinned(cores: str) -> list[str]:
    """Return the command prefix that pins a process to some cores."""
    return ["taskset", "-c", cores]


def start(
    command: list[str], field: str, url: str = URL, cores: str = SERVER_CORE
) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server; return its process and the seconds until its first answer."""
    started = time.perf_counter()
    environment = {
        **os.environ,
        "BENTOML_DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PEERS),
    }
    server = subprocess.Popen(
        pinned(cores) + command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=PEERS,
    )
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = form(pictures()["28×28 PNG"], field)
    while time.perf_counter() - started < 60:
        try:
            if httpx2.post(url, content=body, headers=headers).is_success:
                return server, time.perf_counter() - started
        except httpx2.HTTPError:
            pass
        time.sleep(0.01)
    stop(server)
    raise SystemExit(f"{' '.join(command)} does not answer.")


def family(pid: int) -> list[int]:
    """List a process and its descendants."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [pid, *(member for child in children for member in family(int(child)))]


def memory(pid: int) -> float:
    """Measure the memory of a process and its descendants in megabytes; shared memory is counted once."""
    rollups = (Path(f"/proc/{member}/smaps_rollup").read_text() for member in family(pid))
    kibibytes = sum(int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) for rollup in rollups)
    return kibibytes * 1024 / 1e6


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop a server and its descendants."""
    for pid in reversed(family(server.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    time.sleep(0.5)


@contextmanager
def service(load_core: str) -> Iterator[None]:
    """Run Digits on one core, and this process on another."""
    server, _ = start(SERVERS["digits"], "file")
    os.sched_setaffinity(0, {int(load_core)})
    try:
        yield
    finally:
        stop(server)


def load(script: Path, connections: int, seconds: float, url: str = URL, cores: str = LOAD_CORE) -> dict[str, float]:
    """Load a server: requests per second, latencies in milliseconds, and failed requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10", "-s", str(script), url]
    output = subprocess.run(pinned(cores) + command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def write_script(folder: Path, body: bytes) -> Path:
    """Write a script for wrk that sends the form and prints its measurements as JSON."""
    (folder / "body").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(
        f"""
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "multipart/form-data; boundary={BOUNDARY}"
        wrk.body = io.open("{folder}/body", "rb"):read("*a")
        function done(summary, latency)
          local e = summary.errors
          print(string.format('{{"rps": %.1f, "p50": %.3f, "p99": %.3f, "failed": %d}}',
            summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
            e.status + e.connect + e.read + e.write + e.timeout))
        end
        """
    )
    return script


def need_tools() -> None:
    """Exit with a message if wrk or taskset is missing."""
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is needed: on Debian, apt-get install wrk util-linux")


def main(
    servers: Annotated[list[str] | None, typer.Argument(help="Servers to measure (all).")] = None,
    runs: Annotated[int, typer.Option(help="Number of times each server is started and measured.")] = 3,
    seconds: Annotated[int, typer.Option(help="Duration of each load, in seconds.")] = 4,
    peers: Annotated[Path, typer.Option(help="Virtual environment with litserve and bentoml.")] = BIN.parent / "peers",
    before: Annotated[Path | None, typer.Option(help="Virtual environment of another version, to compare.")] = None,
) -> None:
    """Compare the service under load with others."""
    need_tools()
    results: dict[str, dict[str, list[float]]] = {}
    for run in range(runs):
        for name in servers or SERVERS:
            if name == "before" and not before:
                continue
            command = [word.replace("PEERS", str(peers)).replace("BEFORE", str(before)) for word in SERVERS[name]]
            field = FIELDS.get(name, "file")
            server, started = start(command, field)
            figures = results.setdefault(name, {})
            figures.setdefault("start s", []).append(started)
            for picture, data in pictures().items():
                with TemporaryDirectory() as folder:
                    script = write_script(Path(folder), form(data, field))
                    load(script, 16, 1)
                    for connections in CONNECTIONS:
                        for key, value in load(script, connections, seconds).items():
                            figures.setdefault(f"{picture} @{connections} {key}", []).append(value)
            figures.setdefault("MB", []).append(memory(server.pid))
            stop(server)
            typer.echo(f"run {run + 1}: {name}", err=True)
    report(results)


def report(results: dict[str, dict[str, list[float]]]) -> None:
    """Print medians with their range, ratios to Digits, and everything as JSON."""
    ours = results.get("digits")
    for picture in pictures():
        for connections in CONNECTIONS:
            typer.echo(
                f"\n| {picture}, {connections} connections | requests/s (range) | Digits | p50 ms | p99 ms | failed |"
            )
            typer.echo("|---|---|---|---|---|---|")
            for name, figures in results.items():
                rps, p50, p99, failed = (
                    figures[f"{picture} @{connections} {key}"] for key in ("rps", "p50", "p99", "failed")
                )
                ratio = ""
                if ours and name != "digits":
                    ratio = f"{statistics.median(ours[f'{picture} @{connections} rps']) / statistics.median(rps):.2f}×"
                typer.echo(
                    f"| {name} | {statistics.median(rps):,.0f} ({min(rps):,.0f} to {max(rps):,.0f}) | {ratio} | "
                    f"{statistics.median(p50):.2f} | {statistics.median(p99):.2f} | {sum(failed):.0f} |"
                )
    typer.echo("\n| server | MB | s to start |\n|---|---|---|")
    for name, figures in results.items():
        typer.echo(f"| {name} | {statistics.median(figures['MB']):.0f} | {statistics.median(figures['start s']):.1f} |")
    versions = {package: version(package) for package in ("fastapi", "uvicorn", "onnxruntime", "torch")}
    typer.echo("\n" + json.dumps({"versions": versions, "results": results}))


if __name__ == "__main__":
    typer.run(main)
