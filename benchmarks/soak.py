"""Send ten minutes of mixed traffic, valid and invalid; check every answer, and watch the service's memory.

    make soak

Sends digits, photos and files that are not pictures, at a rate below the service's capacity, after a first photo that
starts the decoder processes. Exits with 1 if an answer has a 5xx status or differs from what the same code reads
offline, or if memory grows by more than 5 % after the first two minutes.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from io import BytesIO
from typing import Annotated

import httpx2
import numpy as np
import typer
from PIL import Image

from app.inference.classifier import Classifier
from app.inference.reading import read_digit
from serving import ROOT, SERVERS, URL, memory, pictures, start, stop
from sheet import digits

GROWTH = 0.05


def traffic() -> list[tuple[bytes, int, int | None]]:
    """Return the bodies to send, with their expected status and digit."""
    classifier = Classifier(ROOT / "models" / "digits.onnx")
    good = [*map(png, digits()[::5]), *(png(digit.repeat(10, 0).repeat(10, 1)) for digit in digits()[::50])]
    good += [pictures()["640×480 JPEG"]] * 5
    answers = [read_digit(picture, classifier).digit for picture in good]
    bad = [(b"", 422), (b"text", 415), (good[0][:100], 422), (png(np.full((50, 50), 255, np.uint8)), 422)]
    return [(picture, 200, digit) for picture, digit in zip(good, answers, strict=True)] + [
        (b, s, None) for b, s in bad * 3
    ]


def png(pixels: np.ndarray) -> bytes:
    """Encode grey levels as a PNG."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


async def send(seconds: float, rate: float, wrong: Counter[str], counts: Counter[int]) -> None:
    """Send the traffic in random order at a mean rate; abort some of the requests."""
    sent, dice = traffic(), random.Random(0)  # noqa: S311 - no secret
    async with httpx2.AsyncClient(timeout=10) as client:

        async def one() -> None:
            picture, status, digit = dice.choice(sent)
            try:
                async with asyncio.timeout(0.002 if dice.random() < 0.01 else 10):  # a few clients hang up
                    answer = await client.post(URL, content=picture)
            except TimeoutError:
                counts[0] += 1
                return
            counts[answer.status_code] += 1
            if answer.status_code != status or (digit is not None and answer.json()["digit"] != digit):
                wrong[f"{answer.status_code} {answer.text[:200]} for {status} {digit}"] += 1

        end, due = time.perf_counter() + seconds, time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while due < end:
                await asyncio.sleep(max(0, due - time.perf_counter()))
                group.create_task(one())
                due += dice.expovariate(rate)


async def watch(server: object, every: float, seconds: float, seen: list[tuple[float, float]]) -> None:
    """Record the service's memory in megabytes, and the time."""
    started = time.perf_counter()
    while (now := time.perf_counter() - started) < seconds:
        seen.append((now, memory(server.pid)))
        await asyncio.sleep(every)


def main(
    seconds: Annotated[float, typer.Option(help="Duration in seconds.")] = 600,
    rate: Annotated[float, typer.Option(help="Requests per second.")] = 80,
) -> None:
    """Send mixed traffic for ten minutes."""
    server, _ = start(SERVERS["digits"], "file")
    httpx2.post(URL, content=pictures()["640×480 JPEG"]).raise_for_status()  # starts the decoder processes
    wrong: Counter[str] = Counter()
    counts: Counter[int] = Counter()
    seen: list[tuple[float, float]] = []

    async def both() -> None:
        await asyncio.gather(send(seconds, rate, wrong, counts), watch(server, 5, seconds, seen))

    try:
        asyncio.run(both())
    finally:
        stop(server)
    late = [megabytes for now, megabytes in seen if now >= 0.2 * seconds]
    growth = max(late) / late[0] - 1
    typer.echo(
        f"{sum(counts.values()):,} requests in {seconds:.0f} s by status (0: hung up): {dict(sorted(counts.items()))}; "
        f"{sum(wrong.values())} answers wrong; memory {late[0]:.0f} MB after a fifth of the time, at most "
        f"{max(late):.0f} MB later ({growth:+.1%}), {late[-1]:.0f} MB at the end"
    )
    for answer, count in wrong.most_common(10):
        typer.echo(f"{count} times {answer}", err=True)
    sys.exit(bool(wrong) or growth > GROWTH)


if __name__ == "__main__":
    typer.run(main)
