"""Measure `digits bulk` on MNIST PNGs, beside a plain loop, and beside `digits predict` with a service of one worker.

    python benchmarks/bulk.py

writes 100,000 files. In each round a loop reads the bytes of a tenth of them in batches of 256, in one process and on
one core; `digits bulk` reads all; `digits predict --csv` reads a tenth; the latter two on all cores that this process
may use. Prints medians in pictures per second, and what a million takes. Needs the extra `bulk`, and the whole of MNIST
(`MNIST_ROOT`).
"""

import os
import re
import socket
import subprocess
import time
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from PIL import Image

from app.bulk.worker import BATCH
from app.inference.classifier import Classifier
from app.inference.reading import read
from app.preprocess.decode import open_image
from app.settings import Settings, usable_cores
from serving import BIN, start, stop
from training import data

PER_FOLDER = 10_000
MILLION, HOUR = 1_000_000, 3600


def main(
    n: Annotated[int, typer.Option(min=PER_FOLDER, help="Number of pictures.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Workers of digits bulk.")] = usable_cores(),
) -> None:
    """Measure `digits bulk`, a plain loop, and `digits predict`."""
    rates: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        files = write(Path(folder) / "pictures", n)
        part = files[0].parent
        for turn in range(rounds):
            results = Path(folder) / f"results-{turn}"
            measured = {
                "loop": loop([file.read_bytes() for file in files[:PER_FOLDER]]),
                **bulk(part.parent, results, workers, n),
                "predict": predict(part),
            }
            typer.echo(", ".join(f"{name} {rate:,.0f}" for name, rate in measured.items()))
            for name, rate in measured.items():
                rates.setdefault(name, []).append(rate)
    report({name: median(some) for name, some in rates.items()}, workers)


def write(folder: Path, n: int) -> list[Path]:
    """MNIST's images as PNGs, in folders of PER_FOLDER."""
    images = data.load(train=True).images.numpy()
    files = [folder / f"{index // PER_FOLDER:04}" / f"{index:09}.png" for index in range(n)]
    for index, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        png = BytesIO()
        Image.fromarray(images[index % len(images)]).save(png, "PNG")
        file.write_bytes(png.getvalue())
    return files


def loop(pictures: list[bytes]) -> float:
    """Pictures per second of a loop that does nothing but read them."""
    settings = Settings()
    classifier = Classifier(settings.model)
    begin = time.perf_counter()
    for first in range(0, len(pictures), BATCH):
        batch = pictures[first : first + BATCH]
        read([open_image(each, settings.max_pixels) for each in batch], classifier)
    return len(pictures) / (time.perf_counter() - begin)


def bulk(pictures: Path, results: Path, workers: int, n: int) -> dict[str, float]:
    """Pictures per second of each worker while it reads, and of the whole command, its start included."""
    command = [str(BIN / "digits"), "bulk", str(pictures), str(results), "--workers", str(workers)]
    begin = time.perf_counter()
    said = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    seconds = time.perf_counter() - begin
    by_each = re.findall(r"([\d,]+) by each worker", said)[-1]
    return {"worker": float(by_each.replace(",", "")), "bulk": n / seconds}


def predict(pictures: Path) -> float:
    """Pictures per second of `digits predict` with a service of one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    server, _ = start([str(BIN / "digits"), "serve", "--port", port], "file", {}, f"{url}/predict", cores)
    try:
        begin = time.perf_counter()
        command = [str(BIN / "digits"), "predict", str(pictures), "--csv", "--url", url]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return PER_FOLDER / (time.perf_counter() - begin)
    finally:
        stop(server)


def report(rates: dict[str, float], workers: int) -> None:
    """Print medians, and what follows from them."""
    reading = workers * rates["worker"]
    typer.echo(f"a loop in batches of {BATCH}: {rates['loop']:,.0f} pictures per second on one core")
    typer.echo(
        f"digits bulk, each of {workers} workers: {rates['worker']:,.0f}, {rates['worker'] / rates['loop']:.2f}×"
    )
    typer.echo(f"digits bulk, all workers: {reading:,.0f}; with its start {rates['bulk']:,.0f}")
    typer.echo(f"digits predict, one worker: {rates['predict']:,.0f}; digits bulk {reading / rates['predict']:.1f}×")
    typer.echo(f"a million pictures: {MILLION / rates['worker'] / HOUR:.3f} core hours")


if __name__ == "__main__":
    typer.run(main)
