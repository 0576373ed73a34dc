"""The batcher, with steps whose results are easy to check: the square of a number."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from app.digit.classifier import Classes
from app.digit.reading import Steps
from app.serving.batcher import MAX_BATCH, Batcher
from app.stopwatch import Stopwatch


class Counting:
    """A classifier that returns each frame's mean, and notes the batch sizes."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.sizes = []
        self.during = during

    def __call__(self, frames: np.ndarray) -> Classes:
        self.sizes.append(len(frames))
        self.during()
        probabilities = np.zeros((len(frames), 10), np.float32)
        return Classes(probabilities, frames.mean(axis=(1, 2)))


def steps(number: int, frames: int = 1, times: int = 1) -> Steps:
    """Have frames of a number classified this many times; return its square."""
    for _ in range(times):
        classes = yield np.full((frames, 28, 28), number, np.float32)
        assert classes.legibility.tolist() == [number] * frames
    return number**2


def start(batcher: Batcher, *several: Steps) -> list[asyncio.Future]:
    """Start to read pictures."""
    return [asyncio.ensure_future(batcher(each, Stopwatch())) for each in several]


async def ask(batcher: Batcher, *several: Steps) -> list:
    return await asyncio.gather(*start(batcher, *several), return_exceptions=True)


def unhurried(network: Counting) -> Batcher:
    """A batcher whose batches a slow machine does not split."""
    return Batcher(network, nanoseconds=10**10)


MANY = 2 * MAX_BATCH + 3


@pytest.mark.parametrize(
    ("several", "answers", "sizes"),
    [
        ([steps(1), steps(2, frames=3), steps(3)], [1, 4, 9], [5]),
        ([steps(1, times=3), steps(2), steps(3, times=0)], [1, 4, 9], [2, 1, 1]),
        (
            map(steps, range(MANY)),
            [number**2 for number in range(MANY)],
            [MAX_BATCH, MAX_BATCH, 3],
        ),
    ],
    ids=["several frames", "several steps", "several batches"],
)
def test_pictures_share_batches_and_each_gets_its_own_result(several, answers, sizes):
    network = Counting()
    assert asyncio.run(ask(unhurried(network), *several)) == answers
    assert network.sizes == sizes


def test_pictures_that_arrive_during_a_batch_form_the_next_one():
    async def come_and_go() -> list[int]:
        tasks = []

        def arrive() -> None:
            if not tasks:
                tasks.extend(start(batcher, steps(2), steps(3)))

        network.during = arrive
        first = await batcher(steps(1), Stopwatch())  # does not wait
        return [first, *await asyncio.gather(*tasks)]

    network = Counting()
    batcher = unhurried(network)
    assert asyncio.run(come_and_go()) == [1, 4, 9]
    assert network.sizes == [1, 2]


@pytest.mark.parametrize("cancelled", [{1}, {0, 1, 2, 3}])
def test_cancelled_pictures_are_dropped(cancelled):
    async def cancel() -> list:
        tasks = start(batcher, *map(steps, range(5)))
        await asyncio.sleep(0)  # all are queued, none is being read
        for number in cancelled:
            tasks[number].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    network = Counting()
    batcher = unhurried(network)
    for number, answer in enumerate(asyncio.run(cancel())):
        if number in cancelled:
            assert isinstance(answer, asyncio.CancelledError)
        else:
            assert answer == number**2
    assert network.sizes == [5 - len(cancelled)]


def test_a_failed_batch_raises_in_every_caller_and_the_next_one_runs():
    def fail() -> None:
        network.during = lambda: None
        raise RuntimeError("no network")

    async def fail_and_go_on() -> tuple[list, list]:
        failed = await ask(batcher, *map(steps, range(3)))
        return failed, await ask(batcher, steps(4))

    network = Counting(fail)
    batcher = unhurried(network)
    failed, later = asyncio.run(fail_and_go_on())
    assert [type(answer) for answer in failed] == [RuntimeError] * 3
    assert later == [16]
