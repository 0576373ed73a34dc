"""Picture bytes → readings and texts, in processes that can be killed if a file hangs
or crashes its decoder.

A picture that takes too much memory is refused. If one takes too much CPU time, or
crashes its process, the process is replaced; other requests are not affected. Since CPU
time is longer on a busy machine, a picture is blamed only after it has been read
exclusively, twice. If the machine stopped or killed the process, the picture is read
again. pebble manages the processes.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing import Pipe

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from app.picture.errors import TooComplex
from app.picture.file_formats import has_pages
from app.serving.decoder import (
    HAS_LIMITS,
    SHARED,
    Limits,
    NeedsExclusiveDecoder,
    Outcome,
    Work,
    prepare_process,
    run_within,
)
from app.serving.networks import Files
from app.serving.processes import decoder_context, interrupts_held

LOG = logging.getLogger("digits")
START_SECONDS = 60  # that processes may take to start
TRIES = 2  # times that a picture is read exclusively before it is refused
# A pool that breaks loses some queued tasks, so its state has to be polled.
POLL_SECONDS = 0.1
COSTLY = (
    "The picture takes too long to decode, or crashes its decoder: re-save it and "
    "try again."
)
# By which a picture ends its process on Linux: the signal of the limit on CPU time, and
# those of crashes.
SIGNALS = ("SIGPROF", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
OF_PICTURES = {getattr(signal, name, None) for name in SIGNALS}


class TryAgain(Exception):
    """The picture was not read, and may be sent again after `seconds`."""

    seconds = 1


class Busy(TryAgain):
    """No process is free to read the picture."""

    def __init__(
        self, message: str = "Earlier pictures take too long to read: try again in 1 s."
    ) -> None:
        super().__init__(message)


class Interrupted(TryAgain):
    """The machine stopped or killed the process that read the picture."""

    def __init__(self) -> None:
        super().__init__(
            "The machine stopped or killed the process that read the picture, "
            "perhaps for lack of memory: try again."
        )


class TooCostly(Exception):
    """The picture took too much CPU time this time, or crashed its process."""


@asynccontextmanager
async def locked(lock: asyncio.Lock, seconds: float) -> AsyncGenerator[None]:
    """Hold a lock; raise Busy if others hold it for longer than this."""
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
    except TimeoutError as error:
        raise Busy from error
    try:
        yield
    finally:
        lock.release()


def new_pool(count: int, files: Files, seconds: float = START_SECONDS) -> ProcessPool:
    """Start a pool, and wait until its first process runs, or it breaks."""
    started, ready = Pipe(duplex=False)
    pool = ProcessPool(
        count,
        context=decoder_context(),
        initializer=prepare_process,
        initargs=(files, ready),
    )
    with interrupts_held():
        is_active = pool.active  # reading this property starts the pool
    deadline = time.monotonic() + seconds
    while is_active and time.monotonic() < deadline and not started.poll(POLL_SECONDS):
        is_active = pool.active
    started.close()
    return pool


class Decoders:
    """A pool of decoder processes; used within one event loop.

    Parameters
    ----------
    files : Files
        The model files.
    count : int
        Number of processes.
    limits : Limits
        Limits for a picture that is read exclusively.
    wait_seconds : float
        Maximum wait for earlier pictures.
    on_kill : callable
        Called for each process that crashed or was killed while it read a picture.
    shared : Limits
        Limits for a picture that is read beside others.
    start_pool : callable
        Starts the processes, as `new_pool` does.
    """

    def __init__(
        self,
        files: Files,
        count: int,
        limits: Limits,
        wait_seconds: float,
        on_kill: Callable[[], object],
        shared: Limits = SHARED,
        start_pool: Callable[[int, Files], ProcessPool] = new_pool,
    ) -> None:
        self.files = files
        self.count = count
        self.limits = limits
        self.shared = replace(shared, max_pixels=limits.max_pixels)
        self.wait_seconds = wait_seconds
        self.on_kill = on_kill
        self.start_pool = start_pool
        self.exclusive = asyncio.Lock()
        self.pool: ProcessPool | None = None
        self.renewing = threading.Lock()
        self.has_failed = False  # to start; it is logged once

    async def __call__(self, data: bytes, work: Work[Outcome]) -> Outcome:
        """Work on a picture beside others; exclusively, and up to twice, if that is too
        much.

        Raises PictureError, including TooComplex if the picture takes too much
        memory or time, Busy, Interrupted, or what else `work` raises.
        """
        if not has_pages(data):
            with suppress(NeedsExclusiveDecoder, Interrupted, TooCostly):
                return await self.run(self.shared, data, work)
        costly = 0
        async with locked(self.exclusive, self.wait_seconds):
            for _ in range(TRIES):
                try:
                    return await self.run(self.limits, data, work)
                except Interrupted:
                    pass
                except TooCostly:
                    costly += 1
        if costly == TRIES:
            raise TooComplex(COSTLY)
        raise Interrupted

    async def run(self, limits: Limits, data: bytes, work: Work[Outcome]) -> Outcome:
        """Call `run_within` in the next free process.

        Raises Busy if none is free in time, Interrupted, or TooCostly.
        """
        reason = ""
        for _ in range(2):  # if the pool breaks, the picture is sent to a new one
            try:
                pool = await self.start()
                outcome = await self.start_and_wait(pool, limits, data, work)
                self.has_failed = False
                return outcome
            except ProcessExpired as error:
                self.on_kill()
                if is_of_picture(error.exitcode):
                    raise TooCostly from error
                raise Interrupted from error
            except BrokenProcessPool:
                reason = (
                    "Two pools of decoder processes ended before they took a picture: "
                    "can the processes start?"
                )
            except OSError as error:  # such as a full /dev/shm
                reason = f"No decoder process can be started: {error}."
        if not self.has_failed:
            LOG.error(reason)
        self.has_failed = True
        raise Busy

    async def start_and_wait(
        self, pool: ProcessPool, limits: Limits, data: bytes, work: Work[Outcome]
    ) -> Outcome:
        """Await a call.

        Raises Busy if it does not start in time, BrokenProcessPool if its pool breaks
        first, ProcessExpired if its process ends, and TooCostly or Interrupted if it
        takes too long.
        """
        try:
            call: ProcessFuture[Outcome] = pool.schedule(
                run_within, (limits, data, work)
            )
        except RuntimeError as error:  # it has just broken
            raise BrokenProcessPool from error
        result = asyncio.wrap_future(call)
        begin_by = time.monotonic() + self.wait_seconds
        try:
            while (
                not call.running()
                and not call.done()
                and pool.active
                and time.monotonic() < begin_by
            ):
                await asyncio.wait([result], timeout=POLL_SECONDS)
            if not call.running() and call.cancel():  # type: ignore[no-untyped-call]
                raise Busy if pool.active else BrokenProcessPool
            await asyncio.wait([result], timeout=limits.seconds)
            if result.done():
                return result.result()
            self.on_kill()
            if HAS_LIMITS:  # or it would have reached that of its CPU time
                raise Interrupted
            raise TooCostly
        finally:
            call.cancel()  # type: ignore[no-untyped-call] # or ends its process
            # An exception refers to this frame, and would keep the picture until a
            # garbage collection.
            del result, call

    async def start(self) -> ProcessPool:
        """Start the processes, in a thread, if there are none; return the pool."""
        if self.pool and self.pool.active:
            return self.pool
        return await asyncio.to_thread(self.renewed_pool)

    def renewed_pool(self) -> ProcessPool:
        """Start a new pool in place of a broken one; takes a second."""
        with self.renewing:
            # Unless another picture has renewed it.
            if not (self.pool and self.pool.active):
                self.close()
                self.pool = self.start_pool(self.count, self.files)
            return self.pool

    def close(self) -> None:
        """Terminate all processes, even busy ones."""
        if self.pool:
            self.pool.stop()  # type: ignore[no-untyped-call]
            self.pool.join()


def is_of_picture(exit_code: int) -> bool:
    """Return whether its picture ended a process: always if CPU time has no limit."""
    return not HAS_LIMITS or -exit_code in OF_PICTURES
