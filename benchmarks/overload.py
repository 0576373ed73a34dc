"""Overload the service, and measure what it still answers.

    python benchmarks/overload.py

measures with DIGITS_QUEUE_SECONDS=0.5 the throughput of a few clients, then sends from 400 connections

- 640×480 JPEGs at 3 and at 10 times that rate,
- MNIST PNGs from clients that honour Retry-After, and from clients that retry at once.

A connection that waits for its answer skips its turn. Every refusal must be a problem with the client's own request id,
and afterwards the service must answer at once. The service runs on one core, the clients on another.
"""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Annotated

import httpx2
import numpy as np
import typer

from measuring import header, row
from servers import LOAD_CORE, PORT, URL, pictures, running

HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: {}\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n"
Answers = dict[int, list[float]]  # latencies in seconds, by status
Pause = Callable[[int, float], float]  # status and latency of the last answer → seconds until the next request


async def load(picture: bytes, clients: int, seconds: float, pause: Pause, stagger: float = 0) -> Answers:
    """Send a picture from several clients, each of which waits for its answer and pauses."""
    answers: Answers = defaultdict(list)
    end = time.perf_counter() + seconds

    async def ask(name: str, start: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        await asyncio.sleep(start)
        while (began := time.perf_counter()) < end:
            writer.write(HEAD.format(name, len(picture)).encode() + picture)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
            status, latency = int(head[9:12]), time.perf_counter() - began
            answers[status].append(latency)
            if status != 200:
                problem = json.loads(body)
                assert (problem["type"], problem["request_id"]) == ("/problems/overloaded", name), problem
            await asyncio.sleep(pause(status, latency))
        writer.close()

    await asyncio.gather(*(ask(f"client-{k}", k * stagger) for k in range(clients)))
    return answers


def at_once(_: int, __: float) -> float:
    """Send the next request at once."""
    return 0


def patiently(status: int, _: float) -> float:
    """Send the next request at once if the picture was read, else after Retry-After."""
    return 0 if status == 200 else 1


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return 1000 * float(np.percentile(seconds, 99)) if seconds else 0.0


def main(
    seconds: Annotated[float, typer.Option(help="Duration of each overload, in seconds.")] = 10,
    clients: Annotated[int, typer.Option(help="Number of connections.")] = 400,
) -> None:
    """Overload the service, and measure what it still answers."""
    os.environ["DIGITS_QUEUE_SECONDS"] = "0.5"
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    small, large, _ = pictures().values()
    header("load", "answered/s", "of the rate without overload", "p99, ms", "refused/s", "afterwards, ms")
    for name, picture, few in (("640×480 JPEG", large, 4), ("MNIST PNG", small, 16)):
        with running():
            asyncio.run(load(picture, few, 2, at_once))  # to warm up
            rate = len(asyncio.run(load(picture, few, 4, at_once))[200]) / 4
            loads: dict[str, tuple[Pause, float]] = {"patient": (patiently, 0), "retrying at once": (at_once, 0)}
            if picture is large:
                turns = {times: clients / (times * rate) for times in (3, 10)}  # seconds between a client's requests
                loads = {
                    f"{times} times the rate": (lambda _, took, turn=turn: max(0, turn - took), turn / clients)
                    for times, turn in turns.items()
                }
            for kind, (pause, stagger) in loads.items():
                answers = asyncio.run(load(picture, clients, seconds, pause, stagger))
                began = time.perf_counter()
                httpx2.post(f"{URL}/predict", content=picture).raise_for_status()
                took, read = 1000 * (time.perf_counter() - began), len(answers[200]) / seconds
                refused = sum(len(latencies) for status, latencies in answers.items() if status != 200) / seconds
                cells = [f"{read / rate:.0%}", f"{p99(answers[200]):.0f}", f"{refused:.0f}", f"{took:.0f}"]
                row([f"{name}, {kind}", f"{read:.0f}", *cells])


if __name__ == "__main__":
    typer.run(main)
