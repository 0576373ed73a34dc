"""Your own labelled pictures, to train on beside MNIST.

They are in a folder as for `app.labels`, or in several such folders. Pictures that show
one digit or none are used; `training.lines` uses those of numbers too.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from app.digit.classifier import CLASSES, Classifier
from app.digit.reading import DigitOptions, read_digit
from app.labels import NOTHING, LabelledPage, labels_below
from app.picture.errors import PictureError
from training.data import NONE, Digits
from training.errors import TrainingError
from training.writing.alphabet import CHARACTERS

LABELS = {str(digit): digit for digit in range(CLASSES)} | {NOTHING: NONE}
Label = TypeVar("Label")
Found = TypeVar("Found")
# How many of MNIST's images each picture counts as. Fifty pictures by one writer are
# then 2.9 % of the digits.
WEIGHT = 50
# The most that all pictures together add, as a share of the digits (or non-digits)
# without them.
MAX_SHARE = 0.1


def load(folder: Path, classifier: Classifier) -> Digits:
    """Read labelled pictures as the service does; report and skip those that fail.

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
    TrainingError
        No picture can be read, or the labels are missing or invalid.
    """
    found = labels_below(folder)
    labels = {page: label for page, label in found.items() if not is_number(label)}
    if unknown := set(labels.values()) - set(LABELS):
        raise TrainingError(
            f"{folder}: the label {unknown.pop()!r} is neither a digit nor {NOTHING}."
        )

    def framed(
        content: bytes, page: int | None, label: str
    ) -> list[tuple[Tensor, int]]:
        frame = read_digit(content, classifier, options=DigitOptions(page)).frame
        return [((255 * torch.from_numpy(frame)).round().byte(), LABELS[label])]

    frames, digits = zip(*read_all(folder, labels, framed), strict=True)
    return Digits(torch.stack(frames), torch.tensor(digits))


def read_all(
    folder: Path,
    labels: Mapping[LabelledPage, Label],
    read: Callable[[bytes, int | None, Label], list[Found]],
) -> list[Found]:
    """Read the pictures of a folder; report and skip those that fail.

    `read` is given a picture's content, page and label.
    """
    found = []
    for (file, number), label in labels.items():
        try:
            found += read(file.read_bytes(), number, label)
        except (OSError, PictureError) as error:
            print(f"Skipped {file}: {error}")
    if not found:
        raise TrainingError(
            f"{folder} holds no picture to train on: pass a folder with images/ and "
            "labels.csv."
        )
    return found


def is_number(label: str) -> bool:
    """Return whether a label is a number, which only the line network learns."""
    return bool(label) and label not in LABELS and {*label} <= {*CHARACTERS, "\n"}


def weighted(pictures: Digits, others: int) -> Digits:
    """Repeat each picture by its weight among `others`, the number of other images."""
    times = max(1, min(WEIGHT, int(MAX_SHARE * others / max(1, len(pictures)))))
    return pictures.take(torch.arange(len(pictures)).repeat(times))


def joined(
    digits: Digits, non_digits: Tensor, pictures: Digits
) -> tuple[Digits, Tensor]:
    """Append the weighted pictures of each kind to the digits and the non-digits (M,
    28, 28).
    """
    is_digit = pictures.labels != NONE
    more = weighted(pictures.take(is_digit), len(digits))
    more_non_digits = weighted(pictures.take(~is_digit), len(non_digits))
    return digits.joined(more), torch.cat([non_digits, more_non_digits.images])
