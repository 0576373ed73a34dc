"""Admission: which pictures wait, which are refused, and the memory for bodies."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from time import monotonic
from unittest.mock import Mock

import pytest
from fastapi import Request

from app.answers.errors import Overloaded, UploadTooSlow
from app.metrics import Metrics
from app.picture.errors import BlankImage
from app.serving.decoders import Busy, Interrupted
from app.serving.reader import Reader
from app.settings import Settings
from app.web.admission import Admission
from app.web.bodies import Body
from app.web.lanes import Lane
from services import PICTURE, SMALL, until


async def silence() -> dict:
    """Receive nothing of a client that stays."""
    return await asyncio.get_running_loop().create_future()


REQUEST = Request({"type": "http", "headers": []}, silence)


@pytest.fixture
def admission() -> Admission:
    settings = Settings(
        max_upload_bytes=20_000, max_held_bytes=30_000, queue_seconds=0.2, decoders=2
    )
    return Admission(settings, Metrics({}).queue_depth)


def read_at_once(lane: Lane, count: int, seconds: float) -> None:
    """Read pictures that arrive together, each of which takes this long."""
    places = asyncio.Semaphore(lane.places)

    async def picture() -> None:
        async with places:
            await asyncio.sleep(seconds)

    async def read_all() -> None:
        await asyncio.gather(*(lane.read(REQUEST, picture) for _ in range(count)))

    asyncio.run(read_all())


def test_a_picture_is_refused_only_if_it_would_wait_too_long(admission):
    lane = admission.large  # two decoders read two at once
    lane.seconds = 60
    read_at_once(lane, 50, seconds=0.02)  # nothing is known before the first picture
    assert lane.check() == 0
    assert lane.length == 0
    with ExitStack() as others:
        for _ in range(20):
            others.enter_context(lane.place())
        wait = lane.check()
        assert 0.15 < wait < 0.4
        lane.seconds = 0.1
        with pytest.raises(Overloaded) as refused, lane.place():
            pass
        assert refused.value.seconds == 1
        assert lane.length == 20
    assert lane.check() == 0


@pytest.mark.parametrize(("queue", "picture"), [("small", SMALL), ("large", PICTURE)])
def test_of_forty_pictures_only_those_wait_that_are_read_in_time(
    client, monkeypatch, queue, picture
):
    """None waits elsewhere, where the next one would not see it."""
    lane = getattr(client.app_state["service"].admission, queue)
    monkeypatch.setattr(lane, "seconds", 5)
    monkeypatch.setattr(lane, "cost", 0.5 * lane.places)
    read = getattr(Reader, f"read_{queue}")
    may_go_on = asyncio.Event()

    async def held(*given):
        await may_go_on.wait()
        return await read(*given)

    monkeypatch.setattr(Reader, f"read_{queue}", held)
    post = partial(client.post, "/predict", content=picture)
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(post) for _ in range(40)]
        are_refused = until(lambda: sum(each.done() for each in answers) == 29)
        client.portal.call(may_go_on.set)
    assert are_refused
    statuses = Counter(each.result().status_code for each in answers)
    assert statuses == {200: 11, 503: 29}  # the last one waits for ten


@pytest.mark.parametrize(("others", "expected"), [(0, 0), (1, 0), (2, 1), (9, 1)])
def test_a_client_whose_large_picture_waits_must_keep_its_side_open(
    admission, others, expected
):
    require_open = Mock()
    state = {"require_open": require_open}
    scope = {"type": "http", "headers": [], "state": state}

    async def picture() -> None:
        pass

    for lane in (admission.small, admission.large):
        with ExitStack() as stack:
            for _ in range(others):
                stack.enter_context(lane.place())
            asyncio.run(lane.read(Request(scope, silence), picture))
    assert require_open.call_count == expected


def test_one_of_several_pages_waits_for_others_for_a_while(admission):
    outcomes = [Overloaded(0.01), Busy(), Interrupted(), "read"]
    for each in outcomes[1:3]:
        each.seconds = 0.01

    async def read() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert asyncio.run(admission.patiently(read)) == "read"
    outcomes += [Overloaded(60), "read"]
    with pytest.raises(Busy, match="no time left"):
        asyncio.run(admission.patiently(read))
    outcomes[0] = BlankImage("There is no ink.")
    with pytest.raises(BlankImage):
        asyncio.run(admission.patiently(read))


def test_what_is_held_of_an_answer_leaves_less_memory_for_bodies(admission):
    async def send() -> None:
        with closing(Body(REQUEST, 30, admission)) as body:
            with admission.holding(25_000):
                await body.take(10_000, 10_000)
            assert body.has_overdraft

    asyncio.run(send())
    assert_all_is_released(admission)


def sent_as(*chunks: bytes, interval: float) -> Body:
    """Return a body whose chunks arrive at this interval, in seconds."""
    left = list(chunks)

    async def receive() -> dict:
        await asyncio.sleep(interval)
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    request = Request({"type": "http", "headers": []}, receive)
    admission = Admission(Settings(), Metrics({}).queue_depth)
    return Body(request, 1.0, admission, bytes_per_second=10_000)


def test_a_slow_phone_has_the_time_that_it_needs():
    received = bytearray()
    asyncio.run(sent_as(*[bytes(5000)] * 8, interval=0.2).read(received.extend))
    assert len(received) == 40_000  # in 1.6 s, more than the second for a stall


@pytest.mark.parametrize(
    "body",
    [sent_as(b"\0", interval=60), sent_as(*[b"\0"] * 600, interval=0.1)],
    ids=["a stall", "a trickle"],
)
def test_a_body_that_stalls_or_trickles_is_refused(body):
    begin = monotonic()
    with pytest.raises(UploadTooSlow, match="Nothing of the request arrived for 1 s"):
        asyncio.run(body.read(bytes))
    assert monotonic() - begin < 10


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
