"""Send ten minutes of mixed traffic, valid and invalid; check every answer, and watch
the service's memory.

    make soak

Sends digits, photos and files that are not pictures, at a rate below the service's
capacity, after a first photo that starts the decoder processes. Exits with 1 if an
answer has a 5xx status or differs from what the same code reads offline, or if memory
grows by more than 5 % after the first two minutes.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from typing import Annotated

import httpx2
import numpy as np
import typer
from PIL import Image

from measuring import Served
from processes import memory
from servers import URL, pictures, running
from training.sample import digits
from training.writing.drawing import png

GROWTH = 0.05
HANG_UP = 0.01  # share of the requests

Sent = tuple[bytes, int, int | None]  # a body, and the expected status and digit


def traffic() -> list[Sent]:
    """Return what is sent."""
    networks = Served.committed()
    enlarged = digits()[::50].repeat(10, 1).repeat(10, 2)
    good = [png(Image.fromarray(image)) for image in (*digits()[::5], *enlarged)]
    good += 5 * [pictures()["640×480 JPEG"]]
    blank = png(np.full((50, 50), 255, np.float32))
    bad: list[Sent] = [
        (b"", 422, None),
        (b"text", 415, None),
        (good[0][:100], 422, None),
        (blank, 422, None),
    ]
    return [(picture, 200, networks.digit(picture)) for picture in good] + 3 * bad


async def send(
    seconds: float, rate: float, wrong: Counter[str], counts: Counter[int]
) -> None:
    """Send the traffic in random order at a mean rate; some clients hang up."""
    sent = traffic()
    dice = random.Random(0)  # noqa: S311 - no secret
    due = time.perf_counter()
    end = due + seconds
    async with httpx2.AsyncClient(timeout=10) as client, asyncio.TaskGroup() as group:

        async def one() -> None:
            picture, status, digit = dice.choice(sent)
            patience = 0.002 if dice.random() < HANG_UP else 10
            try:
                async with asyncio.timeout(patience):
                    answer = await client.post(f"{URL}/predict", content=picture)
            except TimeoutError:
                counts[0] += 1
                return
            counts[answer.status_code] += 1
            found = answer.json()["digit"] if answer.is_success else None
            if (answer.status_code, found) != (status, digit):
                said = f"{answer.status_code} {answer.text[:200]}"
                wrong[f"{said} for {status} {digit}"] += 1

        while due < end:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            group.create_task(one())
            due += dice.expovariate(rate)


async def watch(pid: int, seconds: float) -> list[float]:
    """Record the memory in megabytes, a hundred times after a fifth of the time."""
    await asyncio.sleep(0.2 * seconds)
    seen = []
    for _ in range(100):
        seen.append(memory(pid))
        await asyncio.sleep(0.008 * seconds)
    return seen


async def send_and_watch(
    pid: int, seconds: float, rate: float
) -> tuple[Counter[int], Counter[str], list[float]]:
    """Send the traffic; return answers by status, wrong answers, and the memory."""
    wrong = Counter[str]()
    counts = Counter[int]()
    async with asyncio.TaskGroup() as group:
        group.create_task(send(seconds, rate, wrong, counts))
        seen = await watch(pid, seconds)
    return counts, wrong, seen


def main(
    seconds: Annotated[float, typer.Option(help="Duration in seconds.")] = 600,
    rate: Annotated[float, typer.Option(help="Requests per second.")] = 80,
) -> None:
    """Send mixed traffic for ten minutes."""
    with running() as (server, _):
        photo = pictures()["640×480 JPEG"]  # starts the decoders
        httpx2.post(f"{URL}/predict", content=photo).raise_for_status()
        counts, wrong, seen = asyncio.run(send_and_watch(server.pid, seconds, rate))
    growth = max(seen) / seen[0] - 1
    typer.echo(
        f"{sum(counts.values()):,} requests in {seconds:.0f} s by status (0: hung "
        f"up): {dict(sorted(counts.items()))}; "
        f"{sum(wrong.values())} answers wrong; memory {seen[0]:.0f} MB after a fifth "
        "of the time, at most "
        f"{max(seen):.0f} MB later ({growth:+.1%})"
    )
    for answer, count in wrong.most_common(10):
        typer.echo(f"{count} times {answer}", err=True)
    sys.exit(bool(wrong) or growth > GROWTH)


if __name__ == "__main__":
    typer.run(main)
