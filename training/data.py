"""MNIST as uint8 tensors, with a fixed split into training and validation images."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import MNIST

from training.errors import TrainingError

NONE = -1  # the label of a frame that shows no single whole digit
VALIDATION_IMAGES = 5_000  # or, of a smaller set, a quarter
DEFAULT_ROOT = Path(__file__).parent.parent / "data"


class DataMissing(TrainingError):
    """MNIST is not on disk and cannot be downloaded."""


@dataclass(frozen=True)
class Digits:
    """Images and their labels.

    Attributes
    ----------
    images : Tensor
        (N, 28, 28) uint8, ink = 255, background = 0.
    labels : Tensor
        (N,) int64 in [0, 9]; NONE for an image that shows no digit.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor | slice) -> "Digits":
        """Select the digits at `index`, in that order."""
        return Digits(self.images[index], self.labels[index])

    def joined(self, more: "Digits") -> "Digits":
        """Append other digits."""
        images = torch.cat([self.images, more.images])
        return Digits(images, torch.cat([self.labels, more.labels]))

    def with_others(self, images: Tensor) -> "Digits":
        """Append images (M, 28, 28) uint8 that show no digit."""
        labels = torch.full((len(images),), NONE, device=self.labels.device)
        return self.joined(Digits(images, labels))

    def to(self, device: torch.device) -> "Digits":
        """Move to another device."""
        return Digits(self.images.to(device), self.labels.to(device))


NOTHING = Digits(
    torch.empty((0, 28, 28), dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
)


def load(root: Path | None = None, *, train: bool) -> Digits:
    """Load MNIST, downloading it with torchvision if it is missing.

    Parameters
    ----------
    root : Path, optional
        Folder that holds (or will hold) ``MNIST/raw``. Defaults to the environment
        variable ``MNIST_ROOT``, else to ``data/`` beside the packages.
    train : bool
        Load the 60,000 training images rather than the 10,000 test images.

    Raises
    ------
    DataMissing
        The files are missing and cannot be downloaded, or are damaged.
    """
    root = root or Path(os.environ.get("MNIST_ROOT") or DEFAULT_ROOT)
    try:
        mnist = MNIST(root, train=train, download=True)  # only if it is missing
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        cause = " ".join(str(error).split())
        raise DataMissing(
            f"MNIST is not in {root} and could not be downloaded ({cause}): check the "
            "internet connection and run again, or name a folder that already holds "
            "MNIST/raw with --data DIR or MNIST_ROOT=DIR."
        ) from error
    return Digits(mnist.data, mnist.targets.long())


def split(digits: Digits) -> tuple[Digits, Digits]:
    """Split the training images: the last 5,000 of MNIST's 60,000 are for validation.

    MNIST's training images are sorted by writer, with two writers interleaved: the
    slants of digits two positions apart correlate by 0.48, those of digits thousands
    apart hardly at all. So the last images come from other writers than the first, as
    the test images do. After a shuffle, every validation writer would be in the
    training set too, and the validation error would be too low.
    """
    held_out = min(VALIDATION_IMAGES, len(digits) // 4)
    return digits.take(slice(-held_out)), digits.take(slice(-held_out, None))
