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
    "POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: {}\r\n"
    "Content-Type: image/png\r\nContent-Length: {}\r\n\r\n"
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
            length = head.partition(b"content-length: ")[2].split()[0]
            body = await reader.readexactly(int(length))
            status = int(head[9:12])
            latency = time.perf_counter() - began
            answers[status].append(latency)
            pause = interval - latency
            if status != 200:
                problem = json.loads(body)
                assert problem["type"] == "/problems/overloaded", problem
                assert problem["request_id"] == name, problem
                pause = max(pause, patience)
            await asyncio.sleep(pause)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for k in range(clients):
            group.create_task(ask(f"client-{k}", k * interval / clients))
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
            interval = clients / (times * rate)
            overload = load(picture, clients, seconds, interval, patience)
            answers = asyncio.run(overload)[200]
            httpx2.post(f"{URL}/predict", content=picture).raise_for_status()
            read = len(answers) / seconds
            p99 = 1000 * np.percentile(answers, 99)
            row([name, f"{read:.0f}", f"{read / rate:.0%}", f"{p99:.0f}"])


if __name__ == "__main__":
    typer.run(main)
