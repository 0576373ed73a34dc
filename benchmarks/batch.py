"""Compare one batch of 64 MNIST PNGs with 64 requests over 8 connections.

    python benchmarks/batch.py

starts the service on one core and measures both ways in turn from another core, over keep-alive connections, with as
little Python in the client as possible. Both ways must give the same answers. Prints the median times and their ratio.
"""

import asyncio
import json
import statistics
import time
from typing import Annotated, Any

import httpx2
import typer
from PIL import Image

from preprocessing import encode
from serving import LOAD_CORE, PORT, service
from sheet import digits

PICTURES, CONNECTIONS = 64, 8
BATCH_URL = f"http://127.0.0.1:{PORT}/predict/batch"


class Connection:
    """A keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def post(self, request: bytes) -> bytes:
        """Send a request; return the response's body."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return await self.reader.readexactly(int(length.split(b":")[1]))


def request(path: str, content_type: str, body: bytes) -> bytes:
    """Build the bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def one_by_one(connections: list[Connection], requests: list[bytes]) -> list[Any]:
    """Send requests over all connections, one at a time on each; return the answers in order."""
    answers: list[Any] = [None] * len(requests)
    remaining = iter(enumerate(requests))

    async def ask(connection: Connection) -> None:
        for index, content in remaining:
            answers[index] = json.loads(await connection.post(content))

    await asyncio.gather(*map(ask, connections))
    return answers


async def compare(runs: int) -> None:
    """Measure both ways in turn and print the results."""
    pictures = [encode(Image.fromarray(digit), "PNG") for digit in digits()[:: 500 // PICTURES][:PICTURES]]
    requests = [request("/predict", "image/png", picture) for picture in pictures]
    form = httpx2.Request("POST", BATCH_URL, files=[("files", ("digit.png", picture)) for picture in pictures])
    batch = request("/predict/batch", form.headers["content-type"], form.read())
    connections = [Connection(*await asyncio.open_connection("127.0.0.1", PORT)) for _ in range(CONNECTIONS)]
    seconds: dict[str, list[float]] = {"requests": [], "batch": []}
    for _ in range(runs):
        began = time.perf_counter()
        answers = await one_by_one(connections, requests)
        seconds["requests"].append(time.perf_counter() - began)
        began = time.perf_counter()
        results = json.loads(await connections[0].post(batch))["results"]
        seconds["batch"].append(time.perf_counter() - began)
        assert [answer["digit"] for answer in answers] == [result["digit"] for result in results]
    median = {name: statistics.median(times) for name, times in seconds.items()}
    typer.echo(f"{PICTURES} requests over {CONNECTIONS} connections: {median['requests'] * 1000:.1f} ms")
    typer.echo(f"one batch of {PICTURES}: {median['batch'] * 1000:.1f} ms")
    typer.echo(f"the batch is {median['requests'] / median['batch']:.2f} times as fast (medians of {runs} runs)")


def main(
    runs: Annotated[int, typer.Option(help="Number of measurements.")] = 100,
    load_core: Annotated[str, typer.Option(help="CPU core of the client.")] = LOAD_CORE,
) -> None:
    """Compare one batch with single-picture requests."""
    with service(load_core):
        asyncio.run(compare(runs))


if __name__ == "__main__":
    typer.run(main)
