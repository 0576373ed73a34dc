"""Decoder processes: the limits that end one, and its replacement."""

import asyncio
import errno
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pebble import ProcessPool
from PIL import Image

from app.inference import decoders
from app.inference.decoder import SHARED, Limits, digit_in, text_in
from app.inference.decoders import Busy, Decoders, new_pool
from app.inference.reading import Reading, read_digit
from app.inference.text import ImpossibleLength
from app.preprocess.errors import BlankImage, NotAnImage, PreprocessError, TooComplex
from support import MAX_PIXELS, MODELS, drawing, encode, flat, load_sheet, many_scans, until
from training.scenes import number

pytestmark = pytest.mark.slow

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the limits that Linux has")
SLOW = many_scans(70_000)  # never ends, and runs in C code


@pytest.fixture
def killed() -> list[str]:
    return []


@pytest.fixture
def pool(killed) -> Iterator[Decoders]:
    pool = Decoders(MODELS, 2, MAX_PIXELS, 220_000_000, 5.0, on_kill=lambda: killed.append("killed"))
    yield pool
    pool.close()


@pytest.fixture
def photo(seven) -> bytes:
    return encode(drawing(seven))


def read(pool: Decoders, data: bytes) -> Coroutine[None, None, Reading]:
    return pool(data, digit_in)


def pids() -> set[int]:
    return {child.pid for child in multiprocessing.active_children()}


def test_processes_start_on_the_first_picture(pool, photo):
    assert not pids()
    assert asyncio.run(read(pool, photo)).frame.shape == (28, 28)
    assert len(pids()) == 2


def test_others_are_served_while_the_processes_start(pool, photo, monkeypatch):
    def start_slowly(*arguments):
        time.sleep(0.5)
        return new_pool(*arguments)

    async def longest_pause() -> float:
        reading, pauses = asyncio.ensure_future(read(pool, photo)), []
        while not reading.done():
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            pauses.append(time.perf_counter() - started)
        return max(pauses)

    monkeypatch.setattr(decoders, "new_pool", start_slowly)
    assert asyncio.run(longest_pause()) < 0.4


def test_while_no_process_can_start_pictures_are_refused_and_it_is_logged_once(pool, photo, monkeypatch, caplog):
    def fail(*_) -> ProcessPool:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def read_several() -> None:
        with monkeypatch.context() as faults:
            faults.setattr(decoders, "new_pool", fail)
            for _ in range(3):
                with pytest.raises(Busy):
                    await read(pool, photo)
        assert (await read(pool, photo)).digit == 7

    asyncio.run(read_several())
    assert [record.message.endswith("No space left on device.") for record in caplog.records] == [True]


@pytest.mark.alone
def test_started_processes_are_warm(pool, photo):
    """Each has loaded both networks, and used them."""

    async def start_and_read() -> tuple[set[int], list[float]]:
        await pool.start()
        started, seconds = pids(), []
        for _ in range(20):
            begin = time.perf_counter()
            await read(pool, photo)
            seconds.append(time.perf_counter() - begin)
        return started, seconds

    started, seconds = asyncio.run(start_and_read())
    assert len(started) == 2
    assert pids() == started
    assert max(seconds[:2]) < 3 * np.median(seconds)


def test_a_picture_is_read_as_in_this_process(pool, photo, classifier):
    here, there = read_digit(photo, classifier, MAX_PIXELS), asyncio.run(read(pool, photo))
    np.testing.assert_array_equal(there.frame, here.frame)
    np.testing.assert_array_equal(there.probabilities, here.probabilities)
    assert (there.box, there.legibility, there.has_several) == (here.box, here.legibility, here.has_several)


@pytest.fixture
def runs(monkeypatch) -> list[bool]:
    """Whether each run in a process was of a picture that is read alone."""
    alone, run = [], Decoders.run

    async def spied(pool: Decoders, limits: Limits, *arguments) -> Reading:
        alone.append(limits.is_alone)
        return await run(pool, limits, *arguments)

    monkeypatch.setattr(Decoders, "run", spied)
    return alone


def test_a_picture_that_may_take_much_memory_is_read_alone(pool, runs):
    asyncio.run(read(pool, encode(drawing_of_megapixels(3), compress_level=1)))
    assert runs == [False, True]


@linux
def test_a_picture_too_large_to_read_beside_others_is_read_alone(pool, runs, killed, monkeypatch):
    monkeypatch.setattr(decoders, "SHARED", SHARED._replace(memory_bytes=5_000_000))
    assert asyncio.run(read(pool, encode(drawing_of_megapixels(1.9).convert("RGB")))).digit == 7
    assert runs == [False, True]
    assert not killed


@linux
def test_the_memory_of_the_file_counts(pool, runs):
    picture = encode(drawing_of_megapixels(1.9).convert("RGB"), compress_level=1)
    asyncio.run(read(pool, picture))
    asyncio.run(read(pool, picture + bytes(49_500_000)))
    assert runs == [False, False, True]


@linux
def test_a_large_jpeg_with_a_scan_for_each_colour_is_read(pool, runs, killed):
    """Pillow calls it damaged if it lacks memory."""
    assert asyncio.run(read(pool, jpeg_in_scans(drawing_of_megapixels(12).convert("L")))).digit == 7
    assert runs == [False, True]
    assert not killed


def jpeg_in_scans(grey: Image.Image) -> bytes:
    """Encode a grey image as a baseline JPEG in colour, with a scan for each component."""
    planes = [encode(grey, "JPEG"), *[encode(Image.new("L", grey.size, 128), "JPEG")] * 2]
    head, _, _ = planes[0].partition(b"\xff\xda")
    frame = head.index(b"\xff\xc0")  # its header: length, precision, height, width, components
    size = head[frame + 4 : frame + 9]
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    head = head[:frame] + b"\xff\xc0\x00\x11" + size + b"\x03" + components + head[frame + 13 :]
    scans = [plane.partition(b"\xff\xda")[2][8:-2] for plane in planes]
    headers = [b"\xff\xda\x00\x08\x01" + bytes([number, 0, 0, 63, 0]) for number in (1, 2, 3)]
    return head + b"".join(header + scan for header, scan in zip(headers, scans, strict=True)) + b"\xff\xd9"


@linux
def test_a_hard_limit_on_memory_holds():
    program = """
from resource import RLIMIT_AS, getrlimit, setrlimit
from app.inference.decoder import SHARED, limited
setrlimit(RLIMIT_AS, (2**40, 2**40))
with limited(SHARED._replace(memory_bytes=2**41)):
    print(getrlimit(RLIMIT_AS)[0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 2**40


@linux
def test_a_number_is_read_beside_others(pool, digits, labels):
    cheque = number("cheque", digits, labels, 1, 1, (4, 6))
    large = Image.open(BytesIO(cheque.picture)).resize((1600, 1200))
    limits = SHARED._replace(processor_seconds=10, seconds=20)  # its memory is measured, not the machine
    text = asyncio.run(pool.run(limits, encode(large, "JPEG"), text_in))
    assert text.digits_only().text == cheque.text


def test_a_blank_picture_is_reported(pool, killed):
    with pytest.raises(BlankImage, match="no ink"):
        asyncio.run(read(pool, flat(255)))
    assert not killed


def test_an_impossible_length_is_reported(pool):
    with pytest.raises(ImpossibleLength, match="a length of 3"):
        asyncio.run(pool(flat(255), partial(text_in, length=3)))


def test_an_error_of_a_picture_keeps_its_message(pool, killed):
    with pytest.raises(NotAnImage, match="not a picture"):
        asyncio.run(read(pool, b"This is no picture."))
    assert not killed


@pytest.mark.alone
@linux
def test_a_picture_that_takes_too_much_cpu_time_ends_only_its_process(pool, photo, killed):
    async def both() -> list:
        slow = asyncio.ensure_future(read(pool, SLOW))
        await asyncio.sleep(0.5)
        others = await asyncio.gather(*(read(pool, photo) for _ in range(10)))
        assert not slow.done()
        return [*others, *await asyncio.gather(slow, return_exceptions=True)]

    *framed, error = asyncio.run(both())
    assert len(framed) == 10
    assert isinstance(error, TooComplex)
    assert "too long to decode" in str(error)
    assert killed == ["killed"]
    assert until(lambda: len(pids()) == 2)


def test_a_picture_that_takes_too_much_time_ends_its_process_at_once(pool, photo, killed, monkeypatch):
    monkeypatch.setattr(decoders, "SHARED", SHARED._replace(seconds=0.3))
    started = time.perf_counter()
    with pytest.raises(TooComplex):
        asyncio.run(read(pool, SLOW))
    assert time.perf_counter() - started < 2  # pebble waits 3 s for a process that does not end by SIGTERM
    assert killed == ["killed"]
    assert asyncio.run(read(pool, photo)).frame.any()


@linux
def test_a_picture_that_takes_too_much_memory_does_not_end_its_process(photo, killed):
    pool = Decoders(MODELS, 1, MAX_PIXELS, 60_000_000, 5.0, on_kill=lambda: killed.append("killed"))
    try:
        asyncio.run(read(pool, photo))
        before = pids()
        with pytest.raises(TooComplex, match="60 MB"):
            asyncio.run(read(pool, encode(Image.new("RGB", (5000, 4500)), compress_level=1)))
        assert asyncio.run(read(pool, photo)).frame.any()
        assert pids() == before
    finally:
        pool.close()
    assert not killed


@pytest.mark.alone
def test_time_in_the_queue_does_not_count_as_work(pool, monkeypatch):
    monkeypatch.setattr(pool, "wait_seconds", 30.0)
    pool.limits = pool.limits._replace(seconds=0.5)
    large = encode(drawing_of_megapixels(24), compress_level=1)  # takes about 0.1 s

    async def many() -> list:
        return await asyncio.gather(*(read(pool, large) for _ in range(12)))

    started = time.perf_counter()
    assert len(asyncio.run(many())) == 12
    assert time.perf_counter() - started > pool.limits.seconds


def drawing_of_megapixels(megapixels: int):
    image = drawing(load_sheet()[0][350])
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    return image.resize((int(image.width * scale), int(image.height * scale)))


@pytest.mark.alone
def test_a_picture_behind_slow_ones_does_not_wait_long(pool, photo, monkeypatch):
    monkeypatch.setattr(decoders, "SHARED", SHARED._replace(processor_seconds=3.0, seconds=3.0))

    async def crowd() -> list:
        slow = [asyncio.ensure_future(read(pool, SLOW)) for _ in range(2)]
        await asyncio.sleep(1)
        monkeypatch.setattr(pool, "wait_seconds", 0.3)
        started = time.perf_counter()
        with pytest.raises(Busy):
            await read(pool, photo)
        waited = time.perf_counter() - started
        await asyncio.gather(*slow, return_exceptions=True)
        return waited

    assert asyncio.run(crowd()) < 1


def test_a_killed_process_is_replaced(pool, photo):
    asyncio.run(read(pool, photo))
    for _ in range(3):
        for pid in pids():
            os.kill(pid, signal.SIGKILL)
        assert asyncio.run(read(pool, photo)).frame.any()


def test_a_refused_picture_is_freed_without_a_garbage_collection(pool):
    picture = b"no picture" * 1000

    async def refused() -> None:
        with pytest.raises(NotAnImage):
            await read(pool, picture)

    asyncio.run(refused())
    gc.collect()
    gc.disable()
    before = sys.getrefcount(picture)
    asyncio.run(refused())
    after = sys.getrefcount(picture)
    gc.enable()
    assert after == before


def test_processes_that_cannot_start_are_logged(pool, photo, monkeypatch, caplog):
    def ends_at_once(count: int, _: tuple[Path, Path]) -> ProcessPool:
        ended = ProcessPool(count, initializer=os._exit, initargs=[1])
        assert ended.active
        return ended

    monkeypatch.setattr(decoders, "new_pool", ends_at_once)
    with pytest.raises(Busy):
        asyncio.run(read(pool, photo))
    assert [record.message for record in caplog.records] == [
        "Two pools of decoder processes ended before they took a picture: can the processes start?"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_queued_pictures_survive_the_death_of_the_last_process(pool, photo):
    """pebble forgets pictures not yet passed to a process: those that do not fit into a pipe."""
    large = encode(drawing_of_megapixels(1), compress_level=0)

    async def kill_while_many_wait() -> list[Reading]:
        readings = [asyncio.ensure_future(read(pool, large)) for _ in range(5)]
        await asyncio.sleep(0.3)
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        return await asyncio.gather(*readings)

    asyncio.run(read(pool, photo))
    stopped = pids()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    found = asyncio.run(kill_while_many_wait())
    assert all(each.frame.any() for each in found)


@pytest.mark.alone
def test_every_picture_is_answered_while_busy_processes_are_killed(pool, photo):
    async def read_many() -> list:
        readings = [asyncio.ensure_future(read(pool, photo)) for _ in range(60)]
        for _ in range(3):
            await asyncio.sleep(0.05)
            for pid in list(pids())[:1]:  # none if a killed one is not replaced yet
                os.kill(pid, signal.SIGKILL)
        return await asyncio.gather(*readings, return_exceptions=True)

    asyncio.run(read(pool, photo))
    outcomes = asyncio.run(read_many())
    # a process killed while it receives a picture leaves pebble's lock taken: waiting pictures are Busy, a 503
    assert all(isinstance(outcome, Reading | TooComplex | Busy) for outcome in outcomes)
    assert sum(isinstance(outcome, TooComplex) for outcome in outcomes) <= 3
    assert asyncio.run(read(pool, photo)).frame.any()


@linux
def test_processes_write_nothing_to_standard_error(capfd, photo):
    """libtiff would write its warnings there."""
    pool = Decoders(MODELS, 1, MAX_PIXELS, 220_000_000, 5.0, on_kill=pytest.fail)
    damaged = bytearray(encode(drawing_of_megapixels(1), "TIFF", compression="tiff_lzw"))
    damaged[1000:1100] = bytes(100)
    try:
        with pytest.raises(PreprocessError):
            asyncio.run(read(pool, bytes(damaged)))
    finally:
        pool.close()
    assert capfd.readouterr().err == ""
