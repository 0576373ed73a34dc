"""Training the line network on lines of real digits: learning, resuming, own pictures and the model file."""

import csv

import numpy as np
import pytest
import torch

from app.inference.lines import CHARACTERS, OTHER, LineNetwork
from support import encode, number
from tensors import as_digits
from training import generated, line_pictures, lines
from training.errors import TrainingError
from training.export import export_lines, line_differences
from training.generated import lines_of
from training.line_ink import ink_lines
from training.line_net import LineNet
from training.line_paper import batch_of
from training.run import Run, fit

pytestmark = pytest.mark.slow

TINY = lines.Recipe(lines=128, epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def written(sample):
    return ink_lines(sample, [], 96, seed=0)


def test_training_lowers_the_loss_and_a_resumed_run_ends_like_an_uninterrupted_one(written, tmp_path):
    torch.set_num_threads(1)

    def trained(folder: str, epochs: int = 2) -> Run:
        run = lines.setup(TINY, tmp_path / folder)
        fit(run, epochs, lambda: lines.next_epoch(run, written, [], written[:32]))
        return run

    whole, _, resumed = trained("whole"), trained("half", 1), trained("half")
    assert whole.history[1]["training_loss"] < 0.8 * whole.history[0]["training_loss"]
    assert resumed.history[1]["training_loss"] == pytest.approx(whole.history[1]["training_loss"], rel=1e-3)


def test_training_writes_a_file_that_is_served_and_can_be_resumed(sample_mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lines.data, "VALIDATION_IMAGES", 100)
    monkeypatch.setattr(generated, "FOLDER", tmp_path / "generated")
    monkeypatch.setattr(lines, "VALIDATION_LINES", 48)
    monkeypatch.setitem(lines.RECIPES, "quick", TINY)
    arguments = ["--runs", str(tmp_path / "runs"), "--data", str(sample_mnist), "--threads", "1"]
    assert lines.main([*arguments, "--recipe", "quick", "--output", str(tmp_path / "lines.onnx")]) == 0
    network = LineNetwork(tmp_path / "lines.onnx")
    assert network.characters == CHARACTERS
    assert {"training_data", "recipe", "validation_error_percent", "temperature"} <= network.metadata.keys()
    assert (tmp_path / "lines.onnx").stat().st_size < 4_000_000
    (folder,) = (tmp_path / "runs").iterdir()
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "generated").iterdir()}
    assert len(files) == 2
    assert lines.main([*arguments, "--resume", str(folder)]) == 0
    assert LineNetwork(folder / "lines.onnx").metadata["epochs"] == "2"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "generated").iterdir()} == files
    assert "without Omniglot" in capsys.readouterr().out
    assert lines.main([*arguments, "--resume", str(tmp_path)]) == 1
    assert "no run to resume" in capsys.readouterr().err


def test_lines_survive_the_cache(sample, written, tmp_path):
    loaded = lines_of(sample, 96, 0, [], tmp_path)
    assert all((a.mask == b.mask).all() and a.symbols == b.symbols for a, b in zip(loaded, written, strict=True))


def test_the_file_gives_the_networks_probabilities(written, tmp_path):
    torch.manual_seed(0)
    network, other = LineNet(), LineNet()
    network(batch_of(written[:16], torch.Generator()))  # so that batch normalisation is not the identity
    export_lines(network, tmp_path / "lines.onnx", {"seed": "0"})
    file = LineNetwork(tmp_path / "lines.onnx")
    assert line_differences(torch.nn.Sequential(network, torch.nn.Softmax(dim=2)), file).max() < 1e-4
    assert line_differences(torch.nn.Sequential(other.eval(), torch.nn.Softmax(dim=2)), file).max() > 1e-4
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


@pytest.mark.parametrize(("pictures", "message"), [({"a.png": "12€"}, "€"), ({}, "no picture")])
def test_a_folder_without_labels_that_can_be_written_is_refused(pictures, message, digits, tmp_path):
    write_pictures(tmp_path / "own", pictures, digits)
    with pytest.raises(TrainingError, match=message):
        line_pictures.load(tmp_path / "own")
