"""MNIST as tensors, and the fixed split."""

import hashlib

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


def test_the_split_is_fixed_and_keeps_every_digit():
    everything = Digits(torch.arange(60_000), torch.arange(60_000))
    torch.manual_seed(1)
    training, validation = data.split(everything)
    assert len(training) == 55_000
    assert len(validation) == 5_000
    assert torch.cat([training.labels, validation.labels]).sort().values.equal(everything.labels)
    digest = hashlib.sha256(validation.labels.numpy().astype("<i4").tobytes()).hexdigest()
    assert digest.startswith("d9402e6e511e4a31")


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
