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


def test_all_of_mnist_is_loaded_from_a_folder_or_the_environment(mnist_root, monkeypatch):
    training = data.load(mnist_root, train=True)
    assert training.images.shape == (60_000, 28, 28)
    assert training.images.dtype == torch.uint8
    monkeypatch.setenv("MNIST_ROOT", str(mnist_root))
    counts = torch.bincount(data.load(train=False).labels)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_last_5000_images_are_for_validation():
    everything = Digits(torch.arange(60_000), torch.arange(60_000))
    training, validation = data.split(everything)
    assert len(training) == 55_000
    assert torch.cat([training.labels, validation.labels]).equal(everything.labels)


def test_images_and_labels_stay_together(digits, labels):
    taken = as_digits(digits, labels).take(torch.tensor([499, 0]))
    assert taken.labels.tolist() == [9, 0]
    np.testing.assert_array_equal(taken.images.numpy(), digits[[499, 0]])


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


def test_an_interrupted_download_is_reported_and_repeated_and_then_reused(mirror, tmp_path, monkeypatch):
    root, last = tmp_path / "nope" / "data", mirror / "train-labels-idx1-ubyte.gz"
    whole = last.read_bytes()
    last.write_bytes(whole[:-10])
    with pytest.raises(DataMissing, match="--data DIR"):
        data.load(root, train=True)
    last.write_bytes(whole)
    downloaded = data.load(root, train=True)
    assert len(downloaded) == 400
    monkeypatch.setattr(f"{MNIST}.mirrors", [])
    assert data.load(root, train=True).images.equal(downloaded.images)
    assert len(data.load(root, train=False)) == 100


def test_existing_archives_are_only_unpacked(mirror, tmp_path, monkeypatch):
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    mirror.rename(tmp_path / "data" / "MNIST" / "raw")
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    assert len(data.load(tmp_path / "data", train=True)) == 400


@pytest.mark.parametrize("is_damaged", [True, False])
def test_damaged_files_and_a_failed_download_name_both_remedies(is_damaged, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    if is_damaged:
        (tmp_path / "MNIST" / "raw").mkdir(parents=True)
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (tmp_path / "MNIST" / "raw" / f"{name}-ubyte").write_bytes(b"not IDX")
    with pytest.raises(DataMissing, match=r"check the internet connection .* --data DIR or MNIST_ROOT=DIR") as raised:
        data.load(tmp_path, train=True)
    assert "\n" not in str(raised.value)
