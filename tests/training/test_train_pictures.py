"""Training on one's own pictures: framed as the service does, weighted, learned."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.digit.classifier import Classifier
from app.digit.reading import read_digit
from hands import Hand
from networks import frame_of
from paths import MODEL
from pictures import drawing, encode
from training import data, pictures, train
from training.data import NONE, NOTHING, Digits


@pytest.fixture
def folder(tmp_path, seven, digits) -> Path:
    """A folder with a drawn 7, a 3 as in MNIST, and a drawing that shows no digit."""
    sheet = np.full((100, 100), 255, np.uint8)
    sheet[20:80, 20:25] = sheet[20:80, 50:55] = sheet[40:45, 20:80] = 0
    files = {
        "a.png": (encode(drawing(seven)), "7"),
        "b.png": (encode(digits[150]), "3"),
        "c.png": (encode(sheet), "none"),
    }
    return written(tmp_path / "corrected", files)


def written(folder: Path, files: dict[str, tuple[bytes, str]]) -> Path:
    (folder / "images").mkdir(parents=True)
    for name, (content, _) in files.items():
        (folder / "images" / name).write_bytes(content)
    rows = "".join(f"{name},{label}\n" for name, (_, label) in files.items())
    # As Excel does.
    (folder / "labels.csv").write_text(f"filename,label\n{rows}", encoding="utf-8-sig")
    return folder


def test_pictures_are_framed_as_the_service_frames_them(
    folder, seven, digits, classifier
):
    loaded = pictures.load(folder, classifier)
    assert loaded.labels.tolist() == [7, 3, NONE]
    drawn = loaded.images[0].numpy() / 255
    assert np.abs(drawn - frame_of(drawing(seven))).max() <= 0.5 / 255
    assert (loaded.images[1].numpy() == digits[150]).all()


def test_in_a_folder_of_folders_unreadable_pictures_are_skipped_and_reported(
    folder, classifier, capsys
):
    white = encode(Image.new("L", (50, 50), 255))
    files = {"blank.png": white, "text.png": b"no picture", "missing.png": b""}
    more = written(
        folder.parent / "more", {name: (data, "1") for name, data in files.items()}
    )
    (more / "images" / "missing.png").unlink()
    assert pictures.load(folder.parent, classifier).labels.tolist() == [7, 3, NONE]
    lines = capsys.readouterr().out.splitlines()
    for line, name in zip(lines, files, strict=True):
        assert line.startswith(f"Skipped {more / 'images' / name}: ")
    assert "no ink" in lines[0]


def test_pictures_of_numbers_and_signs_are_left_to_the_line_network(folder, classifier):
    (folder / "labels.csv").write_text("filename,label\na.png,7\nb.png,%\nc.png,+5\n")
    assert pictures.load(folder, classifier).labels.tolist() == [7]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds no picture to train on"),
        (b"filename,label\n", "holds no picture to train on"),
        (
            b"filename,label\na.png,seven\n",
            "the label 'seven' is neither a digit nor none",
        ),
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
    places = f"--data {sample_mnist} --runs {tmp_path / 'runs'} --pictures {folder}"
    assert train.main(places.split()) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def own(digits: int, non_digits: int) -> Digits:
    labels = torch.tensor([7] * digits + [NONE] * non_digits, dtype=torch.int64)
    images = torch.arange(len(labels), dtype=torch.uint8)
    return Digits(images[:, None, None].expand(-1, 28, 28), labels)


@pytest.mark.parametrize(
    ("count", "others", "times"),
    [(50, 66_000, 50), (200, 66_000, 33), (50, 100, 1), (0, 66_000, 0)],
)
def test_each_picture_counts_fifty_times_and_all_at_most_a_tenth(count, others, times):
    assert len(pictures.weighted(own(count, 0), others)) == count * times


def test_pictures_of_digits_and_of_none_are_added_each_to_its_kind():
    mnist = own(1_000, 0)
    digits, others = pictures.joined(mnist, mnist.images, own(2, 1))
    assert digits.images[1_000:, 0, 0].tolist() == [0, 1] * 50
    assert digits.labels.tolist() == [7] * 1_100
    assert others[1_000:, 0, 0].tolist() == [2] * 50
    assert train.training_data(own(2, 1), None, 5).endswith(
        "; and other pictures: 2 digits, 1 non-digits"
    )
    assert "pictures" not in train.training_data(NOTHING, [], 5)


def error(network: Classifier, pictures: list[tuple[bytes, int]]) -> float:
    """Compute the share of the pictures that the network misreads."""
    wrong = [read_digit(picture, network).digit != label for picture, label in pictures]
    return np.mean(wrong)


@pytest.mark.slow
def test_fifty_pictures_by_one_hand_halve_its_error_and_mnists_stays(
    sample_mnist, tmp_path, capsys
):
    of_the_hand = Hand(6).pictures(150, seed=0)
    unseen = of_the_hand[50:]
    files = {}
    for place, (picture, label) in enumerate(of_the_hand[:50]):
        files[f"{place}.png"] = picture, str(label)
    corrected = written(tmp_path / "corrected", files)
    output = tmp_path / "digits.onnx"
    options = (
        f"--from {MODEL} --pictures {corrected} --output {output} "
        f"--data {sample_mnist} --runs {tmp_path}/runs "
        "--epochs 4 --batch-size 25 --threads 1 --precision fp32"
    )
    assert train.main(options.split()) == 0
    assert capsys.readouterr().out.count("of MNIST's 10,000 test images, ") == 2
    before = Classifier(MODEL)
    after = Classifier(output)
    misread = error(before, unseen)
    assert misread > 0.15
    assert error(after, unseen) < misread / 2
    mnist = data.load(sample_mnist, train=False)
    images = map(encode, mnist.images.numpy())
    of_mnist = [*zip(images, mnist.labels.tolist(), strict=True)]
    assert error(after, of_mnist) <= error(before, of_mnist) + 0.03
    assert after.metadata["training_data"].endswith(
        "other pictures: 50 digits, 0 non-digits"
    )
    assert after.metadata["tuned_from_sha256"] == before.sha256
    assert json.loads(after.metadata["recipe"])["from_"] == str(MODEL)
    assert set(after.metadata) >= {"second_opinion", *before.metadata}
