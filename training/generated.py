"""Frames that are made from digits: digits cut out of numbers, and frames that show no digit."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.cache import Arrays, cached
from training.data import DEFAULT_ROOT, Digits
from training.non_digits import non_digits
from training.omniglot import Characters
from training.segments import segments

VERSION = 2  # of what is made
FOLDER = DEFAULT_ROOT / "generated"
SEGMENTS = 0.5  # digits cut out of numbers, and segments that are none, per digit
PER_FILE = 5_000  # digits that the frames in one file are made from


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
    device, indices = digits.images.device, torch.split(torch.arange(len(digits)), PER_FILE)
    parts = [digits.to(torch.device("cpu")).take(index) for index in indices]
    jobs = [(part, characters, len(part), seed + number) for number, part in enumerate(parts)]
    found = cached(numbers_and_non_digits, VERSION, jobs, folder or FOLDER)
    images, labels, others = (
        torch.from_numpy(np.concatenate([part[name] for part in found])).to(device)
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
