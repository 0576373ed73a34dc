"""The benchmarks of accuracy run, and count what is right."""

import sys

import numpy as np
import pytest
from PIL import Image

import peers
import real
import robustness
from measuring import Served
from paths import LINES_MODEL, MODEL
from pictures import encode


@pytest.fixture
def folder(shuffled, tmp_path):
    """Ten digits, of which the first has a wrong label, and an empty sheet."""
    (tmp_path / "images").mkdir()
    images, labels = (each[:10] for each in shuffled)
    said = [(labels[0] + 1) % 10, *labels[1:], "none"]
    blank = np.full((28, 28), 250, np.uint8)
    rows = ["filename,label"]
    for place, (image, label) in enumerate(zip([*images, blank], said, strict=True)):
        picture = encode(Image.fromarray(image))
        (tmp_path / "images" / f"{place}.png").write_bytes(picture)
        rows.append(f"{place}.png,{label}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def test_wrong_digits_are_counted_with_and_without_the_second_opinion(folder, capsys):
    real.main([folder], MODEL, LINES_MODEL)
    row = next(line for line in capsys.readouterr().out.splitlines() if "10.00" in line)
    assert "1 of 10" in row
    assert "| 10.00% |" in row  # of the dense network alone


def test_alone_has_no_second_opinion():
    networks = Served.committed()
    assert networks.opinion
    assert networks.alone.opinion is None
    assert networks.alone.digits is networks.digits


@pytest.mark.slow
def test_numbers_are_compared_without_their_confidence(shuffled, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "PYTHON", sys.executable)
    images, labels = shuffled
    pictures = [(encode(Image.fromarray(images[0])), str(labels[0]))]
    found = peers.saved(tmp_path, "number", pictures)
    for name, kind in (("digits", "number"), ("alone", "digit"), ("squashed", "digit")):
        answers, _ = peers.read_by(name, kind, [*found])
        (judged,) = peers.judged(answers, found)
        assert judged.is_right, name


@pytest.mark.slow
def test_scenes_are_measured(capsys, mnist_root):
    robustness.main(n=3, scenes=["clean"])
    assert "| clean |" in capsys.readouterr().out
