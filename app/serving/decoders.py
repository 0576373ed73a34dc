"""Picture bytes → readings and texts, in processes that can be killed if a file hangs
or crashes its decoder.

A picture that takes too much memory is refused. If one takes too much CPU time, or
crashes its process, the process is replaced; other requests are not affected. If the
machine stopped or killed the process, the picture is read again. pebble manages the
processes.
"""

import asyncio
import logging
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from app.picture.errors import TooComplex
from app.serving.decoder import (
    SHARED,
    Limits,
    NeedsExclusiveDecoder,
    Outcome,
    Read,
    pid_later,
    prepare_process,
    read_within,
)
from app.serving.networks import Files
from app.serving.processes import interrupts_held

# CPU and wall-clock time for a picture decoded alone, after its wait.
PROCESSOR_SECONDS, SECONDS = 2.0, 20.0
LOG = logging.getLogger("digits")
# A pool that breaks loses some queued tasks, so its state has to be polled.
POLL_SECONDS = 0.1
COSTLY = (
    "The picture takes too long to decode, or crashes its decoder: re-save it and "
    "try again."
)
# Of the time limit: a process that has computed for less was stopped by the machine.
BUSY_SHARE = 0.2
# By which a picture ends its process on Linux: the signal of the limit on CPU time, and
# those of crashes.
OF_PICTURES = {
    getattr(signal, name, None)
    for name in ("SIGPROF", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
}


class Busy(Exception):
    """No process is free to read the picture; `seconds` is for how long to wait."""

    seconds = 1

    def __init__(
        self,
        message: str = f"Earlier pictures take too long to read: try again in {seconds} s.",
    ) -> None:
        super().__init__(message)


class Interrupted(Busy):
    """The machine stopped or killed the process that read the picture."""

    def __init__(self) -> None:
        super().__init__(
            "The machine stopped or killed the process that read the picture, "
            "perhaps for lack of memory: try again."
        )


class Decoders:
    """A pool of decoder processes; used within one event loop.

    Parameters
    ----------
    files : Files
        The model files.
    count : int
        Number of processes.
    max_pixels : int
        Maximum number of pixels of a picture; see `open_image`.
    memory_bytes : int
        Maximum memory per picture, in bytes. Linux only.
    wait_seconds : float
        Maximum wait for earlier pictures.
    on_kill : callable
        Called for each process that crashed or was killed while it read a picture.
    """

    def __init__(
        self,
        files: Files,
        count: int,
        max_pixels: int,
        memory_bytes: int,
        wait_seconds: float,
        on_kill: Callable[[], object],
    ) -> None:
        self.files = files
        self.count = count
        self.max_pixels = max_pixels
        self.limits = Limits(
            memory_bytes, PROCESSOR_SECONDS, SECONDS, width=math.inf, is_alone=True
        )
        self.wait_seconds = wait_seconds
        self.on_kill = on_kill
        self.alone = asyncio.Lock()
        self.pool: ProcessPool | None = None
        self.renewing = threading.Lock()
        self.has_failed = False  # to start; it is logged once

    async def __call__(self, data: bytes, read: Read[Outcome]) -> Outcome:
        """Read a picture; alone, if it needs much memory, or once more after it was
        interrupted.

        Raises PreprocessError, including TooComplex if the picture takes too much
        memory or time, Busy, Interrupted, or what else `read` raises.
        """
        limits, is_again = SHARED, False
        while True:
            try:
                async with self.turn() if limits.is_alone else nullcontext():
                    return await self.run(limits, data, read)
            except NeedsExclusiveDecoder:
                pass
            except Interrupted:
                if is_again:
                    raise
                is_again = True
            limits = self.limits

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Hold the lock for pictures that need much memory; raise Busy if it is not
        free in time.
        """
        try:
            await asyncio.wait_for(self.alone.acquire(), self.wait_seconds)
        except TimeoutError as error:
            raise Busy from error
        try:
            yield
        finally:
            self.alone.release()

    async def run(self, limits: Limits, data: bytes, read: Read[Outcome]) -> Outcome:
        """Call `read_within` in the next free process; raise Busy if none is free in
        time, or Interrupted.
        """
        reason = ""
        for _ in range(2):  # if the pool breaks, the picture is sent to a new one
            try:
                outcome = await self.start_and_wait(
                    await self.working_pool(), limits, data, read
                )
                self.has_failed = False
                return outcome
            except ProcessExpired as error:
                self.on_kill()
                raise (
                    TooComplex(COSTLY)
                    if is_of_picture(error.exitcode)
                    else Interrupted()
                ) from error
            except BrokenProcessPool:
                reason = (
                    "Two pools of decoder processes ended before they took a "
                    "picture: can the processes start?"
                )
            except OSError as error:  # such as a full /dev/shm
                reason = f"No decoder process can be started: {error}."
        if not self.has_failed:
            LOG.error(reason)
        self.has_failed = True
        raise Busy

    async def start_and_wait(
        self, pool: ProcessPool, limits: Limits, data: bytes, read: Read[Outcome]
    ) -> Outcome:
        """Await a call.

        Raises Busy if it does not start in time, BrokenProcessPool if its pool breaks
        first, ProcessExpired if its process ends, and TooComplex or Interrupted if it
        takes too long.
        """
        try:
            arguments = limits, data, self.max_pixels, read
            work: ProcessFuture[Outcome] = pool.schedule(read_within, arguments)
        except RuntimeError as error:  # it has just broken
            raise BrokenProcessPool from error
        result, begin_by = (
            asyncio.wrap_future(work),
            time.monotonic() + self.wait_seconds,
        )
        try:
            while (
                not work.running()
                and not work.done()
                and pool.active
                and time.monotonic() < begin_by
            ):
                await asyncio.wait([result], timeout=POLL_SECONDS)
            if not work.running() and work.cancel():  # type: ignore[no-untyped-call]
                raise Busy if pool.active else BrokenProcessPool
            before = processor_seconds(pool, work)
            await asyncio.wait([result], timeout=limits.seconds)
            if result.done():
                return result.result()
            computed = processor_seconds(pool, work) - before
            self.on_kill()
            raise (
                TooComplex(COSTLY)
                if computed >= BUSY_SHARE * limits.seconds
                else Interrupted
            )
        finally:
            work.cancel()  # type: ignore[no-untyped-call] # if it is not done, its process is ended
            # An exception refers to this frame, and would keep the picture until a
            # garbage collection.
            del result, work

    async def working_pool(self) -> ProcessPool:
        """Return the pool; if there is none, or it is broken, start one in a thread."""
        if self.pool and self.pool.active:
            return self.pool
        return await asyncio.to_thread(self.renewed_pool)

    def renewed_pool(self) -> ProcessPool:
        """Start a new pool in place of a broken one; takes half a second."""
        with self.renewing:
            # Unless another picture has renewed it.
            if not (self.pool and self.pool.active):
                self.close()
                self.pool = new_pool(self.count, self.files)
            return self.pool

    async def start(self) -> None:
        """Start the processes, and wait until all have loaded the networks."""
        pool, ready = await self.working_pool(), set[int]()
        while len(ready) < self.count and pool.active:
            calls = [
                asyncio.wrap_future(pool.schedule(pid_later)) for _ in range(self.count)
            ]
            # A process may be killed meanwhile.
            answers = await asyncio.gather(*calls, return_exceptions=True)
            ready |= {pid for pid in answers if isinstance(pid, int)}

    def close(self) -> None:
        """Terminate all processes, even busy ones."""
        if self.pool:
            self.pool.stop()  # type: ignore[no-untyped-call]
            self.pool.join()


def is_of_picture(exit_code: int) -> bool:
    """Return whether its picture ended a process; outside Linux, where CPU time has no
    limit, it is always assumed.
    """
    return sys.platform != "linux" or -exit_code in OF_PICTURES


def processor_seconds(pool: ProcessPool, work: ProcessFuture[Any]) -> float:
    """Return the CPU time of the process that does this work, 0 if none does; outside
    Linux, the elapsed time.
    """
    if sys.platform != "linux":
        return time.monotonic()
    # Pebble has no public way to ask which process it is.
    tasks = [*pool._pool_manager.task_manager.tasks.values()]
    pid = next((task.worker_id for task in tasks if task.future is work), 0)
    try:
        # As clock_getcpuclockid(3) names its clock.
        return time.clock_gettime(~pid << 3 | 2) if pid else 0.0
    except OSError:  # it has ended
        return 0.0


def new_pool(count: int, files: Files) -> ProcessPool:
    """Start a pool whose processes are forked from one that has preloaded all modules,
    and share its memory.
    """
    method = (
        "forkserver"
        if "forkserver" in multiprocessing.get_all_start_methods()
        else "spawn"
    )
    context = multiprocessing.get_context(method)
    # More threads would compete for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Or a folder `app` in the working directory would be imported.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    context.set_forkserver_preload([read_within.__module__])
    pool = ProcessPool(
        count, context=context, initializer=prepare_process, initargs=files
    )
    with interrupts_held():
        assert pool.active  # reading this property starts the pool
    return pool
