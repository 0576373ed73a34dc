"""Read the parts of SOURCE that DESTINATION lacks, in processes on this machine."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from functools import cache, partial

from app.many.destination import Destination
from app.many.errors import BulkError
from app.many.source import Part, Source
from app.many.worker import Worker
from app.serving.processes import end_with_parent
from app.settings import Settings

RETRIES = 3  # after a worker was lost

# That of this process. It is created when the first part is read, since only the errors
# of that reach the parent.
WORKER: ContextVar[Callable[[], Worker]] = ContextVar("worker")


def parts_left(parts: list[Part], destination: Destination) -> list[Part]:
    """Return the parts without the pictures that already have a row."""
    done = destination.paths()
    left = (
        {path: state for path, state in part.items() if path not in done}
        for part in parts
    )
    return [part for part in left if part]


def run(
    parts: list[Part],
    source: Source,
    destination: Destination,
    settings: Settings,
    workers: int,
) -> Iterator[int]:
    """Read the parts; yield the number of pictures in each as it completes.

    Raises BulkError.
    """
    left = parts
    spawn = multiprocessing.get_context("spawn")
    given = source, destination, settings
    for _ in range(1 + RETRIES):
        count = min(workers, len(left))
        try:
            pool = ProcessPoolExecutor(count, spawn, prepare, given)
        except OSError as error:
            raise BulkError(
                f"Workers cannot be started ({error.strerror}): free or "
                "enlarge /dev/shm."
            ) from error
        reading = {pool.submit(read, part): part for part in left}
        try:
            for done in as_completed(reading):
                yield done.result()
                del reading[done]
            return
        except BrokenProcessPool:
            left = list(reading.values())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    raise BulkError(
        "Workers were killed again and again, perhaps for lack of memory: use fewer, "
        "with --workers."
    )


def prepare(source: Source, destination: Destination, settings: Settings) -> None:
    """Prepare this process, which ends with its parent, but not on Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    WORKER.set(cache(partial(Worker, source, destination, settings)))


def read(part: Part) -> int:
    """Read a part and write its rows; return the number of pictures."""
    worker = WORKER.get()()
    return asyncio.run(worker.read(part))
