"""MNIST as tensors, and the fixed split."""

import numpy as np
import pytest
import torch

from training import data
from training.data import DataMissing, Digits


def test_the_whole_of_mnist_is_loaded(mnist_root):
    training, test = (data.load(mnist_root, train=train) for train in (True, False))
    assert training.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert training.images.dtype == torch.uint8
    assert torch.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_root_may_come_from_the_environment(mnist_root, monkeypatch):
    monkeypatch.setenv("MNIST_ROOT", str(mnist_root))
    assert len(data.load(train=False)) == 10_000


def test_the_last_5000_images_validate():
    everything = Digits(torch.arange(60_000), torch.arange(60_000))
    training, validation = data.split(everything)
    assert len(training) == 55_000
    assert torch.cat([training.labels, validation.labels]).equal(everything.labels)


@pytest.mark.slow
def test_images_come_writer_by_writer_so_that_validation_has_writers_of_its_own(mnist_root):
    training, validation = data.split(data.load(mnist_root, train=True))
    for digits in (training, validation):
        slants = slants_of(digits)
        near, far = (float((slants[:-lag] * slants[lag:]).mean()) for lag in (2, 2001))  # two writers take turns
        assert near > 0.3 > 0.1 > far


def slants_of(digits: Digits) -> torch.Tensor:
    """How each digit leans, beside the others of its class: mean 0, deviation 1."""
    ink = digits.images.float()
    axis = torch.arange(28.0)
    mass = ink.sum(dim=(1, 2))
    x = axis - ((ink.sum(dim=1) @ axis) / mass)[:, None]
    y = axis - ((ink.sum(dim=2) @ axis) / mass)[:, None]
    lean = (ink * y[:, :, None] * x[:, None, :]).sum(dim=(1, 2)) / (ink * y[:, :, None] ** 2).sum(dim=(1, 2))
    for digit in range(10):
        of_class = digits.labels == digit
        lean[of_class] = (lean[of_class] - lean[of_class].mean()) / lean[of_class].std()
    return lean.clamp(-3, 3)


def test_images_and_labels_stay_together(digits, labels):
    sample = Digits(torch.from_numpy(digits), torch.from_numpy(labels))
    taken = sample.take(torch.tensor([499, 0]))
    assert taken.labels.tolist() == [9, 0]
    np.testing.assert_array_equal(taken.images.numpy(), digits[[499, 0]])


def test_a_failed_download_names_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataMissing, match=r"check the internet connection .* --data DIR or MNIST_ROOT=DIR") as raised:
        data.load(tmp_path, train=True)
    assert "\n" not in str(raised.value)


def test_damaged_files_are_named_too(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (raw / name).write_bytes(b"not IDX")
    with pytest.raises(DataMissing, match="--data DIR"):
        data.load(tmp_path, train=True)
