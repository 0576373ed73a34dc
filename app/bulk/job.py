"""Read the parts of SOURCE that DESTINATION lacks, with worker processes on this
machine.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial

from app.bulk.destination import Destination
from app.bulk.errors import BulkError
from app.bulk.source import Part, Source
from app.bulk.worker import Worker
from app.serving.processes import end_with_parent
from app.settings import Settings

RETRIES = 3  # after a worker was lost

# Of this process, created when its first part is read: that error reaches the parent.
worker: Callable[[], Worker]
loop: asyncio.Runner  # for all its parts


def parts_left(parts: list[Part], destination: Destination) -> list[Part]:
    """Return the parts without the pictures that already have a row."""
    done = destination.paths()
    left = ([path for path in part if path not in done] for part in parts)
    return [part for part in left if part]


def run(
    parts: list[Part],
    source: Source,
    destination: Destination,
    settings: Settings,
    workers: int,
) -> Iterator[int]:
    """Read the parts, and yield the number of pictures in each as it completes; raises
    BulkError.
    """
    left, spawn = parts, multiprocessing.get_context("spawn")
    for _ in range(1 + RETRIES):
        try:
            pool = ProcessPoolExecutor(
                min(workers, len(left)), spawn, prepare, (source, destination, settings)
            )
        except OSError as error:
            raise BulkError(
                f"Workers cannot be started ({error.strerror}): free or enlarge "
                "/dev/shm."
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
    """Prepare this process, which ends with its parent, but not by Ctrl-C: the parent
    answers that.
    """
    global worker, loop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    loop = asyncio.Runner()
    worker = cache(partial(Worker, source, destination, settings))


def read(part: Part) -> int:
    """Read a part and write its rows; return the number of pictures."""
    return loop.run(worker().read(part))
