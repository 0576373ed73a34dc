"""Work in several processes, with a progress bar."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tqdm import tqdm


def in_processes(
    work: Callable[..., object], jobs: Sequence[tuple[object, ...]], title: str, most: int | None = None
) -> None:
    """Call a function with the arguments of each job, in as many processes as there are cores, or at most so many."""
    if not jobs:
        return
    with ProcessPoolExecutor(min(len(jobs), most or os.cpu_count() or 1), get_context("spawn")) as pool:
        futures = [pool.submit(work, *job) for job in jobs]
        for future in tqdm(futures, title, unit="file", disable=None):
            future.result()
