"""Write lines of ink in several processes, and keep them in files, which are named after what made them."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app.preprocess.strips import STRIP_HEIGHT
from training import omniglot
from training.data import Digits
from training.line_ink import DIGITS_PER_SHARD, VERSION, InkLine, ink_lines
from training.processes import in_processes

LINES_PER_SHARD = 8_000


def lines_of(
    digits: Digits, count: int, seed: int, others: Path, folder: Path, processes: int | None = None
) -> list[InkLine]:
    """Write lines with digits, or load them if they were written before.

    Parameters
    ----------
    digits : Digits
        What the lines are written with.
    count : int
        Number of lines.
    seed : int
        Seed of the random generator.
    others : Path
        A zip file with characters that are no digits; it may be missing.
    folder : Path
        Where the lines are kept.
    processes : int, optional
        Number of processes; by default, the number of cores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = -(-count // LINES_PER_SHARD)
    starts = np.linspace(0, max(0, len(digits) - DIGITS_PER_SHARD), shards).astype(int).tolist()
    paths, jobs = [], []
    for shard, start in enumerate(starts):
        some = digits.take(torch.arange(start, min(start + DIGITS_PER_SHARD, len(digits))))
        lines = min(LINES_PER_SHARD, count - shard * LINES_PER_SHARD)
        paths.append(folder / f"{key_of(some, others, lines, seed + shard)}.npz")
        if not paths[-1].exists():
            jobs.append((some, others, lines, seed + shard, paths[-1]))
    in_processes(write_shard, jobs, "writing lines", processes)
    return [line for path in paths for line in load(path)]


def key_of(digits: Digits, others: Path, count: int, seed: int) -> str:
    """Return a name that changes with the version of `training.line_ink`, and with what the lines are made of."""
    digest = hashlib.sha256(digits.images.numpy().tobytes())
    digest.update(str((VERSION, count, seed, others.exists())).encode())
    return digest.hexdigest()[:16]


def write_shard(digits: Digits, others: Path, count: int, seed: int, path: Path) -> None:
    """Write lines into a file, atomically."""
    torch.set_num_threads(1)
    save(ink_lines(digits, omniglot.load(others), count, seed), path)


def save(lines: Sequence[InkLine], path: Path) -> None:
    """Write lines into a file."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(
        unfinished,
        pixels=np.concatenate([line.mask.ravel() for line in lines]),
        widths=[line.mask.shape[1] for line in lines],
        symbols=np.array([symbol for line in lines for symbol in line.symbols], np.uint8),
        lengths=[len(line.symbols) for line in lines],
    )
    unfinished.replace(path)


def load(path: Path) -> list[InkLine]:
    """Load the lines in a file."""
    with np.load(path) as file:
        pixels, symbols = file["pixels"], file["symbols"]
        ends, text_ends = np.cumsum(file["widths"] * STRIP_HEIGHT), np.cumsum(file["lengths"])
    masks = (part.reshape(STRIP_HEIGHT, -1) for part in np.split(pixels, ends[:-1]))
    texts = (tuple(part.tolist()) for part in np.split(symbols, text_ends[:-1]))
    return [InkLine(mask, text) for mask, text in zip(masks, texts, strict=True)]
