"""Overload the service, and measure what it still answers.

    python benchmarks/overload.py

first sends what has to be answered, if not at once: 120 kB PNGs from 32 clients that each wait for their answer, and
drawings from 30 clients every 300 ms. Then, with DIGITS_QUEUE_SECONDS=0.5, it measures the latency of a single client
and the throughput of a few clients, and sends

- 640×480 JPEGs at 3 and at 10 times that rate, whether answers arrive or not,
- MNIST PNGs from 400 clients that honour Retry-After, and from 400 that retry at once.

Every refusal must be a problem with the client's own request id. Afterwards it checks that the service has recovered.
The service runs on one core, the clients on another. Prints each figure with its goal.
"""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from io import BytesIO
from typing import Annotated

import httpx2
import numpy as np
import typer
from PIL import Image

from serving import LOAD_CORE, PORT, SERVER_CORE, SERVERS, URL, form, memory, pictures, start, stop

TYPE = "multipart/form-data; boundary=b0undary"
HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
Answers = dict[int, list[float]]  # latencies in seconds, by status


class Client(asyncio.Protocol):
    """A connection that repeats a request, with as little Python as possible, so that one core can overload another."""

    def __init__(self, name: str, body: bytes, answers: Answers) -> None:
        self.name = name
        self.request = HEAD.format(name, TYPE, len(body)).encode() + body
        self.answers = answers
        self.is_waiting = False
        self.then: Callable[[int], None] = lambda status: None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport."""
        self.transport = transport

    def ask(self) -> None:
        """Send a request, unless the last one is still unanswered."""
        if not self.is_waiting and not self.transport.is_closing():
            self.is_waiting, self.answer, self.started = True, b"", time.perf_counter()
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Record an answer once it is complete.

        An answer is a JSON object that contains no other, so its first `}` ends it.
        """
        self.answer += data
        if self.answer.endswith(b"}"):
            status = int(self.answer[9:12])
            self.answers[status].append(time.perf_counter() - self.started)
            if status != 200:
                self.check_refusal()
            self.is_waiting = False
            self.then(status)

    def check_refusal(self) -> None:
        """Check that a refusal is the right problem, with the client's request id."""
        head, _, body = self.answer.partition(b"\r\n\r\n")
        problem = json.loads(body)
        assert problem["type"] == "/problems/overloaded", problem
        assert problem["request_id"] == self.name, problem
        assert f"x-request-id: {self.name}".encode() in head.split(b"\r\n"), head

    def ask_again(self, status: int) -> None:
        """Send the next request at once, whatever the answer was."""
        self.ask()

    def wait_and_ask(self, status: int) -> None:
        """Send the next request: at once if the picture was read, else after Retry-After."""
        asyncio.get_running_loop().call_later(0 if status == 200 else 1, self.ask)


async def connected(body: bytes, clients: int, answers: Answers) -> list[Client]:
    """Open `clients` connections to the service."""
    loop = asyncio.get_running_loop()
    crowd = [Client(f"client-{number}", body, answers) for number in range(clients)]
    for client in crowd:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", PORT)  # type: ignore[misc]
    return crowd


async def one_after_another(
    body: bytes, clients: int, seconds: float, then: Callable[[Client, int], None] = Client.ask_again
) -> Answers:
    """Run clients that each wait for their answer before the next request."""
    answers: Answers = defaultdict(list)
    crowd = await connected(body, clients, answers)
    for client in crowd:
        client.then = lambda status, client=client: then(client, status)  # type: ignore[misc]
        client.ask()
    await asyncio.sleep(seconds)
    for client in crowd:
        client.transport.abort()
    return answers


async def crowd(picture: bytes, clients: int, requests: int, pause: float = 0) -> list[float]:
    """Send a picture of a 7 from several clients, each with a pause after its answer; return all latencies."""
    seconds = []

    async def ask() -> None:
        async with httpx2.AsyncClient(timeout=60) as client:
            for _ in range(requests):
                begin = time.perf_counter()
                answer = await client.post(URL, content=picture)
                seconds.append(time.perf_counter() - begin)
                assert answer.status_code == 200, answer.text
                assert answer.json()["digit"] == 7, answer.text
                await asyncio.sleep(max(0.0, pause - seconds[-1]) if pause else 0)

    await asyncio.gather(*(ask() for _ in range(clients)))
    return seconds


def wait_for_their_turn(drawing: bytes) -> None:
    """Send what a service without overload has to answer, and print how long that takes."""
    sheet = np.asarray(Image.open(BytesIO(drawing)).convert("L"), np.float32)
    noisy, clean = BytesIO(), BytesIO()
    noise = np.random.default_rng(0).normal(0, 1.5, sheet.shape)
    Image.fromarray((sheet + noise).clip(0, 255).astype(np.uint8)).save(noisy, "PNG")
    Image.fromarray(sheet.astype(np.uint8)).resize((432, 288)).save(clean, "PNG")
    server, _ = start(SERVERS["digits"], "file", cores=f"{SERVER_CORE},{LOAD_CORE}")
    asyncio.run(crowd(noisy.getvalue(), 2, 20))  # to warm up
    alone = float(np.median(asyncio.run(crowd(noisy.getvalue(), 1, 20))))
    slowest = p99(asyncio.run(crowd(noisy.getvalue(), 32, 20)))
    typer.echo(
        f"32 clients, PNGs of {len(noisy.getvalue()) // 1000} kB: all 640 answered, p99 {slowest:.0f} ms, "
        f"{slowest / (32_000 * alone):.2f} times 32 times that of one client alone (goal: at most 1.5)"
    )
    slowest = p99(asyncio.run(crowd(clean.getvalue(), 30, 20, pause=0.3)))
    typer.echo(f"30 clients, a drawing every 300 ms: all 600 answered, p99 {slowest:.0f} ms")
    stop(server)


async def at_a_rate(body: bytes, rate: float, clients: int, seconds: float) -> Answers:
    """Send requests at a fixed rate over many connections. A connection that is still waiting skips its turn."""
    answers: Answers = defaultdict(list)
    crowd = await connected(body, clients, answers)
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
    """Compute the 99th percentile in milliseconds."""
    return 1000 * float(np.percentile(seconds, 99))


def report(name: str, answers: Answers, seconds: float, alone: Answers, rate: float, goals: str) -> None:
    """Print the results of an overload."""
    accepted = answers[200]
    refused = [latency for status, latencies in answers.items() if status != 200 for latency in latencies]
    typer.echo(
        f"  {name}: {len(accepted) / seconds:.0f} answered per second, {len(accepted) / seconds / rate:.0%} of "
        f"{rate:.0f}, p99 {p99(accepted):.0f} ms ({p99(accepted) / p99(alone[200]):.1f} times a lone client's); "
        f"{len(refused) / seconds:.0f} refused per second"
        + (f", p99 {p99(refused):.0f} ms" if refused else "")
        + f"; {goals}"
    )


def main(
    seconds: Annotated[float, typer.Option(help="Duration of each overload, in seconds.")] = 10,
    clients: Annotated[int, typer.Option(help="Number of client connections.")] = 400,
) -> None:
    """Overload the service, and measure what it still answers."""
    small, large, _ = pictures().values()
    wait_for_their_turn(large)
    os.environ["DIGITS_QUEUE_SECONDS"] = "0.5"
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    for name, picture in (("640×480 JPEG", large), ("MNIST PNG", small)):
        body = form(picture, "file")
        server, _ = start(SERVERS["digits"], "file")
        few = 4 if picture is large else 16
        asyncio.run(one_after_another(body, few, 2))  # to warm up
        alone = asyncio.run(one_after_another(body, 1, 4))
        rate = len(asyncio.run(one_after_another(body, few, 4))[200]) / 4
        before = memory(server.pid)
        typer.echo(f"{name}: a lone client's p99 {p99(alone[200]):.1f} ms; {few} clients {rate:.0f} per second")
        if picture is large:
            for factor, goal in ((3, "at least 70 %"), (10, "at least 40 %")):
                answers = asyncio.run(at_a_rate(body, factor * rate, clients, seconds))
                report(f"at {factor} times that", answers, seconds, alone, rate, f"goal: {goal}, at most 1,000 ms")
        else:
            answers = asyncio.run(one_after_another(body, clients, seconds, Client.wait_and_ask))
            report(f"{clients} patient clients", answers, seconds, alone, rate, "goal: at least 80 %")
            answers = asyncio.run(one_after_another(body, clients, seconds))
            report(
                f"{clients} that ask at once", answers, seconds, alone, rate, "goal: at least 15 %, at most 1,000 ms"
            )
        ended = time.perf_counter()
        well = httpx2.post(URL, content=body, headers={"content-type": TYPE})
        back = time.perf_counter() - ended
        typer.echo(
            f"  afterwards: {well.status_code} in {1000 * back:.0f} ms (goal: 200 within 1,000); "
            f"{memory(server.pid):.0f} MB of memory ({before:.0f} before)"
        )
        stop(server)


if __name__ == "__main__":
    typer.run(main)
