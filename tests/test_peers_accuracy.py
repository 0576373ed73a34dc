"""The benchmark of other recognisers, with those that need nothing but this project."""

import numpy as np
import pytest

import peers_accuracy
from peers.recognise import decoded
from peers_accuracy import read_by, read_by_all
from support import encode, flat, number

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, digits):
    """Two digits and a picture that shows none, labelled."""
    (tmp_path / "own" / "images").mkdir(parents=True)
    (tmp_path / "own" / "labels.csv").write_text("filename,label\na.png,7\nb.png,1\nc.png,none\n")
    for name, picture in zip("abc", (digits[350], digits[60], digits[0]), strict=True):
        (tmp_path / "own" / "images" / f"{name}.png").write_bytes(encode(picture))
    return tmp_path / "own"


@pytest.fixture
def paths(tmp_path, seven, digits):
    """A dark 7, nothing, and a number."""
    pictures = encode(255 - seven), flat(255), encode(number(digits[[350, 120]]))
    files = [tmp_path / f"{index}.png" for index in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        file.write_bytes(picture)
    return files


def test_a_cell_counts_wrong_and_missing_answers_separately():
    labels = {"a": "7", "b": "12", "c": "3", "d": "4"}
    assert peers_accuracy.cell(labels, labels) == "100.0 (51.0 to 100.0)"
    read = {"a": "7", "b": "127", "c": "", "d": "4"}
    assert peers_accuracy.cell(labels, read) == "50.0 (15.0 to 85.0), none 25"


def test_an_output_is_decoded_over_digits_only():
    places = [(0, 1, 5), (0, 1, 5), (3, 2, 0), (0, 2, 1), (1, 0, 0), (0, 9, 9)]  # of no character, a 7 and an x
    probabilities = np.zeros((len(places), 12), np.float32)
    probabilities[:, [0, 8, 11]] = places
    assert decoded(probabilities, ["", *"0123456789", "x"]) == "777"


def test_pictures_are_read_as_by_the_service(paths):
    readings = read_by("digits", "digit", paths[:2])
    assert readings.texts == {paths[0]: "7", paths[1]: ""}
    assert readings.milliseconds > 0
    assert 20 < readings.megabytes < 500
    assert read_by("digits", "number", paths[1:]).texts == {paths[1]: "", paths[2]: "72"}


def test_squashed_pictures_are_read_light_on_dark(paths):
    assert read_by("squashed", "digit", paths[:1]).texts == {paths[0]: "7"}


def test_recognisers_that_are_not_installed_are_left_out(paths, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers_accuracy, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_by_all({"some": dict.fromkeys(paths, "7")}, ("rapidocr", "tesseract"), "digit") == {}
    warnings = capsys.readouterr().err
    assert "rapidocr is left out" in warnings
    assert "tesseract is left out" in warnings


def test_samples_are_seeded_and_show_digits(folder):
    images = folder / "images"
    assert peers_accuracy.samples([folder], 9, 0) == {"own": {images / "a.png": "7", images / "b.png": "1"}}
    assert peers_accuracy.samples([folder], 1, 0) == peers_accuracy.samples([folder], 1, 0)
    assert len(peers_accuracy.samples([folder], 1, 0)["own"]) == 1


def test_a_run_prints_a_table_of_digits_and_one_of_numbers(folder, sample_mnist, monkeypatch, capsys):
    monkeypatch.setenv("MNIST_ROOT", str(sample_mnist))
    monkeypatch.setattr(peers_accuracy, "FOR_DIGITS", ("digits", "squashed"))
    monkeypatch.setattr(peers_accuracy, "FOR_NUMBERS", ("digits",))
    peers_accuracy.main([folder], n=2)
    of_digits, of_numbers = capsys.readouterr().out.split("\n\n")
    assert "| clean | 2 | 100.0 (34.2 to 100.0) | 100.0 (34.2 to 100.0) |" in of_digits
    assert "| own | 2 | 100.0 " in of_digits
    assert of_numbers.startswith("| right %, 95 % interval | n | digits |\n")
    assert "| spaced | 2 | " in of_numbers
    assert "| spaced: digits | | " in of_numbers.replace("|  |", "| |")
