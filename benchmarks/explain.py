"""Compare `/explain` with `/predict` on MNIST PNGs.

    python benchmarks/explain.py

starts the service on one core and sends requests to both in turn from another core, over one keep-alive connection.
Prints the median latencies and their ratio.
"""

import asyncio
import json
import statistics
import time
from typing import Annotated

import typer
from PIL import Image

from batch import Connection, request
from preprocessing import encode
from serving import LOAD_CORE, PORT, service
from sheet import digits


async def compare(runs: int) -> None:
    """Measure both in turn and print the results."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", PORT))
    pictures = [encode(Image.fromarray(digit), "PNG") for digit in digits()]
    seconds: dict[str, list[float]] = {"/predict": [], "/explain": []}
    for run in range(runs):
        read = []
        for path, times in seconds.items():
            content = request(path, "image/png", pictures[run % len(pictures)])
            began = time.perf_counter()
            answer = await connection.post(content)
            times.append(time.perf_counter() - began)
            read.append(json.loads(answer)["digit"])
        assert read[0] == read[1]
    predict, explain = (statistics.median(times) for times in seconds.values())
    typer.echo(f"/predict: {predict * 1000:.2f} ms, /explain: {explain * 1000:.2f} ms (medians of {runs} runs)")
    typer.echo(f"/explain takes {explain / predict:.1f} times as long")


def main(
    runs: Annotated[int, typer.Option(help="Number of measurements.")] = 1000,
    load_core: Annotated[str, typer.Option(help="CPU core of the client.")] = LOAD_CORE,
) -> None:
    """Compare /explain with /predict."""
    with service(load_core):
        asyncio.run(compare(runs))


if __name__ == "__main__":
    typer.run(main)
