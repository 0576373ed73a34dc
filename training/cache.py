"""Keep what takes long to make in files, which are named after what it is made from. Several processes make it."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from training.data import Digits
from training.omniglot import Characters

Arrays = Mapping[str, NDArray[Any]]
Maker = Callable[[Digits, Characters, int, int], Arrays]  # from digits, characters, a count and a seed


def cached(
    make: Maker,
    version: int,
    jobs: Sequence[tuple[Digits, Characters, int, int]],
    folder: Path,
    processes: int | None = None,
) -> list[dict[str, NDArray[Any]]]:
    """Call a function with the arguments of each job, or load what it returned before.

    Parameters
    ----------
    make : callable
        Makes arrays from digits, characters, a count and a seed.
    version : int
        Version of the function: everything is made again when it changes.
    jobs : sequence of (Digits, Characters, int, int)
        Its arguments, one file each.
    folder : Path
        Where the files are kept.
    processes : int, optional
        Number of processes; by default, the number of cores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{key_of(version, *job)}.npz" for job in jobs]
    missing = [(job, path) for job, path in zip(jobs, paths, strict=True) if not path.exists()]
    with ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn")) as pool:
        futures = [pool.submit(make_file, make, *each) for each in missing]
        for future in tqdm(futures, make.__name__.replace("_", " "), unit="file", disable=None if missing else True):
            future.result()
    return [load(path) for path in paths]


def key_of(version: int, digits: Digits, characters: Characters, count: int, seed: int) -> str:
    """Return a name that changes with what is made, and what it is made from."""
    digest = hashlib.sha256(digits.images.numpy().tobytes())
    digest.update(str((version, len(characters), count, seed)).encode())
    return digest.hexdigest()[:16]


def make_file(make: Maker, job: tuple[Digits, Characters, int, int], path: Path) -> None:
    """Make what is in one file."""
    torch.set_num_threads(1)
    with unfinished(path) as file, file.open("wb") as opened:
        np.savez_compressed(opened, allow_pickle=False, **make(*job))


def load(path: Path) -> dict[str, NDArray[Any]]:
    """Load the arrays of a file."""
    with np.load(path) as file:
        return dict(file)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield the path of a file beside another one, which it replaces at the end, or is deleted after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield file
        file.replace(path)
    finally:
        file.unlink(missing_ok=True)
