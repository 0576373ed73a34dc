"""Send the service ten times what it can answer, and measure what becomes of what it takes.

    python benchmarks/overload.py

measures the latency of a lone client and the most that 16 clients get answered, then sends ten times as many
requests a second, whether answers come or not, and looks again when that is over. The service has one core, the
clients another. Ignores: whether answers are right.
"""

import asyncio
import os
import time
from collections import defaultdict
from typing import Annotated

import httpx2
import numpy as np
import typer
import uvloop

from serving import LOAD_CORE, PORT, SERVERS, URL, form, memory, pictures, start, stop

TYPE = "multipart/form-data; boundary=b0undary"
HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: " + TYPE + "\r\nContent-Length: {}\r\n\r\n"
Answers = dict[int, list[float]]  # by status, how many seconds each took


class Client(asyncio.Protocol):
    """A connection that asks again and again; as little Python as there can be, to send enough."""

    def __init__(self, request: bytes, answers: Answers) -> None:
        self.request = request
        self.answers = answers
        self.waits = False
        self.then = lambda: None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep what to write to."""
        self.transport = transport

    def ask(self) -> None:
        """Send a request, unless the last one has not been answered."""
        if not self.waits:
            self.waits, self.answer, self.started = True, b"", time.perf_counter()
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Note an answer when it is complete: all of ours are JSON objects without another in them."""
        self.answer += data
        if self.answer.endswith(b"}"):
            self.answers[int(self.answer[9:12])].append(time.perf_counter() - self.started)
            self.waits = False
            self.then()


async def connected(request: bytes, clients: int, answers: Answers) -> list[Client]:
    """So many connections to the service."""
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Client(request, answers), "127.0.0.1", PORT) for _ in range(clients)]
    return [client for _, client in pairs]


async def one_after_another(request: bytes, clients: int, seconds: float) -> Answers:
    """So many clients, each of which waits for its answer before it asks again."""
    answers: Answers = defaultdict(list)
    for client in (crowd := await connected(request, clients, answers)):
        client.then = client.ask
        client.ask()
    await asyncio.sleep(seconds)
    for client in crowd:
        client.transport.abort()
    return answers


async def at_a_rate(request: bytes, rate: float, clients: int, seconds: float) -> Answers:
    """So many requests a second, over many connections; one that still waits lets its turn pass."""
    answers: Answers = defaultdict(list)
    crowd = await connected(request, clients, answers)
    started, turn = time.perf_counter(), 0
    while (now := time.perf_counter() - started) < seconds:
        while turn < now * rate:
            crowd[turn % clients].ask()
            turn += 1
        await asyncio.sleep(0.001)
    for client in crowd:
        client.transport.abort()
    return answers


def p99(seconds: list[float]) -> float:
    """In milliseconds."""
    return 1000 * float(np.percentile(seconds, 99))


def main(
    seconds: Annotated[float, typer.Option(help="How long the overload lasts.")] = 10,
    clients: Annotated[int, typer.Option(help="Connections that send it.")] = 400,
) -> None:
    """Send the service ten times what it can answer."""
    for name, picture in pictures().items():
        server, _ = start(SERVERS["digits"], "file", queues={})
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        body = form(picture, "file")
        request = HEAD.format(len(body)).encode() + body
        uvloop.run(one_after_another(request, 16, 2))  # to warm up
        lone = uvloop.run(one_after_another(request, 1, 4))[200]
        rate = len(uvloop.run(one_after_another(request, 16, 4))[200]) / 4
        before = memory(server)
        answers = uvloop.run(at_a_rate(request, 10 * rate, clients, seconds))
        ended = time.perf_counter()
        well = httpx2.post(URL, content=body, headers={"content-type": TYPE})
        back = time.perf_counter() - ended
        after = uvloop.run(one_after_another(request, 1, 4))[200]
        sent = sum(map(len, answers.values())) / seconds
        typer.echo(
            f"{name}: alone p99 {p99(lone):.1f} ms; {rate:.0f} answered a second; {sent:.0f} of {10 * rate:.0f} sent\n"
            + "\n".join(f"  {s}: {len(a) / seconds:.0f} a second, p99 {p99(a):.1f} ms" for s, a in answers.items())
            + f"\n  what was accepted took {p99(answers[200]) / p99(lone):.1f} times as long (p99)\n"
            f"  afterwards: {well.status_code} in {1000 * back:.0f} ms, alone p99 {p99(after):.1f} ms, "
            f"{memory(server):.0f} MB of memory ({before:.0f} before)"
        )
        stop(server)


if __name__ == "__main__":
    typer.run(main)
