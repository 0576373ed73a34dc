"""Tuning the reader on lines of real digits: learning, resuming, own pictures, and the
command.
"""

import hashlib
import json
import re
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.text.ctc import log_probability
from app.text.line_network import LineNetwork
from app.text.line_spec import moved
from paths import LINES_MODEL
from pictures import encode, labelled_numbers
from tensors import pretrained
from training import lines
from training.pretrained import widened
from training.reader import own_lines, recogniser, tuning
from training.reader.graph import Graph
from training.reader.ink_lines import InkLine
from training.reader.recogniser import HEAD, LOGITS, PRETRAINED, cut
from training.run import Run
from training.writing.alphabet import CHARACTERS, OTHER, class_of
from training.writing.writer import SPACE_CLASS

TINY = tuning.Recipe(
    lines=32,
    epochs=2,
    batch_size=8,
    rate=0.01,
    calibration=1,
    other_pictures=10,
    other_rows=60,
    validation_lines=8,
)
# Metadata.
MADE_FROM = "architecture origin license pretrained_sha256 others_sha256".split()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So that sums, and with them the weights, do not depend on the machine's load."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture
def start() -> onnx.ModelProto:
    return cut(pretrained(), range(60, 80))


def test_mixed_weights_lie_a_share_of_the_way(start):
    original = Graph(start, LOGITS)
    goal = Graph(start, LOGITS)
    with torch.no_grad():
        for weight in goal.parameters():
            weight += 1
    mixed = tuning.mixed(original, goal, 0.25)
    pairs = zip(mixed.parameters(), original.parameters(), strict=True)
    for found, before in pairs:
        torch.testing.assert_close(found, before + 0.25)


def test_something_else_counts_as_blank_in_a_text():
    shares = torch.rand(2, 5, OTHER + 20).softmax(dim=2)
    found = tuning.of_alphabet(shares.log()).exp()
    assert found.shape == (2, 5, len(CHARACTERS) + 1)
    torch.testing.assert_close(found[:, :, 1:], shares[:, :, 1:OTHER])
    blank = shares[:, :, 0] + shares[:, :, OTHER:].sum(dim=2)
    torch.testing.assert_close(found[:, :, 0], blank)
    mask = np.zeros((32, 40), np.uint8)
    line = InkLine(mask, (OTHER, 3, SPACE_CLASS, 4, OTHER))
    assert line.text == (3, SPACE_CLASS, 4)


def test_the_loss_is_ctc_per_symbol_and_the_divergence_from_the_original_answers():
    logits = torch.zeros(1, 2, OTHER + 1)
    original = logits.clone()
    # A 7 in one of two columns, or in both; two classes are blank.
    read = 2 * np.log(OTHER + 1) - np.log(5)
    loss = tuning.objective(logits, logits, [(8,)], 1).item()
    assert loss == pytest.approx(read / 2, abs=1e-5)
    original[:, :, 1] = 2
    assert tuning.objective(logits, original, [(8,)], 1) > read / 2 + 0.1
    # A text that does not fit is left out.
    assert tuning.objective(logits, logits, [(8, 9, 8, 9)], 1).item() == 0


@pytest.fixture(scope="module")
def characters(tmp_path_factory) -> Path:
    """A zip file like Omniglot's, with one character."""
    file = tmp_path_factory.mktemp("omniglot") / "images_background.zip"
    sheet = np.full((105, 105), 255, np.uint8)
    sheet[20:80, 50:53] = sheet[50:53, 30:70] = 0
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("images_background/Latin/character01/0001_01.png", encode(sheet))
    return file


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A tiny file in the place of the pretrained one."""
    path = tmp_path / "pretrained.onnx"
    onnx.save_model(pretrained(), path)
    return path


@pytest.fixture
def sources(stand_in, cache) -> lines.Sources:
    sha256 = hashlib.sha256(stand_in.read_bytes()).hexdigest()
    return lines.Sources(PRETRAINED._replace(sha256=sha256), generated=cache)


@pytest.fixture
def command(sample_mnist, sources, tmp_path):
    """Run the command; by default, without any file that the repository lacks."""
    options = {
        "data": sample_mnist,
        "runs": tmp_path / "runs",
        "pretrained": tmp_path / "none.onnx",
        "others": tmp_path / "none.zip",
        "threads": 1,
    }

    def run(
        recipe: tuning.Recipe | None = TINY,
        sources: lines.Sources = sources,
        **changed: Path,
    ) -> int:
        words = []
        for name, value in (options | changed).items():
            words += [f"--{name}", f"{value}"]
        if recipe:
            file = tmp_path / "recipe.json"
            file.write_text(json.dumps(asdict(recipe)))
            words += ["--recipe", f"{file}"]
        return lines.main(words, sources)

    return run


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_pretrained_file_makes_the_same_file_twice_which_says_what_it_is_from(
    command, stand_in, characters, tmp_path, capsys
):
    first = tmp_path / "a.onnx"
    second = tmp_path / "b.onnx"
    for output in (first, second):
        assert command(pretrained=stand_in, others=characters, output=output) == 0
    assert first.read_bytes() == second.read_bytes()
    network = LineNetwork(first)
    about = network.metadata
    assert network.spec.characters == CHARACTERS
    assert {*MADE_FROM, "training_data", "mnist_sha256", "seed"} <= about.keys()
    assert "validation_error_percent" in about
    assert not {"created", "tuned_from_sha256", "pictures_sha256"} & about.keys()
    assert about["pretrained_sha256"] == sha256_of(stand_in)
    assert about["others_sha256"] == sha256_of(characters)
    assert json.loads(about["recipe"]) == vars(TINY)
    assert about["epochs"] == "2"
    assert "60 more for something else" in about["architecture"]
    assert f"digits serve --lines-model {second}" in capsys.readouterr().out


@pytest.mark.slow
def test_an_interrupted_command_is_resumed_with_its_pictures(
    command, sources, digits, start, tmp_path, monkeypatch, capsys
):
    shipped = tmp_path / "shipped.onnx"
    whole = tmp_path / "whole.onnx"
    resumed = tmp_path / "resumed.onnx"
    recogniser.save(start, shipped, {"license": "that of the original"})
    sources = replace(sources, shipped=shipped)
    own = labelled_numbers(tmp_path / "own", {"a.png": "+123", "b.png": "56%"}, digits)
    assert command(sources=sources, output=whole, pictures=own) == 0
    next_epoch = lines.next_epoch

    def interrupted_in_the_second(run: Run, *rest) -> dict[str, float]:
        if run.epochs:
            raise KeyboardInterrupt
        return next_epoch(run, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(lines, "next_epoch", interrupted_in_the_second)
        assert command(sources=sources, output=resumed, pictures=own) == 130
    assert not resumed.exists()
    folder = re.search(r"--resume (\S+)", capsys.readouterr().out)[1]
    assert command(None, output=resumed, resume=folder) == 0
    assert resumed.read_bytes() == whole.read_bytes()
    before = Graph(widened(onnx.load(shipped)), LOGITS)
    after = Graph(widened(onnx.load(whole)), LOGITS)
    is_changed = (before[HEAD] != after[HEAD]).any(dim=0)
    assert is_changed[[*map(class_of, "+%")]].all()
    assert not is_changed[[*map(class_of, "£€")]].any()  # which no text contains
    assert LineNetwork(whole).metadata["license"] == "that of the original"


@pytest.mark.slow
def test_the_shipped_network_learns_from_own_pictures_without_any_other_file(
    command, digits, tmp_path
):
    recipe = replace(TINY, lines=8, batch_size=4, rate=2e-5, share=1.0)
    # They show four zeros.
    own = labelled_numbers(tmp_path / "own", {"a.png": "0006", "b.png": "8000"}, digits)
    output = tmp_path / "lines.onnx"
    assert command(recipe, output=output, pictures=own) == 0
    network = LineNetwork(output)
    shipped = LineNetwork(LINES_MODEL)
    about = network.metadata
    assert network.spec == replace(
        shipped.spec,
        confidence_scale=network.spec.confidence_scale,
        confidence_offset=network.spec.confidence_offset,
    )
    for name in MADE_FROM:
        assert about[name] == shipped.metadata[name]
    assert about["tuned_from_sha256"] == sha256_of(LINES_MODEL)
    assert len(about["pictures_sha256"]) == 64
    assert about["training_data"].endswith("lines of other pictures")
    assert "created" not in about
    assert loss_of_own(network, own) < 0.9 * loss_of_own(shipped, own)


def loss_of_own(network: LineNetwork, own: Path) -> float:
    """Compute the mean loss of the lines of own pictures."""
    losses = []
    for line in own_lines.load(own):
        (columns,) = network([line.pixels])
        losses.append(-log_probability(moved(columns, [OTHER], 0), line.symbols))
    return float(np.mean(losses))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "none.onnx: no such file; .*: make train-lines"),
        (
            {"pretrained": Path("pretrained.onnx")},
            r"none.zip: no such file\. .*https://.*: --others FILE",
        ),
        ({"pictures": Path(__file__).parent / "data"}, "holds no picture to train on"),
        ({"recipe": None, "resume": Path(__file__).parent}, "holds no run to resume"),
    ],
)
def test_the_command_stops_with_one_sentence_without_what_it_needs(
    changed, message, command, stand_in, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(stand_in.parent)
    assert command(**changed) == 1
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recipe": None, "pictures": Path()}, "leave out --pictures"),
        ({}, "not allowed with argument"),
    ],
)
def test_a_run_that_is_resumed_has_its_own_recipe_and_pictures(
    changed, message, command, tmp_path, capsys
):
    with pytest.raises(SystemExit):
        command(**changed, resume=tmp_path)
    assert message in capsys.readouterr().err
