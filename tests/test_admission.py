"""Admission: which pictures wait, which are refused, and the memory for bodies."""

import asyncio
from contextlib import closing
from unittest.mock import Mock

import pytest
from fastapi import Request

from app.answers.errors import Overloaded
from app.metrics import Metrics
from app.settings import Settings
from app.stage import Stage
from app.web.admission import Admission, Queue
from app.web.bodies import Body

REQUEST = Request({"type": "http", "headers": []})


@pytest.fixture
def admission() -> Admission:
    settings = Settings(
        max_upload_bytes=20_000, max_held_bytes=30_000, queue_seconds=0.2, decoders=2
    )
    return Admission(settings, Metrics({}).queue_depth)


def read(queue: Queue, times: int, **seconds: float) -> None:
    """Read pictures that take this long in each stage."""
    stages = [Stage("begin", 0)]
    for name, length in seconds.items():
        stages.append(Stage(name, stages[-1].end + int(1e9 * length)))

    async def picture() -> Mock:
        return Mock(stages=stages)

    for _ in range(times):
        asyncio.run(queue.read(REQUEST, picture))


def test_a_picture_is_refused_only_if_it_would_wait_too_long(admission):
    queue = admission.large  # two decoders read two at once
    queue.seconds = 5
    queue.length = 10_000
    queue.check()  # nothing is known before the first picture
    # A second, without the wait.
    read(queue, 100, wait=9, decode=0.2, preprocess=0.2, inference=0.6)
    queue.length = 3
    assert queue.check() == pytest.approx(1.5, rel=0.01)
    queue.length = 9
    with queue.place():
        queue.length += 1
        with pytest.raises(Overloaded) as refused, queue.place():
            pass
    assert refused.value.seconds == 6
    assert queue.length == 10
    read(queue, 50, decode=0.1)
    assert queue.check() == pytest.approx(0.5, rel=0.1)


def assert_all_is_released(admission: Admission) -> None:
    assert admission.held_bytes == 0
    assert not admission.overdraft.locked()


def test_one_body_may_exceed_the_memory_and_the_next_waits_for_it(admission):
    arrived = []
    held = []

    async def send(name: str) -> None:
        with closing(Body(REQUEST, 30, admission)) as body:
            for part in (1, 2):
                await body.take(10_000, part * 10_000)
                await asyncio.sleep(0.01)
            arrived.append(name)
            held.append(admission.held_bytes)

    async def send_all() -> None:
        await asyncio.gather(*map(send, ("first", "second", "third")))

    asyncio.run(send_all())
    assert arrived == ["first", "second", "third"]
    assert max(held) <= 50_000
    assert_all_is_released(admission)


def test_a_body_without_room_in_time_is_refused_and_releases_its_memory(admission):
    async def send() -> None:
        slow, first, second = (Body(REQUEST, 30, admission) for _ in range(3))
        with closing(slow), closing(first), closing(second):
            await slow.take(20_000, 20_000)
            await first.take(15_000, 15_000)
            with pytest.raises(Overloaded):
                await second.take(1, 1)

    asyncio.run(send())
    assert_all_is_released(admission)
