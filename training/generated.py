"""Frames that are made from digits: digits cut out of numbers, and frames that show no digit.

They are made in several processes, and kept in files that are named after what made them.
"""

import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor

from training.data import DEFAULT_ROOT, NOTHING, Digits
from training.non_digits import non_digits
from training.omniglot import Characters
from training.processes import in_processes
from training.segments import segments

VERSION = 1  # of what is made; the frames in the files are made anew when it changes
FOLDER = DEFAULT_ROOT / "generated"
SEGMENTS = 0.5  # digits cut out of numbers, and segments that are none, per digit
PER_FILE = 5_000  # digits that the frames in one file are made from


def cut_out_and_others(
    digits: Digits, seed: int, characters: Characters, folder: Path = FOLDER
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
    folder : Path
        Where the files are kept.

    Returns
    -------
    (Digits, Tensor)
        The digits; and the non-digits, (N, 28, 28) uint8. On the device of `digits`.
    """
    device, digits = digits.images.device, digits.to(torch.device("cpu"))
    starts = range(0, len(digits), PER_FILE)
    parts = [digits.take(torch.arange(start, min(start + PER_FILE, len(digits)))) for start in starts]
    paths = [folder / f"{key_of(part, seed + number, characters)}.pt" for number, part in enumerate(parts)]
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(parts[k], seed + k, characters, path) for k, path in enumerate(paths) if not path.exists()]
    in_processes(make, jobs, "making numbers and non-digits")
    found = [torch.load(path, weights_only=True) for path in paths]
    cut_out = NOTHING.joined(*(Digits(images, labels) for images, labels, _ in found))
    return cut_out.to(device), torch.cat([NOTHING.images, *(others for *_, others in found)]).to(device)


def key_of(digits: Digits, seed: int, characters: Characters) -> str:
    """Return a name that changes with what the frames are made from, and how."""
    digest = hashlib.sha256(digits.images.numpy().tobytes())
    digest.update(str((VERSION, seed, len(characters))).encode())
    return digest.hexdigest()[:16]


def make(digits: Digits, seed: int, characters: Characters, path: Path) -> None:
    """Make the frames of one file, and write it atomically."""
    torch.set_num_threads(1)
    cut_out, cut_wrongly = segments(digits, round(SEGMENTS * len(digits)), seed)
    others = torch.from_numpy(non_digits(digits, len(digits) - len(cut_wrongly), seed, characters))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save((cut_out.images, cut_out.labels, torch.cat([others, cut_wrongly.images])), unfinished)
    unfinished.replace(path)
