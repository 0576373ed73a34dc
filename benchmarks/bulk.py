"""Measure `digits bulk` on MNIST PNGs, against a plain loop and `digits predict` with a service of one worker.

    python benchmarks/bulk.py

writes 100,000 files. First, a worker and a loop that only reads the same bytes one by one take turns, part by part, in
one process. Their rates are per second of CPU time, which other work on the machine does not affect. Then, in each
round, `digits bulk` reads all files and `digits predict --csv` a tenth of them, on all cores available to this process.
Prints medians in pictures per second, and the cost of a million pictures. Needs the extra `bulk` and the full MNIST set
(`MNIST_ROOT`).
"""

import asyncio
import os
import socket
import subprocess
import time
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer
from PIL import Image

from app.bulk.destination import Destination
from app.bulk.source import Files
from app.bulk.storage import place_of
from app.bulk.worker import Worker
from app.inference.classifier import Classifier
from app.inference.reading import read_digit
from app.settings import Settings, usable_cores
from serving import BIN, start, stop
from training import data

PER_FOLDER = 10_000
PART = 2000  # pictures per part, as in digits bulk
MILLION, HOUR = 1_000_000, 3600


def main(
    n: Annotated[int, typer.Option(min=PER_FOLDER, help="Number of pictures.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Workers of digits bulk.")] = usable_cores(),
) -> None:
    """Measure `digits bulk`, a plain loop, and `digits predict`."""
    with TemporaryDirectory() as folder:
        files = write(Path(folder) / "pictures", n)
        part = files[0].parent
        loops, works = in_turn(part.parent, Path(folder) / "results")
        bulks, predicts = [], []
        for turn in range(rounds):
            bulks.append(bulk(part.parent, Path(folder) / f"results-{turn}", workers, n))
            predicts.append(predict(part))
            reading, overall = bulks[-1]
            typer.echo(f"bulk {reading:,.0f}, including start-up {overall:,.0f}, predict {predicts[-1]:,.0f}")
    ratio = median(work / loop for work, loop in zip(works, loops, strict=True))
    typer.echo(f"loop, on one core: {median(loops):,.0f}")
    typer.echo(f"worker: {median(works):,.0f}, {ratio:.2f}× the loop")
    reading, overall, single = (
        median(rates.reading for rates in bulks),
        median(rates.overall for rates in bulks),
        median(predicts),
    )
    typer.echo(f"digits bulk, {workers} workers: {reading:,.0f} after start-up, {overall:,.0f} including it")
    typer.echo(
        f"digits predict: {single:,.0f}; "
        f"digits bulk: {reading / single:.1f}× that, {overall / single:.1f}× with start-up"
    )
    typer.echo(f"a million pictures: {MILLION / median(works) / HOUR:.3f} core-hours")


class Rates(NamedTuple):
    """Pictures per second of `digits bulk`, from the first completed part on, and including start-up."""

    reading: float
    overall: float


def write(folder: Path, n: int) -> list[Path]:
    """Write MNIST images as PNGs, in folders of PER_FOLDER."""
    images = data.load(train=True).images.numpy()
    files = [folder / f"{index // PER_FOLDER:04}" / f"{index:09}.png" for index in range(n)]
    for index, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        png = BytesIO()
        Image.fromarray(images[index % len(images)]).save(png, "PNG")
        file.write_bytes(png.getvalue())
    return files


def in_turn(pictures: Path, results: Path) -> tuple[list[float], list[float]]:
    """Measure a loop and a worker on each part, in pictures per second of CPU time."""
    settings = Settings()
    classifier = Classifier(settings.model)
    source = Files(place_of(str(pictures)), settings.max_upload_bytes)
    destination = Destination(place_of(str(results)), "digit", classifier.version)
    destination.prepare()
    worker = Worker(source, destination, settings)
    loops, works = [], []
    for part in source.parts(PART):
        data = [Path(path).read_bytes() for path in part]
        begin = time.process_time()
        for file in data:
            read_digit(file, classifier)
        middle = time.process_time()
        asyncio.run(worker.read(part))
        loops.append(len(part) / (middle - begin))
        works.append(len(part) / (time.process_time() - middle))
    return loops, works


def bulk(pictures: Path, results: Path, workers: int, n: int) -> Rates:
    """Run `digits bulk` and return its rates."""
    command = [str(BIN / "digits"), "bulk", str(pictures), str(results), "--workers", str(workers)]
    begin = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (first := list(results.glob("*.parquet"))) and process.poll() is None:
            time.sleep(0.01)
        started = time.perf_counter()
    assert process.returncode == 0
    end = time.perf_counter()
    return Rates((n - PART * len(first)) / (end - started), n / (end - begin))


def predict(pictures: Path) -> float:
    """Measure the pictures per second of `digits predict` with a service of one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    server, _ = start([str(BIN / "digits"), "serve", "--port", port], "file", f"{url}/predict", cores)
    try:
        begin = time.perf_counter()
        command = [str(BIN / "digits"), "predict", str(pictures), "--csv", "--url", url]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return PER_FOLDER / (time.perf_counter() - begin)
    finally:
        stop(server)


if __name__ == "__main__":
    typer.run(main)
