"""MNIST as tensors, and the fixed split."""

import gzip
import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from training import data
from training.data import DataMissing

MNIST = "torchvision.datasets.MNIST"


def test_all_of_mnist_is_loaded_from_a_folder_or_the_environment(mnist_root, monkeypatch):
    training = data.load(mnist_root, train=True)
    assert training.images.shape == (60_000, 28, 28)
    assert training.images.dtype == torch.uint8
    monkeypatch.setenv("MNIST_ROOT", str(mnist_root))
    counts = torch.bincount(data.load(train=False).labels)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    first, last = data.split(training)
    assert len(last) == 5_000
    assert torch.cat([first.images, last.images]).equal(training.images)
    assert torch.cat([first.labels, last.labels]).equal(training.labels)


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
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    assert data.load(root, train=True).images.equal(downloaded.images)
    assert len(data.load(root, train=False)) == 100
    shutil.rmtree(root / "MNIST" / "raw")
    mirror.rename(root / "MNIST" / "raw")  # archives are only unpacked
    assert len(data.load(root, train=True)) == 400


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
