"""MNIST as tensors, and the fixed split."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from tensors import as_digits
from training import data
from training.data import DataMissing, Digits

MNIST = "torchvision.datasets.MNIST"


def test_all_of_mnist_is_loaded(mnist_root):
    training, test = (data.load(mnist_root, train=train) for train in (True, False))
    assert training.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert training.images.dtype == torch.uint8
    assert torch.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_root_may_come_from_the_environment(mnist_root, monkeypatch):
    monkeypatch.setenv("MNIST_ROOT", str(mnist_root))
    assert len(data.load(train=False)) == 10_000


def test_the_last_5000_images_are_for_validation():
    everything = Digits(torch.arange(60_000), torch.arange(60_000))
    training, validation = data.split(everything)
    assert len(training) == 55_000
    assert torch.cat([training.labels, validation.labels]).equal(everything.labels)


@pytest.mark.slow
def test_images_are_sorted_by_writer_so_validation_has_other_writers(mnist_root):
    training, validation = data.split(data.load(mnist_root, train=True))
    for digits in (training, validation):
        slants = slants_of(digits)
        near, far = (float((slants[:-lag] * slants[lag:]).mean()) for lag in (2, 2001))  # two writers are interleaved
        assert near > 0.3 > 0.1 > far


def slants_of(digits: Digits) -> torch.Tensor:
    """Return each digit's slant, standardised within its class."""
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
    sample = as_digits(digits, labels)
    taken = sample.take(torch.tensor([499, 0]))
    assert taken.labels.tolist() == [9, 0]
    np.testing.assert_array_equal(taken.images.numpy(), digits[[499, 0]])


def test_a_failed_download_names_both_remedies(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataMissing, match=r"check the internet connection .* --data DIR or MNIST_ROOT=DIR") as raised:
        data.load(tmp_path, train=True)
    assert "\n" not in str(raised.value)


@pytest.fixture
def mirror(sample_mnist, tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder of archives, and a server from which torchvision downloads them."""
    folder, sums = tmp_path / "mirror", []
    folder.mkdir()
    for file in sorted((sample_mnist / "MNIST" / "raw").iterdir()):
        archive = gzip.compress(file.read_bytes())
        (folder / f"{file.name}.gz").write_bytes(archive)
        sums.append((f"{file.name}.gz", hashlib.md5(archive).hexdigest()))
    monkeypatch.setattr(f"{MNIST}.resources", sums)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setattr(f"{MNIST}.mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        yield folder
        server.shutdown()


def test_an_interrupted_download_is_reported_and_repeated(mirror, tmp_path):
    last = mirror / "train-labels-idx1-ubyte.gz"
    whole = last.read_bytes()
    last.write_bytes(whole[:-10])
    with pytest.raises(DataMissing, match="--data DIR"):
        data.load(tmp_path / "nope" / "data", train=True)
    last.write_bytes(whole)
    assert len(data.load(tmp_path / "nope" / "data", train=True)) == 400


def test_a_download_is_reused(mirror, tmp_path, monkeypatch):
    downloaded = data.load(tmp_path / "data", train=True)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["MNIST"]
    monkeypatch.setattr(f"{MNIST}.mirrors", [])
    assert data.load(tmp_path / "data", train=True).images.equal(downloaded.images)
    assert len(data.load(tmp_path / "data", train=False)) == 100


def test_existing_archives_are_only_unpacked(mirror, tmp_path, monkeypatch):
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    mirror.rename(tmp_path / "data" / "MNIST" / "raw")
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    assert len(data.load(tmp_path / "data", train=True)) == 400


def test_damaged_files_are_reported(tmp_path):
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
