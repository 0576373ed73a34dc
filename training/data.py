"""MNIST as uint8 tensors, and the fixed split into training and validation images.

Ignores: batching, shuffling and augmentation, which belong to the run.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torchvision.datasets import MNIST

from training.objective import NONE

VALIDATION_IMAGES = 5_000
DEFAULT_ROOT = Path(os.path.dirname(__file__)).parent / "data"


class DataMissing(Exception):
    """MNIST is neither on the disk nor to be had from the network."""


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

    def take(self, index: Tensor) -> "Digits":
        """The digits at `index`, in that order."""
        return Digits(self.images[index], self.labels[index])

    def joined(self, more: "Digits") -> "Digits":
        """The digits, and after them others."""
        return Digits(torch.cat([self.images, more.images]), torch.cat([self.labels, more.labels]))

    def with_others(self, images: Tensor) -> "Digits":
        """The digits, and after them images (M, 28, 28) uint8 that show none."""
        labels = torch.full((len(images),), NONE, device=self.labels.device)
        return self.joined(Digits(images, labels))

    def to(self, device: torch.device) -> "Digits":
        """The same digits on another device."""
        return Digits(self.images.to(device), self.labels.to(device))


def load(root: Path | None = None, *, train: bool) -> Digits:
    """Load MNIST, downloading it through torchvision where it is not yet there.

    Parameters
    ----------
    root : Path, optional
        Folder that holds (or will hold) ``MNIST/raw``; by default ``MNIST_ROOT`` from the environment,
        else ``data/`` beside the packages.
    train : bool
        The 60,000 training images, or the 10,000 test images.

    Raises
    ------
    DataMissing
        The files are not there and cannot be downloaded, or are damaged.
    """
    root = root or Path(os.environ.get("MNIST_ROOT") or DEFAULT_ROOT)
    try:
        mnist = present_or_downloaded(root, train)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        cause = " ".join(str(error).split())
        raise DataMissing(
            f"MNIST is not in {root} and could not be downloaded ({cause}): check the internet connection and "
            "run again, or name a folder that already holds MNIST/raw with --data DIR or MNIST_ROOT=DIR."
        ) from error
    return Digits(mnist.data, mnist.targets.long())


def present_or_downloaded(root: Path, train: bool) -> MNIST:
    """Torchvision's MNIST in `root`, downloaded if it is not there."""
    try:
        return MNIST(root, train=train)
    except RuntimeError:  # it is not there
        download(root)
        return MNIST(root, train=train)


def download(root: Path) -> None:
    """Download MNIST beside `root`, and move it there once it is complete: a download that fails leaves nothing."""
    raw = root / "MNIST" / "raw"
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    with TemporaryDirectory(prefix=".mnist-", dir=existing) as folder:
        fresh = Path(folder) / "MNIST" / "raw"
        if raw.is_dir():  # archives that are there already need only be unpacked
            shutil.copytree(raw, fresh)
        MNIST(folder, download=True)
        raw.mkdir(parents=True, exist_ok=True)
        for file in fresh.iterdir():
            file.replace(raw / file.name)


def split(digits: Digits) -> tuple[Digits, Digits]:
    """Split the 60,000 training images into training and validation images: the last 5,000 validate.

    MNIST's training images come writer by writer, two of them in turn: the slants of digits two places apart
    correlate by 0.48, of digits thousands apart hardly. So the last ones' writers are others than the first ones', as
    the test images' are; of a shuffle, validation would know every writer, and flatter.
    """
    first, last = torch.arange(len(digits)).tensor_split([-VALIDATION_IMAGES])
    return digits.take(first), digits.take(last)
