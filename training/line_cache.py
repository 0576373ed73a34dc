"""Write lines of ink into files, and load them."""

from pathlib import Path

import numpy as np
import torch

from training.cache import Arrays, cached
from training.data import Digits
from training.line_ink import InkLine, ink_lines
from training.omniglot import Characters

VERSION = 9  # of what `training.line_ink` writes
LINES_PER_FILE, DIGITS_PER_FILE = 8_000, 4_600


def lines_of(
    digits: Digits, count: int, seed: int, characters: Characters, folder: Path, processes: int | None = None
) -> list[InkLine]:
    """Write lines with digits and other characters, or load them if they were written before; see `cached`."""
    counts = [min(LINES_PER_FILE, count - begin) for begin in range(0, count, LINES_PER_FILE)]
    starts = np.linspace(0, max(0, len(digits) - DIGITS_PER_FILE), len(counts)).astype(int).tolist()
    parts = [digits.take(torch.arange(start, min(start + DIGITS_PER_FILE, len(digits)))) for start in starts]
    jobs = [(part, characters, lines, seed + k) for k, (part, lines) in enumerate(zip(parts, counts, strict=True))]
    return [line for file in cached(writing_lines, VERSION, jobs, folder, processes) for line in unpacked(file)]


def writing_lines(digits: Digits, characters: Characters, count: int, seed: int) -> Arrays:
    """Write the lines of one file, as arrays for `unpacked`."""
    lines = ink_lines(digits, characters, count, seed)
    return {
        "masks": np.concatenate([line.mask for line in lines], axis=1),
        "ends": np.cumsum([line.mask.shape[1] for line in lines]),
        "symbols": np.array([symbol for line in lines for symbol in line.symbols], np.uint8),
        "text_ends": np.cumsum([len(line.symbols) for line in lines]),
    }


def unpacked(file: Arrays) -> list[InkLine]:
    """Split the arrays of `writing_lines` into lines."""
    masks = np.split(file["masks"], file["ends"][:-1], axis=1)
    texts = np.split(file["symbols"], file["text_ends"][:-1])
    return [InkLine(mask, tuple(text.tolist())) for mask, text in zip(masks, texts, strict=True)]
