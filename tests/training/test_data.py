"""MNIST as tensors, and the fixed split."""

import pytest
import torch

from training import data
from training.data import DataMissing

MNIST = "torchvision.datasets.MNIST"


def test_all_of_mnist_is_loaded_from_a_folder_or_the_environment(
    mnist_root, monkeypatch
):
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


@pytest.mark.parametrize("is_damaged", [True, False])
def test_damaged_files_and_a_failed_download_name_both_remedies(
    is_damaged, tmp_path, monkeypatch
):
    monkeypatch.setattr(f"{MNIST}.mirrors", ["http://127.0.0.1:9/"])
    if is_damaged:
        raw = tmp_path / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for kind in ("train", "t10k"):
            for name in ("images-idx3", "labels-idx1"):
                (raw / f"{kind}-{name}-ubyte").write_bytes(b"not IDX")
    remedies = r"check the internet connection .* --data DIR or MNIST_ROOT=DIR"
    with pytest.raises(DataMissing, match=remedies) as raised:
        data.load(tmp_path, train=True)
    assert "\n" not in str(raised.value)
