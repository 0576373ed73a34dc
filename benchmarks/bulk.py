"""Measure `digits bulk` on MNIST PNGs, against `digits predict` with a service of one
worker.

    python benchmarks/bulk.py [--n 20000 --rounds 2]

First, one worker reads all files. Its rate is per second of CPU time, which other work
on the machine does not affect. Then, in each round, `digits bulk` reads all files and
`digits predict --csv` up to 10,000 of them, on all cores available to this process.
Prints medians in pictures per second. Needs the extra `bulk`.
"""

import asyncio
import subprocess
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from PIL import Image

from app.many.parquet import Destination
from app.many.sources import Files
from app.many.storage import place_of
from app.many.worker import Job, Worker
from app.serving.networks import Networks
from app.settings import Settings, usable_cores
from servers import DIGITS, URL, all_cores, running
from training import data
from training.writing.drawing import png

PER_FOLDER = 10_000  # pictures
PART = 2000  # pictures, as in digits bulk


def write(folder: Path, n: int) -> None:
    """Write MNIST images as PNGs, in folders of PER_FOLDER."""
    images = data.load(train=True).images.numpy()
    for index in range(n):
        file = folder / f"{index // PER_FOLDER:04}" / f"{index:09}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(images[index % len(images)])
        file.write_bytes(png(image))


def worker(pictures: Path, results: Path) -> float:
    """Measure the pictures per second of CPU time of one worker."""
    settings = Settings()
    source = Files(place_of(str(pictures)), settings.max_upload_bytes)
    networks = Networks.load(*settings.files)
    destination = Destination(place_of(str(results)), "digit", networks.digit_model)
    destination.prepare()
    one = Worker(Job(source, destination, settings))
    rates = []
    for part in source.parts(PART):
        began = time.process_time()
        asyncio.run(one.read(part))
        rates.append(len(part) / (time.process_time() - began))
    return median(rates)


def bulk(pictures: Path, results: Path, workers: int, n: int) -> tuple[float, float]:
    """Run `digits bulk`; return its rate after the first part, and over all."""
    command = [DIGITS, "bulk", str(pictures), str(results), "--workers", str(workers)]
    first: list[Path] = []
    begin = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not first and process.poll() is None:
            time.sleep(0.01)
            first = list(results.glob("*.parquet"))
        started = time.perf_counter()
    assert process.returncode == 0
    end = time.perf_counter()
    return (n - PART * len(first)) / (end - started), n / (end - begin)


def predict(pictures: Path) -> float:
    """Measure the pictures per second of `digits predict`, with one worker serving."""
    command = [DIGITS, "predict", str(pictures), "--csv", "--url", URL]
    with running(cores=all_cores()):
        begin = time.perf_counter()
        lines = subprocess.check_output(command).splitlines()
        return (len(lines) - 1) / (time.perf_counter() - begin)


def main(
    n: Annotated[int, typer.Option(min=PART, help="Number of pictures.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements.")] = 3,
    workers: Annotated[
        int, typer.Option(min=1, help="Workers of digits bulk.")
    ] = usable_cores(),
) -> None:
    """Measure a worker, `digits bulk` and `digits predict`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pictures = folder / "pictures"
        write(pictures, n)
        rate = worker(pictures, folder / "results")
        bulks = []
        for turn in range(rounds):
            bulks.append(bulk(pictures, folder / f"results-{turn}", workers, n))
        single = median(predict(pictures / "0000") for _ in range(rounds))
    reading, overall = map(median, zip(*bulks, strict=True))
    typer.echo(f"a worker, per second of CPU time: {rate:,.0f}")
    typer.echo(
        f"digits bulk, {workers} workers: {reading:,.0f} after start-up, "
        f"{overall:,.0f} including it"
    )
    typer.echo(f"digits predict: {single:,.0f}")


if __name__ == "__main__":
    typer.run(main)
