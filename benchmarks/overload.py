"""Overload the service, and measure what it still answers.

    python benchmarks/overload.py

measures with DIGITS_QUEUE_SECONDS=0.5 the throughput of a few clients, then sends from
400 connections

- 640×480 JPEGs at 10 times that rate,
- MNIST PNGs from clients that honour Retry-After, and from clients that retry at once.

A connection that waits for its answer skips its turn. Every refusal must be a problem
with the client's own request id, and afterwards the service must answer again. The
service runs on one core, the clients on another.
"""

import asyncio
import json
import math
import os
import time
from collections import defaultdict
from typing import Annotated

import httpx2
import numpy as np
import typer

from measuring import header, row
from servers import LOAD_CORE, PORT, URL, pictures, running

HEAD = (
    "POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: {}\r\nContent-Type: "
    "image/png\r\nContent-Length: {}\r\n\r\n"
)
Answers = dict[int, list[float]]  # latencies in seconds, by status


async def load(
    picture: bytes,
    clients: int,
    seconds: float,
    interval: float = 0,
    patience: float = 0,
) -> Answers:
    """Send a picture from several clients, each of which waits for its answer.

    A client sends at most one picture per interval, and waits for a while after a
    refusal.
    """
    answers: Answers = defaultdict(list)
    end = time.perf_counter() + seconds

    async def ask(name: str, start: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        await asyncio.sleep(start)
        while (began := time.perf_counter()) < end:
            writer.write(HEAD.format(name, len(picture)).encode() + picture)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(
                int(head.partition(b"content-length: ")[2].split()[0])
            )
            status, latency = int(head[9:12]), time.perf_counter() - began
            answers[status].append(latency)
            if status != 200:
                problem = json.loads(body)
                assert (problem["type"], problem["request_id"]) == (
                    "/problems/overloaded",
                    name,
                ), problem
            await asyncio.sleep(
                max(interval - latency, 0 if status == 200 else patience)
            )
        writer.close()

    await asyncio.gather(
        *(ask(f"client-{k}", k * interval / clients) for k in range(clients))
    )
    return answers


def main(
    seconds: Annotated[
        float, typer.Option(help="Duration of each overload, in seconds.")
    ] = 10,
    clients: Annotated[int, typer.Option(help="Number of connections.")] = 400,
) -> None:
    """Overload the service, and measure what it still answers."""
    os.environ["DIGITS_QUEUE_SECONDS"] = "0.5"
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    small, large, _ = pictures().values()
    header("load", "answered/s", "of the rate without overload", "p99, ms")
    for name, picture, few, times, patience in (
        ("640×480 JPEG, 10 times the rate", large, 4, 10, 0),
        ("MNIST PNG, patient", small, 16, math.inf, 1),
        ("MNIST PNG, retrying at once", small, 16, math.inf, 0),
    ):
        with running():
            asyncio.run(load(picture, few, 2))  # to warm up
            rate = len(asyncio.run(load(picture, few, 4))[200]) / 4
            answers = asyncio.run(
                load(picture, clients, seconds, clients / (times * rate), patience)
            )[200]
            httpx2.post(f"{URL}/predict", content=picture).raise_for_status()
            read = len(answers) / seconds
            row(
                [
                    name,
                    f"{read:.0f}",
                    f"{read / rate:.0%}",
                    f"{1000 * np.percentile(answers, 99):.0f}",
                ]
            )


if __name__ == "__main__":
    typer.run(main)
