"""Decoder processes: the limits that end one, and its replacement."""

import asyncio
import errno
import gc
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Event
from unittest.mock import Mock

import pytest
import torch
from pebble import CONSTS, ProcessPool
from PIL import Image

from app.digit.reading import AS_USUAL, Reading
from app.picture.errors import BlankImage, NotAnImage, TooComplex
from app.serving.decoder import HAS_LIMITS, SHARED, Limits, digit_within, text_within
from app.serving.decoders import Busy, Decoders, Interrupted, TryAgain, new_pool
from app.serving.networks import Networks
from app.text.field import Field
from app.text.reading import AS_WRITTEN, ImpossibleLength, TextOptions
from hostile import many_scans
from paths import MODELS
from pictures import drawing, encode, flat, load_sheet, written
from services import until
from training.data import Digits
from training.writing.scenes import number

pytestmark = pytest.mark.slow

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="needs the limits that Linux has"
)
SEVEN = load_sheet()[0][358]
PHOTO = encode(drawing(SEVEN))
EXCLUSIVE = Limits(memory_bytes=220_000_000)
SLOW = many_scans(70_000)  # never ends, and runs in C code


@pytest.fixture
def pool() -> Iterator[Decoders]:
    """Two processes, for a test that may kill them."""
    pool = Decoders(MODELS, 2, EXCLUSIVE, 5.0, on_kill=Mock())
    yield pool
    pool.close()


@pytest.fixture
def decoders_within() -> Iterator[Callable[[int], Decoders]]:
    """Start a process that may take so much memory for a picture."""
    started = []

    def start(memory_bytes: int) -> Decoders:
        limits = Limits(memory_bytes=memory_bytes)
        started.append(Decoders(MODELS, 1, limits, 5.0, on_kill=pytest.fail))
        return started[-1]

    yield start
    for decoders in started:
        decoders.close()


async def read(pool: Decoders, data: bytes) -> Reading:
    reading, _ = await pool(data, partial(digit_within, options=AS_USUAL))
    return reading


def pids() -> set[int]:
    return {child.pid for child in multiprocessing.active_children()}


def drawing_of_megapixels(megapixels: float) -> Image.Image:
    image = drawing(SEVEN)
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    return image.resize((int(image.width * scale), int(image.height * scale)))


def test_processes_start_on_the_first_picture_and_others_are_served_meanwhile(pool):
    is_starting, may_start = Event(), Event()

    def start_once_told(*arguments) -> ProcessPool:
        is_starting.set()
        assert may_start.wait(10)
        return new_pool(*arguments)

    async def serve_meanwhile() -> None:
        reading = asyncio.ensure_future(read(pool, PHOTO))
        while not is_starting.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.01)
        may_start.set()
        assert (await reading).digit == 7

    pool.start_pool = start_once_told
    before = pids()
    asyncio.run(serve_meanwhile())
    assert len(pids() - before) == 2


def no_space(*_) -> ProcessPool:
    raise OSError(errno.ENOSPC, "No space left on device")


def ends_at_once(count: int, _) -> ProcessPool:
    ended = ProcessPool(count, initializer=os._exit, initargs=[1])
    assert ended.active
    return ended


NO_SPACE = "No decoder process can be started: [Errno 28] No space left on device."
ENDED = (
    "Two pools of decoder processes ended before they took a picture: can the "
    "processes start?"
)


@pytest.mark.parametrize(
    ("start", "logged"), [(no_space, NO_SPACE), (ends_at_once, ENDED)]
)
def test_while_no_process_can_start_pictures_are_refused_and_it_is_logged_once(
    start, logged, pool, caplog
):
    async def read_several() -> None:
        pool.start_pool = start
        for _ in range(2):
            with pytest.raises(Busy):
                await read(pool, PHOTO)
        pool.start_pool = new_pool
        assert (await read(pool, PHOTO)).digit == 7

    asyncio.run(read_several())
    assert [record.message for record in caplog.records] == [logged]


def jpeg_in_scans(grey: Image.Image) -> bytes:
    """Encode a grey image as a baseline JPEG in colour, with a scan per component."""
    luma = encode(grey, "JPEG")
    chroma = encode(Image.new("L", grey.size, 128), "JPEG")
    head, _, _ = luma.partition(b"\xff\xda")
    # Its header: length, precision, height, width, components.
    frame = head.index(b"\xff\xc0")
    size = head[frame + 4 : frame + 9]
    jpeg = head[:frame] + b"\xff\xc0\x00\x11" + size + b"\x03"
    for component in (1, 2, 3):
        jpeg += bytes([component, 0x11, 0])
    jpeg += head[frame + 13 :]
    for component, plane in enumerate((luma, chroma, chroma), 1):
        _, _, scan = plane.partition(b"\xff\xda")
        jpeg += b"\xff\xda\x00\x08\x01" + bytes([component, 0, 0, 63, 0]) + scan[8:-2]
    return jpeg + b"\xff\xd9"


def large_png(megapixels: float) -> bytes:
    return encode(drawing_of_megapixels(megapixels).convert("RGB"), compress_level=1)


@linux
def test_pictures_that_may_take_much_memory_are_read_exclusively(decoders, monkeypatch):
    in_scans = jpeg_in_scans(drawing_of_megapixels(24).convert("L"))
    pictures = {
        "a drawing": PHOTO,
        "2 megapixels": large_png(1.9),
        "3 megapixels": large_png(3),
        "a JPEG with a scan for each colour": in_scans,
    }
    exclusive = []
    for name, picture in pictures.items():
        lock = Mock(wraps=asyncio.Lock())
        monkeypatch.setattr(decoders, "exclusive", lock)
        assert asyncio.run(read(decoders, picture)).digit == 7
        if lock.acquire.called:
            exclusive.append(name)
    assert exclusive == ["3 megapixels", "a JPEG with a scan for each colour"]


@linux
def test_the_size_of_a_file_counts_as_memory(decoders_within):
    decoders = decoders_within(130_000_000)
    picture = large_png(12)
    assert asyncio.run(read(decoders, picture)).digit == 7
    with pytest.raises(TooComplex, match="130 MB"):
        asyncio.run(read(decoders, picture + bytes(120_000_000 - len(picture))))


@linux
def test_a_hard_limit_on_memory_holds():
    program = """
import resource
from app.serving.decoder import SHARED, limited
resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))
with limited(SHARED, 2**41):
    print(resource.getrlimit(resource.RLIMIT_AS)[0])
"""
    limit = subprocess.check_output([sys.executable, "-c", program])
    assert int(limit) == 2**40


@linux
def test_a_number_is_read_beside_others(decoders, digits, labels):
    samples = Digits(torch.from_numpy(digits), torch.from_numpy(labels))
    picture, written = number("cheque", samples, 1, 1, (4, 6))
    large = Image.open(BytesIO(picture)).resize((1600, 1200))
    # Its memory is measured, not the machine.
    limits = replace(SHARED, processor_seconds=10, seconds=20)
    work = partial(text_within, options=AS_WRITTEN)
    text, _ = asyncio.run(decoders.run(limits, encode(large, "JPEG"), work))
    assert text.digits_only().text == written


@linux
def test_the_system_clears_less_memory_for_a_page_than_the_page_may_take(decoders):
    """Memory of one array is used for the next, rather than returned and cleared."""
    page = written(load_sheet()[0], 20, 8).resize((1600, 1400)).convert("RGB")
    work = partial(text_within, options=AS_WRITTEN)

    async def cleared_bytes() -> int:
        await decoders(encode(page), work)
        before = page_faults()
        await decoders(encode(page), work)
        return (page_faults() - before) * resource.getpagesize()

    assert asyncio.run(cleared_bytes()) < EXCLUSIVE.memory_bytes


def page_faults() -> int:
    """Count those of all child processes that live."""
    stats = (Path(f"/proc/{pid}/stat").read_text() for pid in pids())
    return sum(int(stat.rpartition(")")[2].split()[7]) for stat in stats)


@linux
def test_an_error_keeps_its_message_and_its_process(decoders_within):
    decoders = decoders_within(60_000_000)
    asyncio.run(read(decoders, PHOTO))
    before = pids()
    with pytest.raises(BlankImage, match="no ink"):
        asyncio.run(read(decoders, flat(255)))
    with pytest.raises(NotAnImage, match="not a picture"):
        asyncio.run(read(decoders, b"This is no picture."))
    with pytest.raises(TooComplex, match="60 MB"):
        asyncio.run(read(decoders, large_png(22.5)))
    three_digits = partial(text_within, options=TextOptions(Field(length=3)))
    with pytest.raises(ImpossibleLength, match="a length of 3"):
        asyncio.run(decoders(flat(255), three_digits))
    assert asyncio.run(read(decoders, PHOTO)).digit == 7
    assert pids() == before


@pytest.mark.alone
@linux
def test_a_picture_that_takes_too_much_cpu_time_ends_only_its_process(pool):
    async def both() -> None:
        slow = asyncio.ensure_future(read(pool, SLOW))
        await asyncio.sleep(0.5)
        await asyncio.gather(*(read(pool, PHOTO) for _ in range(10)))
        assert not slow.done()
        with pytest.raises(TooComplex, match="too long to decode"):
            await slow

    asyncio.run(both())
    assert pool.on_kill.call_count == 3  # beside others once, and alone twice
    assert until(lambda: len(pids()) == 2)


@linux
def test_a_good_picture_that_takes_too_long_beside_others_is_read_alone(pool):
    pool.shared = replace(pool.shared, processor_seconds=0.001)
    picture = encode(drawing_of_megapixels(45), "JPEG", quality=95)
    assert asyncio.run(read(pool, picture)).digit == 7
    pool.on_kill.assert_called_once_with()


def test_a_picture_that_takes_too_much_time_ends_its_process_at_once(pool, monkeypatch):
    """Where CPU time has a limit, that of the clock is left to a machine that stops."""
    # Pebble waits so long for a process that does not end by SIGTERM.
    monkeypatch.setattr(CONSTS, "term_timeout", 60)
    asyncio.run(read(pool, PHOTO))
    limits = pool.shared, pool.limits
    pool.shared, pool.limits = (
        replace(each, seconds=0.1, processor_seconds=100) for each in limits
    )
    started = time.perf_counter()
    with pytest.raises(Interrupted if HAS_LIMITS else TooComplex):
        asyncio.run(read(pool, SLOW))
    assert time.perf_counter() - started < 30
    assert pool.on_kill.call_count == 3
    pool.shared, pool.limits = limits
    assert asyncio.run(read(pool, PHOTO)).digit == 7


@pytest.mark.alone
def test_time_in_the_queue_does_not_count_as_work(pool):
    pool.wait_seconds = 30.0
    pool.limits = replace(pool.limits, seconds=0.5)
    large = encode(drawing_of_megapixels(24), compress_level=1)  # takes about 0.1 s

    async def read_eight() -> None:
        await asyncio.gather(*(read(pool, large) for _ in range(8)))

    started = time.perf_counter()
    asyncio.run(read_eight())
    assert time.perf_counter() - started > pool.limits.seconds


def test_a_refused_picture_is_freed_without_a_garbage_collection(decoders):
    picture = b"no picture" * 1000

    async def refused() -> None:
        with pytest.raises(NotAnImage):
            await read(decoders, picture)

    asyncio.run(refused())
    gc.collect()
    gc.disable()
    before = sys.getrefcount(picture)
    asyncio.run(refused())
    after = sys.getrefcount(picture)
    gc.enable()
    assert after == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_queued_pictures_survive_the_death_of_the_last_process(pool):
    """pebble forgets pictures that it has not passed on: those too large for a pipe."""
    large = encode(drawing_of_megapixels(1), compress_level=0)

    async def kill_while_many_wait() -> None:
        await read(pool, PHOTO)
        stopped = pids()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        readings = [asyncio.ensure_future(read(pool, large)) for _ in range(5)]
        await asyncio.sleep(0.3)
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        assert all(each.frame.any() for each in await asyncio.gather(*readings))

    asyncio.run(kill_while_many_wait())


async def read_with_faults(
    pool: Decoders, data: bytes, *faults: signal.Signals
) -> Reading:
    """Read a picture; send its process, and then those that read it again, a signal,
    and SIGCONT 2 s later.
    """
    reading = asyncio.ensure_future(read(pool, data))
    hit = set[int]()
    for fault in faults:
        while not (working := working_in(pool) - hit) and not reading.done():
            await asyncio.wait([reading], timeout=0.005)
        # So that it does not hold pebble's lock any more.
        await asyncio.wait([reading], timeout=0.02)
        for pid in working & working_in(pool):
            os.kill(pid, fault)
            asyncio.get_running_loop().call_later(2, resume, pid)
        hit |= working
    return await reading


def working_in(pool: Decoders) -> set[int]:
    """Return the ids of the processes that read a picture now."""
    tasks = pool.pool._pool_manager.task_manager.tasks
    return {task.worker_id for task in [*tasks.values()]} - {0}


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


# SIGPROF stands for the limit on CPU time, of which a busy machine takes more.
@linux
@pytest.mark.parametrize(
    "fault", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGPROF]
)
def test_a_picture_is_read_again_after_the_machine_stopped_or_killed_its_process(
    fault, pool
):
    pool.limits = replace(pool.limits, seconds=1.5)
    asyncio.run(pool.start())
    large = encode(drawing_of_megapixels(45), compress_level=1)
    for _ in range(5):
        with suppress(TryAgain):  # the process held pebble's lock
            assert asyncio.run(read_with_faults(pool, large, fault)).digit == 7
            if pool.on_kill.called:  # else it had been read already
                return
    pytest.fail("It is never read again.")


@linux
@pytest.mark.parametrize(("kills", "error"), [(1, TooComplex), (2, Interrupted)])
def test_a_picture_is_blamed_only_if_it_fails_twice_exclusively(kills, error, pool):
    asyncio.run(pool.start())
    with pytest.raises(error, match="try again"):
        asyncio.run(read_with_faults(pool, SLOW, *[signal.SIGKILL] * kills))
    assert pool.on_kill.call_count == 3


@linux
@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
def test_a_picture_that_crashes_its_process_each_time_is_blamed(crash, pool):
    asyncio.run(pool.start())
    with pytest.raises(TooComplex, match="crashes its decoder"):
        asyncio.run(read_with_faults(pool, SLOW, *[crash] * 3))
    assert pool.on_kill.call_count == 3


@linux
@pytest.mark.parametrize("kills", [1, 2])
def test_processes_that_are_killed_as_they_start_are_replaced(kills, pool):
    async def start_and_read() -> Reading:
        before = pids()
        starting = asyncio.ensure_future(pool.start())
        while len(started := [*(pids() - before)]) < 2:
            await asyncio.wait([starting], timeout=0.02)
        for pid in started[:kills]:
            os.kill(pid, signal.SIGKILL)
        await starting
        return await read(pool, PHOTO)

    assert asyncio.run(start_and_read()).digit == 7


def test_processes_that_start_later_have_the_same_networks(tmp_path):
    own = [Path(shutil.copy(file, tmp_path)) for file in MODELS]
    networks = Networks.load(*own)
    for file in own:
        # In place, as `cp` on a full disk writes it.
        file.write_bytes(file.read_bytes()[:1000])
    pool = Decoders(networks.files, 1, EXCLUSIVE, 5.0, on_kill=Mock())
    assert asyncio.run(read(pool, PHOTO)).digit == 7
    pool.close()


@pytest.mark.alone
def test_every_picture_is_answered_while_busy_processes_are_killed(pool):
    async def read_many(count: int, kills: int = 0) -> list:
        readings = [asyncio.ensure_future(read(pool, PHOTO)) for _ in range(count)]
        for _ in range(kills):
            await asyncio.sleep(0.05)
            for pid in list(pids())[:1]:  # none if a killed one is not replaced yet
                os.kill(pid, signal.SIGKILL)
        return await asyncio.gather(*readings, return_exceptions=True)

    asyncio.run(read(pool, PHOTO))
    outcomes = asyncio.run(read_many(60, kills=3))
    # A process killed while it receives a picture leaves pebble's lock taken for a
    # while: waiting pictures are Busy.
    assert all(isinstance(outcome, Reading | TryAgain) for outcome in outcomes)
    assert sum(isinstance(outcome, Interrupted) for outcome in outcomes) <= 1
    assert until(lambda: isinstance(asyncio.run(read_many(1))[0], Reading), seconds=20)
