"""Training the line network on lines of real digits: learning, resuming, own pictures and the model file."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.inference.ctc import best_path, symbols_of
from app.inference.lines import CHARACTERS, OTHER, LineNetwork
from support import encode, number
from tensors import as_digits
from training import line_cache, line_export, line_pictures, lines
from training.line_ink import ink_lines
from training.line_net import LineNet
from training.pictures import PicturesMissing

pytestmark = pytest.mark.slow

TINY = lines.Recipe(lines=256, epochs=2, batch_size=16, peak_learning_rate=2e-3, short_steps=4)


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled)


@pytest.fixture
def cached(sample, tmp_path, monkeypatch):
    """Train on 400 of the sample's digits, and keep everything in a temporary folder."""
    monkeypatch.setattr(lines.data, "VALIDATION_IMAGES", 100)
    monkeypatch.setattr(lines.data, "DEFAULT_ROOT", tmp_path)
    monkeypatch.setattr(lines, "VALIDATION_LINES", 48)
    monkeypatch.setitem(lines.RECIPES, "quick", TINY)
    return tmp_path


def test_the_loss_is_that_of_all_paths_that_say_the_text():
    logits = torch.randn(1, 4, OTHER + 1, generator=torch.Generator().manual_seed(0))
    shares = logits[0].softmax(dim=1)
    total = 0.0
    for path in itertools.product((0, 3, 5), repeat=4):
        said = tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)
        if said == (3, 5):
            total += float(np.prod([shares[column, symbol] for column, symbol in enumerate(path)]))
    assert lines.loss_of(logits, [(3, 5)]).item() == pytest.approx(-np.log(total), rel=1e-4)


def test_the_best_path_drops_repetitions_and_then_blanks():
    logits = torch.eye(OTHER + 1)[[0, 3, 3, 0, 3, OTHER, OTHER, 0]]
    assert symbols_of(best_path(logits.numpy())) == (3, 3, OTHER)


def test_a_few_steps_lower_the_loss(sample, tmp_path):
    torch.set_num_threads(1)
    run = lines.start(TINY, tmp_path / "run")
    written = ink_lines(sample, [], 96, seed=0)
    lines.fit(run, written, [], written[:32], is_bf16=False)
    assert run.history[1].training_loss < 0.8 * run.history[0].training_loss


def test_training_writes_a_file_that_is_served_and_can_be_resumed(sample_mnist, cached, capsys):
    arguments = ["--runs", str(cached / "runs"), "--data", str(sample_mnist), "--threads", "1"]
    assert lines.main([*arguments, "--recipe", "quick", "--output", str(cached / "lines.onnx")]) == 0
    network = LineNetwork(cached / "lines.onnx")
    assert network.characters == CHARACTERS
    assert {"training_data", "recipe", "validation_error_percent", "temperature"} <= network.metadata.keys()
    assert (cached / "lines.onnx").stat().st_size < 4_000_000
    (folder,) = (cached / "runs").iterdir()
    assert len(list((cached / "lines").glob("*.npz"))) == 2
    assert lines.main([*arguments, "--resume", str(folder)]) == 0
    assert LineNetwork(folder / "lines.onnx").metadata["epochs"] == "2"
    assert "without Omniglot" in capsys.readouterr().out


def test_a_run_continues_where_it_was_saved(sample, tmp_path):
    torch.set_num_threads(1)
    written = ink_lines(sample, [], 64, seed=0)
    whole = lines.start(TINY, tmp_path / "whole")
    lines.fit(whole, written, [], written[:16], is_bf16=False)
    half = lines.start(replace(TINY, epochs=2), tmp_path / "half")
    with lines.tqdm(disable=True) as bar:
        loss = lines.train_epoch(half, written, [], False, bar)
    half.history.append(lines.Epoch(loss, 1.0, 1.0))
    half.save()
    resumed = lines.start(TINY, tmp_path / "half")
    lines.fit(resumed, written, [], written[:16], is_bf16=False)
    assert resumed.history[1].training_loss == pytest.approx(whole.history[1].training_loss, rel=1e-3)


def test_there_must_be_a_run_to_resume(tmp_path, capsys):
    assert lines.main(["--resume", str(tmp_path)]) == 1
    assert "no run to resume" in capsys.readouterr().err


def test_written_lines_are_loaded_from_the_cache(sample, tmp_path):
    first = line_cache.lines_of(sample, 20, 3, tmp_path / "none.zip", tmp_path, 1)
    (path,) = tmp_path.glob("*.npz")
    line_cache.save(first[:5], path)
    again = line_cache.lines_of(sample, 20, 3, tmp_path / "none.zip", tmp_path, 1)
    assert len(first) == 20
    assert len(again) == 5
    assert all((a.mask == b.mask).all() and a.symbols == b.symbols for a, b in zip(first, again, strict=False))
    assert len(line_cache.lines_of(sample, 20, 4, tmp_path / "none.zip", tmp_path, 1)) == 20


def test_the_file_gives_the_networks_probabilities(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = LineNet()
    network(torch.randn(4, 32, 96))  # so that batch normalisation is not the identity
    line_export.export(network, 1.3, tmp_path / "lines.onnx", {"seed": "0"})
    served = line_export.Served(network, 1.3).eval()
    assert line_export.largest_difference(served, LineNetwork(tmp_path / "lines.onnx")) < 1e-4
    assert line_export.largest_difference(line_export.Served(network, 1.0), LineNetwork(tmp_path / "lines.onnx")) > 1e-4
    monkeypatch.setattr(line_export, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(line_export.ExportMismatch):
        line_export.export(network, 1.0, tmp_path / "other.onnx", {})
    assert [path.name for path in tmp_path.iterdir()] == ["lines.onnx"]


def write_pictures(folder, pictures: dict[str, str], digits) -> None:
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label"])
        for place, (name, label) in enumerate(pictures.items()):
            rows = [[digits[40 * place + k] for k in range(4)] for _ in label.splitlines()]
            (folder / "images" / name).write_bytes(encode(number(*rows)))
            writer.writerow([name, label])


def test_own_pictures_are_cut_into_strips_with_their_text(digits, tmp_path):
    write_pictures(tmp_path / "own", {"a.png": "12.5", "b.png": "none", "c.png": "0000\n0000"}, digits)
    own = line_pictures.load(tmp_path / "own")
    texts = {line.symbols for line in own}
    assert tuple(CHARACTERS.index(c) + 1 for c in "12.5") in texts
    assert (OTHER,) in texts
    assert sum(line.symbols == (1, 1, 1, 1) for line in own) >= 2
    strips, labels = line_pictures.added(torch.zeros(2, 32, 480), [(1,), (2,)], own, np.random.default_rng(0))
    assert len(strips) == len(labels) > 2
    assert strips[2:].abs().max() > 0.5


def test_a_label_that_cannot_be_written_is_refused(digits, tmp_path):
    write_pictures(tmp_path / "own", {"a.png": "12€"}, digits)
    with pytest.raises(PicturesMissing, match="€"):
        line_pictures.load(tmp_path / "own")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PicturesMissing, match="no picture"):
        line_pictures.load(tmp_path / "empty")
