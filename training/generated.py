"""What is made from digits before training: frames with a digit or none, and lines of
ink.

It is kept in files, which are named after what it is made from. Several processes make
it.
"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from training.data import DEFAULT_ROOT, Digits
from training.digits.non_digits import non_digits
from training.digits.segments import segments
from training.omniglot import Characters
from training.reader.ink_lines import InkLine, ink_lines
from training.run import unfinished

Arrays = Mapping[str, NDArray[Any]]
# From digits, characters, a count and a seed.
Maker = Callable[[Digits, Characters, int, int], Arrays]

VERSION = 7  # of what is made: everything is made again when it changes
FOLDER = DEFAULT_ROOT / "generated"
DIGITS_PER_FILE = 5_000  # at most
FRAMES_PER_FILE = 5_000
LINES_PER_FILE = 8_000
SEGMENTS = 0.5  # digits cut out of numbers, and segments that are none, per digit


@dataclass(frozen=True)
class Job:
    """What is made for one file, and from what."""

    make: Maker
    digits: Digits
    characters: Characters
    count: int
    seed: int

    @property
    def name(self) -> str:
        """The file's name, which changes with what is made, and from what."""
        digest = hashlib.sha256(self.digits.images.numpy().tobytes())
        made = self.make.__name__, VERSION, len(self.characters), self.count, self.seed
        digest.update(str(made).encode())
        return f"{digest.hexdigest()[:16]}.npz"


def cut_out_and_others(
    digits: Digits, seed: int, characters: Characters, folder: Path | None = None
) -> tuple[Digits, Tensor]:
    """Make digits that are cut out of numbers, and about as many non-digits as there
    are digits.

    Parameters
    ----------
    digits : Digits
        What both are made from, in the order of MNIST's files.
    seed : int
        Seed of the random generator.
    characters : Characters
        Real characters that are no digits, for some of the non-digits.
    folder : Path, optional
        Where the files are kept.

    Returns
    -------
    (Digits, Tensor)
        The digits; and the non-digits, (N, 28, 28) uint8. On the device of `digits`.
    """
    device = digits.images.device
    digits = digits.to(torch.device("cpu"))
    job = Job(numbers_and_non_digits, digits, characters, len(digits), seed)
    files = cached(job, FRAMES_PER_FILE, folder)

    def joined(name: str) -> Tensor:
        arrays = [file[name] for file in files]
        return torch.from_numpy(np.concatenate(arrays)).to(device)

    return Digits(joined("images"), joined("labels")), joined("others")


def numbers_and_non_digits(
    digits: Digits, characters: Characters, count: int, seed: int
) -> Arrays:
    """Make the frames of one file.

    Half as many digits are cut out of numbers, and as many frames show no digit.
    """
    cut_out, cut_wrongly = segments(digits, round(SEGMENTS * count), seed)
    others = non_digits(digits, count - len(cut_wrongly), seed, characters)
    return {
        "images": cut_out.images.numpy(),
        "labels": cut_out.labels.numpy(),
        "others": np.concatenate([others, cut_wrongly.images.numpy()]),
    }


def lines_of(
    digits: Digits,
    count: int,
    seed: int,
    characters: Characters,
    folder: Path | None = None,
) -> list[InkLine]:
    """Write so many lines; for the parameters see `cut_out_and_others`."""
    job = Job(lines_of_ink, digits, characters, count, seed)
    files = cached(job, LINES_PER_FILE, folder)
    found = []
    for file in files:
        masks = np.split(file["masks"], file["ends"], axis=1)[:-1]
        texts = np.split(file["symbols"], file["text_ends"])[:-1]
        for mask, text in zip(masks, texts, strict=True):
            found.append(InkLine(mask, tuple(text.tolist())))
    return found


def lines_of_ink(
    digits: Digits, characters: Characters, count: int, seed: int
) -> Arrays:
    """Write the lines of one file: all masks and symbols in a row, and their ends."""
    lines = ink_lines(digits, characters, count, seed)
    texts = [line.symbols for line in lines]
    return {
        "masks": np.concatenate([line.mask for line in lines], axis=1),
        "ends": np.cumsum([line.width for line in lines]),
        "symbols": np.array([*chain(*texts)], np.uint8),
        "text_ends": np.cumsum([*map(len, texts)]),
    }


def cached(job: Job, per_file: int, folder: Path | None) -> list[Arrays]:
    """Make arrays from digits and characters, or load those that were made before.

    There are as many processes as threads.

    Parameters
    ----------
    job : Job
        What to make, from digits on the CPU in the order of MNIST's files. Each file is
        made from its share of them; the first has the job's seed, the second the next.
    per_file : int
        How much of the count is in one file, at most.
    folder : Path, optional
        Where the files are kept.
    """
    files = -(-job.count // per_file)
    parts = torch.arange(len(job.digits)).tensor_split(files)
    counts = map(len, torch.arange(job.count).tensor_split(files))
    paths = []
    missing = []
    for k, (part, count) in enumerate(zip(parts, counts, strict=True)):
        digits = job.digits.take(part[:DIGITS_PER_FILE])
        some = replace(job, digits=digits, count=count, seed=job.seed + k)
        path = (folder or FOLDER) / some.name
        paths.append(path)
        if not path.exists():
            missing.append((path, some))
    name = job.make.__name__.replace("_", " ")
    threads = torch.get_num_threads()
    hidden = None if missing else True
    with ProcessPoolExecutor(threads, get_context("spawn")) as pool:
        made = (pool.map if threads > 1 else map)(make_file, missing)
        for _ in tqdm(made, name, len(missing), unit="file", disable=hidden):
            pass
    return [load(path) for path in paths]


def make_file(missing: tuple[Path, Job]) -> None:
    """Make what is in one file."""
    path, job = missing
    torch.set_num_threads(1)
    arrays = job.make(job.digits, job.characters, job.count, job.seed)
    with unfinished(path) as file, file.open("wb") as opened:
        np.savez_compressed(opened, allow_pickle=False, **arrays)


def load(path: Path) -> Arrays:
    """Load the arrays of a file."""
    with np.load(path) as file:
        return dict(file)
