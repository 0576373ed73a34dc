"""Admission: which pictures wait, which are refused, and the memory that request bodies take."""

import asyncio
from contextlib import closing

import pytest
from fastapi import Request

from app.inference.stage import Stage
from app.metrics import Metrics
from app.settings import Settings
from app.web.admission import Admission, Queue
from app.web.bodies import Body
from app.web.errors import Overloaded, UploadTooLarge

REQUEST = Request({"type": "http", "headers": []})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics({})


@pytest.fixture
def admission(metrics) -> Admission:
    settings = Settings(max_upload_bytes=20_000, max_held_bytes=30_000, queue_seconds=0.2, decoders=2)
    return Admission(settings, metrics.queue_depth)


def stages(**seconds: float) -> list[Stage]:
    return [Stage(name, 0, int(1e9 * length)) for name, length in seconds.items()]


@pytest.fixture
def queue(metrics) -> Queue:
    """Two places; pictures take a second each, without what they have waited; at most five seconds to wait."""
    queue = Queue(2, 5.0, metrics.queue_depth.labels("large"))
    for _ in range(100):
        queue.note(stages(wait=9, decode=0.2, preprocess=0.2, inference=0.6))
    return queue


def test_a_picture_waits_for_those_before_it_at_all_places(queue):
    assert queue.wait == 0
    queue.length += 3
    assert queue.wait == pytest.approx(1.5, rel=0.01)


def test_a_picture_is_refused_only_if_it_would_wait_too_long(queue):
    queue.length += 9
    with queue.place():
        assert queue.length == 10
        queue.length += 1
        with pytest.raises(Overloaded) as refused, queue.place():
            pass
    assert refused.value.seconds == 6
    assert queue.length == 10


def test_before_the_first_picture_nothing_is_refused(metrics):
    queue = Queue(1, 5.0, metrics.queue_depth.labels("small"))
    queue.length += 10_000
    queue.check()


def test_the_cost_follows_the_pictures_of_late(queue):
    for _ in range(50):
        queue.note(stages(decode=0.1))
    assert queue.cost == pytest.approx(0.1, rel=0.1)


def test_the_length_of_a_queue_is_a_metric_and_falls_after_an_error(admission, metrics):
    def depth() -> float | None:
        return metrics.registry.get_sample_value("digits_queue_depth", {"queue": "small"})

    def fail_in_the_middle():
        with admission.small.place():
            assert depth() == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert depth() == 0


def test_as_many_large_pictures_as_there_are_decoders_are_read_at_once(admission):
    assert (admission.small.places, admission.large.places) == (1, 2)


def test_a_body_over_the_limit_is_refused(admission):
    admission.check_size(20_000)
    with pytest.raises(UploadTooLarge, match="larger than 20,000 bytes"):
        admission.check_size(20_001)

    async def send() -> None:
        with closing(Body(REQUEST, 30, admission)) as body:
            await body.take(12_000, 12_000)
            await body.take(8_000, 20_000)
            with pytest.raises(UploadTooLarge):
                await body.take(1, 20_001)

    asyncio.run(send())
    assert admission.held_bytes == 0


def test_one_body_may_exceed_the_memory_and_the_next_waits_for_it(admission):
    arrived = []

    async def send(name: str, seconds: float) -> None:
        with closing(Body(REQUEST, 30, admission)) as body:
            for part in (1, 2):
                await body.take(10_000, part * 10_000)
                await asyncio.sleep(seconds)
            arrived.append((name, admission.held_bytes))

    async def send_all() -> None:
        await asyncio.gather(send("first", 0.01), send("second", 0.01), send("third", 0.01))

    asyncio.run(send_all())
    assert [name for name, _ in arrived] == ["first", "second", "third"]
    assert max(held for _, held in arrived) <= 50_000
    assert admission.held_bytes == 0
    assert not admission.overdraft.locked()


def test_a_body_without_room_in_time_is_refused_and_releases_its_memory(admission):
    async def send() -> None:
        slow, first, second, later = (Body(REQUEST, 30, admission) for _ in range(4))
        with closing(slow), closing(first), closing(second):
            await slow.take(20_000, 20_000)
            await first.take(15_000, 15_000)
            with pytest.raises(Overloaded):
                await second.take(1, 1)
        assert admission.held_bytes == 0
        with closing(later):
            await later.take(20_000, 20_000)

    asyncio.run(send())
    assert not admission.overdraft.locked()
