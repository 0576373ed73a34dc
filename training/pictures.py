"""Pictures of your own to learn from beside MNIST's: labelled, framed as the service frames them, and weighted.

A folder of them holds `images/` and `labels.csv` (columns filename, label), as `digits corrections export` writes it,
or it is a folder of such folders. Ignores: whole numbers; a picture shows one digit, or none.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.inference.classifier import CLASSES, Classifier
from app.inference.reading import read_bytes
from app.preprocess.errors import PreprocessError
from app.preprocess.frame import FRAME_SIDE
from training.data import Digits
from training.objective import NONE

NO_DIGIT = "none"  # the label of a picture that shows no digit
LABELS = {str(digit): digit for digit in range(CLASSES)} | {NO_DIGIT: NONE}
MAX_PIXELS = 50_000_000  # the service's default
# How many of MNIST's images each picture counts for. Fifty by one writer then make 4 % of the digits. With 125, 11.6 %
# of the hand in docs/corrections.md were read wrong in place of 12.8 %.
WEIGHT = 50
# All pictures together add at most this share of the digits (or non-digits) that are there without them.
MOST = 0.1


class PicturesMissing(Exception):
    """A folder holds no pictures to learn from, or does not say which digits they show."""


def files_of_labels(folder: Path) -> list[Path]:
    """A folder's own labels.csv, or else those of the folders in it."""
    own = folder / "labels.csv"
    return [own] if own.exists() else sorted(folder.glob("*/labels.csv"))


def labels_of(folder: Path) -> dict[Path, str]:
    """A folder's pictures, and which digit each shows, or NO_DIGIT."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {folder / "images" / row["filename"]: row["label"] for row in csv.DictReader(file)}


def load(folder: Path, classifier: Classifier) -> Digits:
    """Read labelled pictures as the service does; one that it cannot read is named and left out.

    Parameters
    ----------
    folder : Path
        Holds the pictures.
    classifier : Classifier
        The network that chooses among the candidates of a picture, as it does in the service.

    Returns
    -------
    Digits
        The chosen frames and their labels.

    Raises
    ------
    PicturesMissing
        No picture can be read, or it is not said what they show.
    """
    frames, labels = [], []
    for path, label in labels_below(folder).items():
        try:
            frame = read_bytes(path.read_bytes(), classifier, MAX_PIXELS).frame
        except (OSError, PreprocessError) as error:
            print(f"{path} is left out: {error}")
            continue
        frames.append(np.round(255 * frame).astype(np.uint8))
        labels.append(label)
    if not frames:
        raise PicturesMissing(f"{folder} holds no picture to learn from: give a folder with images/ and labels.csv.")
    return Digits(torch.from_numpy(np.stack(frames)), torch.tensor(labels))


def labels_below(folder: Path) -> dict[Path, int]:
    """All pictures in a folder, and in folders in it, with their digits, or NONE."""
    found: dict[Path, str] = {}
    for file in files_of_labels(folder):
        try:
            found |= labels_of(file.parent)
        except KeyError as error:
            raise PicturesMissing(f"{file} has no column {error}.") from error
    if unknown := set(found.values()) - set(LABELS):
        raise PicturesMissing(f"{folder}: the label {unknown.pop()!r} is neither a digit nor {NO_DIGIT}.")
    return {path: LABELS[label] for path, label in found.items()}


def no_pictures() -> Digits:
    """None at all."""
    return Digits(torch.empty((0, FRAME_SIDE, FRAME_SIDE), dtype=torch.uint8), torch.empty(0, dtype=torch.int64))


def by_kind(pictures: Digits) -> tuple[Digits, Digits]:
    """Those that show a digit, and those that show none."""
    is_digit = pictures.labels != NONE
    return pictures.take(is_digit), pictures.take(~is_digit)


def weighted(pictures: Digits, others: int) -> Digits:
    """The pictures, each as many times as it counts among so many others."""
    times = max(1, min(WEIGHT, int(MOST * others / max(1, len(pictures)))))
    return pictures.take(torch.arange(len(pictures)).repeat(times))


def joined(digits: Digits, non_digits: Tensor, pictures: Digits) -> tuple[Digits, Tensor]:
    """The digits and the non-digits (M, 28, 28) to train on, and after them the pictures of each kind, weighted."""
    more, more_non_digits = by_kind(pictures)
    return (
        digits.joined(weighted(more, len(digits))),
        torch.cat([non_digits, weighted(more_non_digits, len(non_digits)).images]),
    )


def described(pictures: Digits, digits: int, non_digits: int) -> str:
    """How many pictures join so many digits and non-digits, and which share of each they then are."""
    parts = []
    for some, others, name in zip(by_kind(pictures), (digits, non_digits), ("digits", "non-digits"), strict=True):
        if len(some):
            shown = len(weighted(some, others))
            parts.append(f"{len(some)} {name} ({shown / (others + shown):.1%} of the {name} in an epoch)")
    return " and ".join(parts)
