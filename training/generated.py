"""What is made from digits before training, and kept: frames with a digit or none, and lines of ink."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.cache import Arrays, cached
from training.data import Digits
from training.line_ink import InkLine, ink_lines
from training.non_digits import non_digits
from training.omniglot import Characters
from training.segments import segments

SEGMENTS = 0.5  # digits cut out of numbers, and segments that are none, per digit
FRAMES_PER_FILE, LINES_PER_FILE = 5_000, 8_000


def cut_out_and_others(
    digits: Digits, seed: int, characters: Characters, folder: Path | None = None
) -> tuple[Digits, Tensor]:
    """Make digits that are cut out of numbers, and about as many non-digits as there are digits.

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
    files = cached(numbers_and_non_digits, digits, characters, len(digits), FRAMES_PER_FILE, seed, folder)
    images, labels, others = (
        torch.from_numpy(np.concatenate([file[name] for file in files])).to(device)
        for name in ("images", "labels", "others")
    )
    return Digits(images, labels), others


def numbers_and_non_digits(digits: Digits, characters: Characters, count: int, seed: int) -> Arrays:
    """Make the frames of one file: half as many digits that are cut out of numbers, and as many non-digits."""
    cut_out, cut_wrongly = segments(digits, round(SEGMENTS * count), seed)
    others = non_digits(digits, count - len(cut_wrongly), seed, characters)
    return {
        "images": cut_out.images.numpy(),
        "labels": cut_out.labels.numpy(),
        "others": np.concatenate([others, cut_wrongly.images.numpy()]),
    }


def lines_of(
    digits: Digits, count: int, seed: int, characters: Characters, folder: Path | None = None
) -> list[InkLine]:
    """Write so many lines; for the parameters see `cut_out_and_others`."""
    found = []
    for file in cached(lines_of_ink, digits, characters, count, LINES_PER_FILE, seed, folder):
        masks, texts = np.split(file["masks"], file["ends"], axis=1), np.split(file["symbols"], file["text_ends"])
        found += [InkLine(mask, tuple(text.tolist())) for mask, text in zip(masks[:-1], texts[:-1], strict=True)]
    return found


def lines_of_ink(digits: Digits, characters: Characters, count: int, seed: int) -> Arrays:
    """Write the lines of one file: their masks and their symbols, each in one array, and where each one ends."""
    lines = ink_lines(digits, characters, count, seed)
    return {
        "masks": np.concatenate([line.mask for line in lines], axis=1),
        "ends": np.cumsum([line.mask.shape[1] for line in lines]),
        "symbols": np.array([symbol for line in lines for symbol in line.symbols], np.uint8),
        "text_ends": np.cumsum([len(line.symbols) for line in lines]),
    }
