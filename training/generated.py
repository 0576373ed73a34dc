"""What is made from digits before training: frames with a digit or none, and lines of
ink.

It is kept in files, which are named after what it is made from. Several processes make
it.
"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from training.data import DEFAULT_ROOT, Digits
from training.line_ink import InkLine, ink_lines
from training.non_digits import non_digits
from training.omniglot import Characters
from training.run import unfinished
from training.segments import segments

Arrays = Mapping[str, NDArray[Any]]
# From digits, characters, a count and a seed.
Maker = Callable[[Digits, Characters, int, int], Arrays]

VERSION = 6  # of what is made: everything is made again when it changes
FOLDER = DEFAULT_ROOT / "generated"
DIGITS_PER_FILE = 5_000  # at most
SEGMENTS = 0.5  # digits cut out of numbers, and segments that are none, per digit
FRAMES_PER_FILE, LINES_PER_FILE = 5_000, 8_000


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
    device, digits = digits.images.device, digits.to(torch.device("cpu"))
    files = cached(
        numbers_and_non_digits,
        digits,
        characters,
        len(digits),
        FRAMES_PER_FILE,
        seed,
        folder,
    )
    images, labels, others = (
        torch.from_numpy(np.concatenate([file[name] for file in files])).to(device)
        for name in ("images", "labels", "others")
    )
    return Digits(images, labels), others


def numbers_and_non_digits(
    digits: Digits, characters: Characters, count: int, seed: int
) -> Arrays:
    """Make the frames of one file: half as many digits that are cut out of numbers, and
    as many non-digits.
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
    found = []
    for file in cached(
        lines_of_ink, digits, characters, count, LINES_PER_FILE, seed, folder
    ):
        masks, texts = (
            np.split(file["masks"], file["ends"], axis=1),
            np.split(file["symbols"], file["text_ends"]),
        )
        found += [
            InkLine(mask, tuple(text.tolist()))
            for mask, text in zip(masks[:-1], texts[:-1], strict=True)
        ]
    return found


def lines_of_ink(
    digits: Digits, characters: Characters, count: int, seed: int
) -> Arrays:
    """Write the lines of one file: their masks and their symbols, each in one array,
    and where each one ends.
    """
    lines = ink_lines(digits, characters, count, seed)
    return {
        "masks": np.concatenate([line.mask for line in lines], axis=1),
        "ends": np.cumsum([line.mask.shape[1] for line in lines]),
        "symbols": np.array(
            [symbol for line in lines for symbol in line.symbols], np.uint8
        ),
        "text_ends": np.cumsum([len(line.symbols) for line in lines]),
    }


def cached(
    make: Maker,
    digits: Digits,
    characters: Characters,
    count: int,
    per_file: int,
    seed: int,
    folder: Path | None,
) -> list[dict[str, NDArray[Any]]]:
    """Make arrays from digits and characters, or load those that were made before, in
    as many processes as threads.

    Parameters
    ----------
    make : callable
        Makes the arrays of a file, from some of the digits, the characters, a count and
        a seed.
    digits : Digits
        In the order of MNIST's files, and on the CPU. Each file is made from its share
        of them.
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
    indices, counts = (
        torch.arange(total).tensor_split(files) for total in (len(digits), count)
    )
    parts = [digits.take(index[:DIGITS_PER_FILE]) for index in indices]
    jobs = [
        (part, characters, len(some), seed + k)
        for k, (part, some) in enumerate(zip(parts, counts, strict=True))
    ]
    paths = [(folder or FOLDER) / name_of(make, *job) for job in jobs]
    missing = [
        (job, path) for job, path in zip(jobs, paths, strict=True) if not path.exists()
    ]
    with ProcessPoolExecutor(torch.get_num_threads(), get_context("spawn")) as pool:
        futures = [pool.submit(make_file, make, *each) for each in missing]
        for future in tqdm(
            futures,
            make.__name__.replace("_", " "),
            unit="file",
            disable=None if missing else True,
        ):
            future.result()
    return [load(path) for path in paths]


def name_of(
    make: Maker, digits: Digits, characters: Characters, count: int, seed: int
) -> str:
    """Return a file name that changes with what is made, and what it is made from."""
    digest = hashlib.sha256(digits.images.numpy().tobytes())
    digest.update(str((make.__name__, VERSION, len(characters), count, seed)).encode())
    return f"{digest.hexdigest()[:16]}.npz"


def make_file(
    make: Maker, job: tuple[Digits, Characters, int, int], path: Path
) -> None:
    """Make what is in one file."""
    torch.set_num_threads(1)
    with unfinished(path) as file, file.open("wb") as opened:
        np.savez_compressed(opened, allow_pickle=False, **make(*job))


def load(path: Path) -> dict[str, NDArray[Any]]:
    """Load the arrays of a file."""
    with np.load(path) as file:
        return dict(file)
