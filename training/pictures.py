"""Train on your own labelled pictures in addition to MNIST: framed as the service frames them, and weighted.

A folder holds `images/` and `labels.csv` (columns filename, label), as `digits corrections export` writes them, or
several such folders. Pictures that show one digit or none are used; `training.lines` uses those of numbers too.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.inference.classifier import CLASSES, Classifier
from app.inference.lines import CHARACTERS
from app.inference.reading import read_digit
from app.preprocess.errors import PreprocessError
from training.data import Digits
from training.objective import NONE

NO_DIGIT = "none"  # the label of a picture that shows no digit
LABELS = {str(digit): digit for digit in range(CLASSES)} | {NO_DIGIT: NONE}
# How many of MNIST's images each picture counts as. Fifty pictures by one writer are then 2.9 % of the digits.
WEIGHT = 50
# The most that all pictures together add, as a share of the digits (or non-digits) without them.
MAX_SHARE = 0.1


class PicturesMissing(Exception):
    """A folder has no pictures to train on, or no valid labels for them."""


def files_of_labels(folder: Path) -> list[Path]:
    """Find a folder's own labels.csv, or else those of its subfolders."""
    own = folder / "labels.csv"
    return [own] if own.exists() else sorted(folder.glob("*/labels.csv"))


def labels_of(folder: Path) -> dict[Path, str]:
    """Read the label of each picture in a folder."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
        return {folder / "images" / row["filename"]: row["label"] for row in csv.DictReader(file)}


def load(folder: Path, classifier: Classifier) -> Digits:
    """Read labelled pictures as the service does. Those that it cannot read are reported and skipped.

    Parameters
    ----------
    folder : Path
        Folder of the pictures.
    classifier : Classifier
        The network that chooses among a picture's candidates, as in the service.

    Returns
    -------
    Digits
        The chosen frames and their labels.

    Raises
    ------
    PicturesMissing
        No picture can be read, or the labels are missing or invalid.
    """
    frames, labels = [], []
    for path, label in digits_below(folder).items():
        try:
            frame = read_digit(path.read_bytes(), classifier).frame
        except (OSError, PreprocessError) as error:
            print(f"Skipped {path}: {error}")
            continue
        frames.append(np.round(255 * frame).astype(np.uint8))
        labels.append(label)
    if not frames:
        raise PicturesMissing(f"{folder} holds no picture to train on: pass a folder with images/ and labels.csv.")
    return Digits(torch.from_numpy(np.stack(frames)), torch.tensor(labels))


def labels_below(folder: Path) -> dict[Path, str]:
    """Read the labels of all pictures in a folder and its subfolders."""
    found: dict[Path, str] = {}
    for file in files_of_labels(folder):
        try:
            found |= labels_of(file.parent)
        except KeyError as error:
            raise PicturesMissing(f"{file} has no column {error}.") from error
        except UnicodeDecodeError as error:
            raise PicturesMissing(f"{file} is not in UTF-8: save it as CSV in UTF-8.") from error
    return found


def digits_below(folder: Path) -> dict[Path, int]:
    """Read the labels of all pictures of a digit, or of none, in a folder and its subfolders; numbers are left out."""
    found = {path: label for path, label in labels_below(folder).items() if label in LABELS or not is_number(label)}
    if unknown := set(found.values()) - set(LABELS):
        raise PicturesMissing(f"{folder}: the label {unknown.pop()!r} is neither a digit nor {NO_DIGIT}.")
    return {path: LABELS[label] for path, label in found.items()}


def is_number(label: str) -> bool:
    """Return whether a label is a number, which only the line network learns."""
    return len(label) > 1 and {*label} <= {*CHARACTERS, "\n"}


def by_kind(pictures: Digits) -> tuple[Digits, Digits]:
    """Split pictures into those that show a digit and those that show none."""
    is_digit = pictures.labels != NONE
    return pictures.take(is_digit), pictures.take(~is_digit)


def weighted(pictures: Digits, others: int) -> Digits:
    """Repeat each picture by its weight among `others`, the number of other images."""
    times = max(1, min(WEIGHT, int(MAX_SHARE * others / max(1, len(pictures)))))
    return pictures.take(torch.arange(len(pictures)).repeat(times))


def joined(digits: Digits, non_digits: Tensor, pictures: Digits) -> tuple[Digits, Tensor]:
    """Append the weighted pictures of each kind to the digits and the non-digits (M, 28, 28)."""
    more, more_non_digits = by_kind(pictures)
    return (
        digits.joined(weighted(more, len(digits))),
        torch.cat([non_digits, weighted(more_non_digits, len(non_digits)).images]),
    )


def described(pictures: Digits, digits: int, non_digits: int) -> str:
    """Describe how many pictures are added, and their share of the digits and of the non-digits."""
    parts = []
    for kind, others, name in zip(by_kind(pictures), (digits, non_digits), ("digits", "non-digits"), strict=True):
        if len(kind):
            shown = len(weighted(kind, others))
            parts.append(f"{len(kind)} {name} ({shown / (others + shown):.1%} of the {name} in an epoch)")
    return " and ".join(parts)
