"""The benchmarks of accuracy run, and count what is right."""

from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image

import evaluate
import pages
import peers
import real
import robustness
import tables
from measuring import Served, save_with_extension
from paths import LINES_MODEL, MODEL
from pictures import encode, number
from rivals.recognise import PAGES
from tensors import as_digits
from written_tables import write_folder


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
def test_what_is_read_is_compared_without_the_confidence(shuffled, tmp_path):
    images, labels = shuffled
    pictures = [(encode(Image.fromarray(images[0])), str(labels[0]))]
    found = peers.saved(tmp_path, "number", pictures)
    for name, kind in (("digits", "number"), ("alone", "digit"), ("squashed", "digit")):
        answers, _ = peers.read_by(name, kind, [*found])
        (judged,) = peers.judged(answers, found)
        assert judged.is_right, name


def test_digits_of_a_folder_are_sampled(folder):
    found = peers.sampled([folder], 5, seed=0)[folder.name]
    assert len(found) == 5
    assert all(path.is_file() and label.isdigit() for path, label in found.items())


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_pages_are_read_with_their_confidence_and_table(kind, digits, tmp_path):
    picture = encode(number(digits[[350, 120]], digits[[60, 350]]))
    file = save_with_extension(tmp_path / "page", picture)
    page = pages.Page(file, "72\n17", kind, 0, [])
    answers, _ = peers.read_by("digits", kind, [file])
    answer = pages.answer_of("digits", answers[file], page)
    assert answer.text == page.label
    assert 0.5 < answer.confidence < 1


def test_a_table_that_lacks_a_row_and_a_column_is_laid_where_most_cells_are_right():
    cells = [["", "", ""], ["", "12", "3"], ["", "", "45"]]
    table = tables.Table(Path("a.jpg"), "scan", cells)
    part = tables.Answer([["12", "3"], ["", "46"]], [[0.95, 0.5], [None, 0.92]])
    whole = tables.Answer(cells, [[0.95] * 3] * 3)
    assert tables.score(table, part) == (9, 8, 3, 2, 1)
    assert tables.score(table, whole) == (9, 9, 3, 3, 0)
    assert tables.score(table, tables.Answer()) == (9, 6, 3, 0, 0)


@pytest.mark.slow
def test_written_tables_are_read_cell_by_cell(shuffled, tmp_path, capsys):
    write_folder(tmp_path, as_digits(*shuffled), count=1, seed=0)
    tables.measure(tables.tables_of(tmp_path), ["digits"])
    *_, scan, photo = capsys.readouterr().out.splitlines()
    for line in (scan, photo):
        _, count, name, shapes, right, *_ = line.split(" | ")
        assert (count, name, shapes) == ("1", "digits", "1 of 1")
        assert float(right.split()[0]) > 80


@pytest.mark.slow
def test_the_card_has_the_errors_with_and_without_the_second_opinion(
    shuffled, tmp_path, monkeypatch, capsys
):
    some = as_digits(*shuffled).take(np.arange(100))
    monkeypatch.setattr(evaluate.data, "load", lambda *_, **__: some)
    monkeypatch.setattr(evaluate, "line_report", lambda *_: "1 of 2")
    model = Path(copy(MODEL, tmp_path))
    evaluate.main(model, LINES_MODEL)
    assert "| Test error | 0.00 % (0 of 100" in capsys.readouterr().out
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "1 of 2" in card
    assert card.count("| made from | PP-OCRv6") == 2  # of both other networks
    assert "not recorded" not in card


@pytest.mark.slow
def test_scenes_are_measured(capsys, mnist_root):
    robustness.main(n=3, scenes=["clean"])
    assert "| clean |" in capsys.readouterr().out
