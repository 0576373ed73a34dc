"""Keep what takes long to make in files, which are named after what it is made from. Several processes make it."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from training.data import DEFAULT_ROOT, Digits
from training.omniglot import Characters

Arrays = Mapping[str, NDArray[Any]]
Maker = Callable[[Digits, Characters, int, int], Arrays]  # from digits, characters, a count and a seed

VERSION = 3  # of what is made: everything is made again when it changes
FOLDER = DEFAULT_ROOT / "generated"
DIGITS_PER_FILE = 5_000  # at most


def cached(
    make: Maker, digits: Digits, characters: Characters, count: int, per_file: int, seed: int, folder: Path | None
) -> list[dict[str, NDArray[Any]]]:
    """Make arrays from digits and characters, or load those that were made before, in as many processes as threads.

    Parameters
    ----------
    make : callable
        Makes the arrays of a file, from some of the digits, the characters, a count and a seed.
    digits : Digits
        In the order of MNIST's files, and on the CPU. Each file is made from its share of them.
    characters : Characters
        See `training.omniglot`.
    count : int
        How much to make.
    per_file : int
        How much of it is in one file, at most.
    seed : int
        Seed of the first file; the next one has the next seed.
    folder : Path, optional
        Where the files are kept.
    """
    files = -(-count // per_file)
    indices, counts = (torch.arange(total).tensor_split(files) for total in (len(digits), count))
    parts = [digits.take(index[:DIGITS_PER_FILE]) for index in indices]
    jobs = [(part, characters, len(some), seed + k) for k, (part, some) in enumerate(zip(parts, counts, strict=True))]
    paths = [(folder or FOLDER) / name_of(make, *job) for job in jobs]
    missing = [(job, path) for job, path in zip(jobs, paths, strict=True) if not path.exists()]
    with ProcessPoolExecutor(torch.get_num_threads(), get_context("spawn")) as pool:
        futures = [pool.submit(make_file, make, *each) for each in missing]
        for future in tqdm(futures, make.__name__.replace("_", " "), unit="file", disable=None if missing else True):
            future.result()
    return [load(path) for path in paths]


def name_of(make: Maker, digits: Digits, characters: Characters, count: int, seed: int) -> str:
    """Return a file name that changes with what is made, and what it is made from."""
    digest = hashlib.sha256(digits.images.numpy().tobytes())
    digest.update(str((make.__name__, VERSION, len(characters), count, seed)).encode())
    return f"{digest.hexdigest()[:16]}.npz"


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
