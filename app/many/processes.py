"""Read the parts of a job in processes on this machine."""

import asyncio
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from app.many.errors import CannotGoOn
from app.many.sources import Part
from app.many.worker import Job, Worker
from app.serving.processes import end_with_parent

RETRIES = 3  # after a worker was lost

worker: Worker | None = None  # of this process, once it has read a part


def run(job: Job, parts: list[Part], workers: int) -> Iterator[int]:
    """Read the parts; yield the number of pictures in each as it completes.

    Raises CannotGoOn.
    """
    left = parts
    spawn = multiprocessing.get_context("spawn")
    for _ in range(1 + RETRIES):
        count = min(workers, len(left))
        try:
            pool = ProcessPoolExecutor(count, spawn, prepare)
        except OSError as error:
            raise CannotGoOn(
                f"Workers cannot be started ({error.strerror}): free or "
                "enlarge /dev/shm."
            ) from error
        reading = {pool.submit(read, job, part): part for part in left}
        try:
            for done in as_completed(reading):
                yield done.result()
                del reading[done]
            return
        except BrokenProcessPool:
            left = list(reading.values())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    raise CannotGoOn(
        "Workers were killed again and again, perhaps for lack of memory: use fewer, "
        "with --workers."
    )


def prepare() -> None:
    """Prepare this process, which ends with its parent, but not on Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def read(job: Job, part: Part) -> int:
    """Read a part and write its rows; return the number of pictures."""
    global worker
    worker = worker or Worker(job)
    return asyncio.run(worker.read(part))
