"""Training on one's own pictures: read and framed as the service does, weighted, and learned."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from app.inference.classifier import Classifier
from app.inference.reading import read_digit
from support import drawing, encode, frame_of
from training import data, pictures, train
from training.data import NOTHING, Digits
from training.objective import NONE


@pytest.fixture
def folder(tmp_path, seven, digits) -> Path:
    """A folder with a drawn 7, a 3 as in MNIST, and a drawing that shows no digit."""
    sheet = np.full((100, 100), 255, np.uint8)
    sheet[20:80, 20:25] = sheet[20:80, 50:55] = sheet[40:45, 20:80] = 0
    return written(
        tmp_path / "corrected",
        {"a.png": (encode(drawing(seven)), "7"), "b.png": (encode(digits[150]), "3"), "c.png": (encode(sheet), "none")},
    )


def written(folder: Path, files: dict[str, tuple[bytes, str]]) -> Path:
    (folder / "images").mkdir(parents=True)
    for name, (content, _) in files.items():
        (folder / "images" / name).write_bytes(content)
    rows = "".join(f"{name},{label}\n" for name, (_, label) in files.items())
    (folder / "labels.csv").write_text(f"filename,label\n{rows}", encoding="utf-8-sig")  # as Excel does
    return folder


def test_pictures_are_framed_as_the_service_frames_them(folder, seven, digits, classifier):
    loaded = pictures.load(folder, classifier)
    assert loaded.labels.tolist() == [7, 3, NONE]
    assert np.abs(loaded.images[0].numpy() / 255 - frame_of(drawing(seven))).max() <= 0.5 / 255
    assert loaded.images[1].numpy().tolist() == digits[150].tolist()


def test_in_a_folder_of_folders_unreadable_pictures_are_skipped_and_reported(folder, classifier, capsys):
    white = encode(Image.new("L", (50, 50), 255))
    more = written(folder.parent / "more", {"blank.png": (white, "1"), "text.png": (b"no picture", "2")})
    (more / "labels.csv").write_text("filename,label\nblank.png,1\ntext.png,2\nmissing.png,3\n")
    assert pictures.load(folder.parent, classifier).labels.tolist() == [7, 3, NONE]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"Skipped {more / 'images' / name}" for name in ("blank.png", "text.png", "missing.png")
    ]
    assert "no ink" in lines[0]


def test_pictures_of_numbers_and_signs_are_left_to_the_line_network(folder, classifier):
    (folder / "labels.csv").write_text("filename,label\na.png,7\nb.png,%\nc.png,+5\n")
    assert pictures.load(folder, classifier).labels.tolist() == [7]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds no picture to train on"),
        (b"filename,label\n", "holds no picture to train on"),
        (b"filename,label\na.png,seven\n", "the label 'seven' is neither a digit nor none"),
        (b"filename,digit\na.png,7\n", "has no column 'label'"),
        (b"filename,label\n\xfc.png,7\n", "is not in UTF-8"),
        (b"filename,label,page\na.png,7,first\n", "has a page that is not a number"),
    ],
)
def test_a_folder_without_labelled_pictures_is_reported_before_training(
    table, message, folder, sample_mnist, tmp_path, capsys
):
    (folder / "labels.csv").unlink()
    if table is not None:
        (folder / "labels.csv").write_bytes(table)
    places = ["--data", str(sample_mnist), "--runs", str(tmp_path / "runs")]
    assert train.main([*places, "--pictures", str(folder)]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def own(digits: int, non_digits: int) -> Digits:
    count = digits + non_digits
    images = torch.arange(count, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    return Digits(images, torch.tensor([7] * digits + [NONE] * non_digits, dtype=torch.int64))


def test_each_picture_counts_fifty_times_and_all_at_most_a_tenth_of_the_digits_or_non_digits():
    for count, others, times in ((50, 66_000, 50), (200, 66_000, 33), (50, 100, 1), (0, 66_000, 0)):
        assert len(pictures.weighted(own(count, 0), others)) == count * times
    mnist = own(1_000, 0)
    digits, others = pictures.joined(mnist, mnist.images, own(2, 1))
    assert digits.images[1_000:, 0, 0].tolist() == [0, 1] * 50
    assert digits.labels.tolist() == [7] * 1_100
    assert others[1_000:, 0, 0].tolist() == [2] * 50
    assert train.training_data(own(2, 1), None).endswith("; and other pictures: 2 digits, 1 non-digits")
    assert "pictures" not in train.training_data(NOTHING, [])


def test_a_resumed_run_keeps_its_pictures(folder, tmp_path, classifier):
    loaded = pictures.load(folder, classifier)
    torch.save((loaded.images, loaded.labels), tmp_path / train.PICTURES)
    again = train.own_pictures(argparse.Namespace(pictures=None), tmp_path)
    assert again.images.equal(loaded.images)
    assert again.labels.equal(loaded.labels)


def leaning(digit: np.ndarray) -> Image.Image:
    """Draw a digit dark on white in the style of one writer, who slants all digits back by 50 degrees."""
    ink = Image.fromarray(np.pad(digit, ((0, 0), (15, 15)))).resize((290, 140), Image.Resampling.BICUBIC)
    lean = np.tan(np.radians(50))
    back = (1, -lean, lean * ink.height / 2, 0, 1, 0)  # maps output to input coordinates
    return ImageOps.invert(ink.transform(ink.size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC))


def drawn(folder: Path, digits: Digits, draw: Callable[[np.ndarray], Image.Image]) -> Path:
    """Write a picture of each digit."""
    images, labels = digits.images.numpy(), digits.labels.tolist()
    files = {f"{k}.png": (encode(draw(image)), str(labels[k])) for k, image in enumerate(images)}
    return written(folder, files)


def error(network: Classifier, folder: Path) -> float:
    """Compute the share of the pictures that the network misreads."""
    labels = pictures.digits_below(folder)
    return np.mean([read_digit(page.file.read_bytes(), network).digit != label for page, label in labels.items()])


@pytest.mark.slow
def test_training_on_corrections_helps_their_writer_and_keeps_mnist(sample_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)
    training, held_out = data.split(data.load(sample_mnist, train=True))
    corrected = drawn(tmp_path / "corrected", training.take(torch.arange(100)), leaning)
    unseen = held_out.joined(data.load(sample_mnist, train=False))
    by_the_writer = drawn(tmp_path / "by the writer", unseen, leaning)
    of_mnist = drawn(tmp_path / "of MNIST", unseen, Image.fromarray)
    recipe = "--hidden 256 --epochs 20 --batch-size 50 --learning-rate 0.01 --threads 1 --precision fp32".split()
    networks = []
    for more in ([], ["--pictures", str(corrected)]):
        output = tmp_path / f"{len(networks)}.onnx"
        places = ["--data", str(sample_mnist), "--output", str(output), "--runs", str(tmp_path / "runs")]
        assert train.main([*places, *recipe, *more]) == 0
        networks.append(Classifier(output))
    before, after = networks
    assert error(after, by_the_writer) < error(before, by_the_writer) / 2
    # Over seeds, the difference is 0.00 ± 0.02; it would be 0.3 without most of MNIST.
    assert error(after, of_mnist) < error(before, of_mnist) + 0.08
    assert "100 digits" in after.metadata["training_data"]
    assert "100 digits" not in before.metadata["training_data"]
