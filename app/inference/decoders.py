"""Picture bytes → candidates or layouts, in processes that can be killed, whatever a file does to its decoder.

A picture that takes too much memory, processor time or time is that picture's problem: its process is replaced, and
nobody else notices. pebble keeps the processes; they start with the first picture.
"""

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from app.inference import decoder
from app.inference.decoder import SHARED, Found, Limits, Search, TakesMuchMemory
from app.preprocess.errors import TooComplex

PROCESSOR_SECONDS, SECONDS = 2.0, 5.0  # of work on a picture that is decoded alone; its waiting does not count
WAIT_SECONDS = 3.0  # for the pictures before
POLL_SECONDS = 0.1  # a pool that breaks forgets some of what waits, so whether it is broken is asked again and again


class Busy(Exception):
    """Other pictures take too long to decode."""

    def __init__(self) -> None:
        super().__init__("The pictures before this one take long to decode: send it again in a second.")


class Decoders:
    """A pool of decoder processes; used within one event loop.

    Parameters
    ----------
    count : int
        Number of processes.
    max_pixels : int
        Most pixels of a picture, see `open_image`.
    memory_bytes : int
        Memory that a picture may take, where the system has such a limit (Linux).
    on_kill : callable
        Called for each process that a picture brought to its end.
    """

    def __init__(self, count: int, max_pixels: int, memory_bytes: int, on_kill: Callable[[], object]) -> None:
        self.count = count
        self.max_pixels = max_pixels
        self.limits = Limits(memory_bytes, PROCESSOR_SECONDS, SECONDS)
        self.on_kill = on_kill
        self.alone = asyncio.Lock()
        self.pool: ProcessPool | None = None
        self.renewing = threading.Lock()

    async def __call__(self, data: bytes, search: Search, closely: bool) -> Found:
        """What is found on a picture, at a glance or closely; one that takes much memory is looked at once.

        Raises PreprocessError, TooComplex where the picture takes too much memory or time, or Busy.
        """
        try:
            return await self.run(SHARED, data, search, closely, False)
        except TakesMuchMemory:
            async with self.turn():
                return await self.run(self.limits, data, search, True, True)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Be the only picture that takes much memory; Busy where others are for too long."""
        try:
            await asyncio.wait_for(self.alone.acquire(), WAIT_SECONDS)
        except TimeoutError as error:
            raise Busy from error
        try:
            yield
        finally:
            self.alone.release()

    async def run(self, limits: Limits, data: bytes, search: Search, closely: bool, is_alone: bool) -> Found:
        """Call `find_within` in the next process that is free; Busy where none is for too long."""
        arguments = limits, data, self.max_pixels, search, closely, is_alone
        for _ in range(2):  # a picture whose pool is broken is sent to a fresh one
            try:
                pool = await self.working_pool()
                return await self.begun(pool, pool.schedule(decoder.find_within, arguments, timeout=limits.seconds))
            except BrokenProcessPool:
                continue
            except (TimeoutError, ProcessExpired) as error:
                self.on_kill()
                raise TooComplex(
                    f"The picture takes more than {limits.processor_seconds:g} s to decode: re-save it and try again."
                ) from error
        raise Busy

    async def begun(self, pool: ProcessPool, work: ProcessFuture[Found]) -> Found:
        """The result of work; Busy where it does not begin in time, BrokenProcessPool where its pool breaks before."""
        result, begin_by = asyncio.wrap_future(work), time.monotonic() + WAIT_SECONDS
        while not work.running() and not work.done() and pool.active and time.monotonic() < begin_by:
            await asyncio.wait([result], timeout=POLL_SECONDS)
        if not work.running() and work.cancel():  # type: ignore[no-untyped-call]
            raise Busy if pool.active else BrokenProcessPool
        return await result

    async def working_pool(self) -> ProcessPool:
        """The pool, started with the first picture and anew where it is broken, while the event loop goes on."""
        if self.pool and self.pool.active:
            return self.pool
        return await asyncio.to_thread(self.renewed_pool)

    def renewed_pool(self) -> ProcessPool:
        """A new pool in place of one that is broken; takes half a second."""
        with self.renewing:
            if not (self.pool and self.pool.active):  # another picture was not first
                self.close()
                self.pool = new_pool(self.count)
            return self.pool

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        if self.pool:
            self.pool.stop()  # type: ignore[no-untyped-call]
            self.pool.join()


def new_pool(count: int) -> ProcessPool:
    """A pool whose processes are forked from one that has loaded all they need, and share its memory; started."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would fight over the cores
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # or a folder `app` where the service was started would be imported
    context.set_forkserver_preload([decoder.__name__])
    pool = ProcessPool(count, context=context, initializer=decoder.prepare_process)
    assert pool.active  # which starts it
    return pool
