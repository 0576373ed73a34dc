"""Tuning the reader on lines of real digits: learning, resuming, own pictures, and the
command.
"""

import hashlib
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from app.text.ctc import log_probability
from app.text.line_network import LineNetwork
from app.text.line_spec import moved
from support import LINES_MODEL, encode, labelled_numbers
from tensors import as_digits, pretrained
from training import generated, line_pictures, lines, others, recogniser
from training.alphabet import CHARACTERS, OTHER, class_of
from training.generated import lines_of
from training.graph import Graph
from training.line_ink import InkLine, ink_lines
from training.line_writer import SPACE_CLASS
from training.pretrained import widened
from training.recogniser import BIAS, FIRST, HEAD, LOGITS, PRETRAINED, cut
from training.run import Run, fit

TINY = lines.Recipe(lines=32, epochs=2, batch_size=8, rate=0.01, calibration=1)
# Metadata.
MADE_FROM = "architecture", "origin", "license", "pretrained_sha256", "others_sha256"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So that sums, and with them the weights, do not depend on the machine's load."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def sample(shuffled):
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def written(sample) -> list[InkLine]:
    return ink_lines(sample, [], TINY.lines, seed=0)


@pytest.fixture
def start() -> onnx.ModelProto:
    return cut(pretrained(), range(60, 80))


def tuned(
    start: onnx.ModelProto,
    written: list[InkLine],
    folder: Path,
    epochs: int = TINY.epochs,
) -> Run:
    folder.mkdir(exist_ok=True)
    run = lines.setup(TINY, start, folder, map(lines.text_of, written))
    fit(
        run,
        epochs,
        lambda: lines.next_epoch(run, Graph(start, LOGITS), written, [], written[:8]),
    )
    return run


def weights_of(network: torch.nn.Module) -> list[np.ndarray]:
    return [weight.detach().numpy() for weight in network.parameters()]


def test_a_resumed_run_ends_like_an_uninterrupted_one(start, written, tmp_path):
    whole = tuned(start, written, tmp_path / "whole")
    tuned(start, written, tmp_path / "half", 1)
    resumed = tuned(start, written, tmp_path / "half")
    assert resumed.history == whole.history
    for one, other in zip(
        weights_of(resumed.model), weights_of(whole.model), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_rows_that_no_text_contains_keep_their_weights(start, written, tmp_path):
    network, before = tuned(start, written, tmp_path).model, Graph(start, LOGITS)
    symbols = {0, *(symbol for line in written for symbol in lines.text_of(line))}
    unwritten = [row for row in range(len(before[BIAS])) if row not in symbols]
    assert {OTHER, *map(class_of, "+%€")} <= {*unwritten}
    for name in (HEAD, BIAS):
        assert network[name][..., unwritten].equal(before[name][..., unwritten])
        assert (
            (network[name] != before[name])
            .reshape(-1, len(before[BIAS]))
            .any(dim=0)[sorted(symbols)]
            .all()
        )
    assert not network[FIRST].equal(before[FIRST])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 1), (0.5, 0.5)])
def test_mixed_weights_lie_a_share_of_the_way(share, expected, start):
    original, goal = Graph(start, LOGITS), Graph(start, LOGITS)
    with torch.no_grad():
        for weight in goal.parameters():
            weight += 1
    mixed = lines.mixed(original, goal, share)
    for found, before, after in zip(
        *map(weights_of, (mixed, original, goal)), strict=True
    ):
        np.testing.assert_allclose(
            found, before + expected * (after - before), atol=1e-6
        )
        if expected in (0, 1):
            np.testing.assert_array_equal(found, (before, after)[expected])
    assert (
        weights_of(original)[0].tolist() == weights_of(Graph(start, LOGITS))[0].tolist()
    )


def test_something_else_counts_as_blank_in_a_text():
    shares = torch.rand(2, 5, OTHER + 20).softmax(dim=2)
    found = lines.of_alphabet(shares.log()).exp()
    assert found.shape == (2, 5, len(CHARACTERS) + 1)
    torch.testing.assert_close(found[:, :, 1:], shares[:, :, 1:OTHER])
    torch.testing.assert_close(
        found[:, :, 0], shares[:, :, 0] + shares[:, :, OTHER:].sum(dim=2)
    )
    assert lines.text_of(
        InkLine(np.zeros((32, 40), np.uint8), (OTHER, 3, SPACE_CLASS, 4, OTHER))
    ) == (3, SPACE_CLASS, 4)


def test_the_loss_is_ctc_per_symbol_and_the_divergence_from_the_original_answers():
    logits, original = torch.zeros(1, 2, OTHER + 1), torch.zeros(1, 2, OTHER + 1)
    # A 7 in one of two columns, or in both; two classes are blank.
    read = 2 * np.log(OTHER + 1) - np.log(5)
    assert lines.objective(logits, logits, [(8,)], 1).item() == pytest.approx(
        read / 2, abs=1e-5
    )
    original[:, :, 1] = 2
    assert lines.objective(logits, original, [(8,)], 1) > read / 2 + 0.1
    # A text that does not fit is left out.
    assert lines.objective(logits, logits, [(8, 9, 8, 9)], 1).item() == 0


def test_batches_have_similar_widths_and_all_lines_once(written):
    batches = [*lines.batches(written, 8, np.random.default_rng(0))]
    assert sorted(id(line) for batch in batches for line in batch) == sorted(
        map(id, written)
    )
    widths = sorted(sorted(line.mask.shape[1] for line in batch) for batch in batches)
    assert all(narrow[-1] <= wide[0] for narrow, wide in pairwise(widths))


def test_lines_survive_the_cache(sample, written, tmp_path, monkeypatch):
    folder = tmp_path / "generated"
    job = (sample, [], TINY.lines, 0)
    generated.make_file(
        generated.lines_of_ink,
        job,
        folder / generated.name_of(generated.lines_of_ink, *job),
    )
    loaded = lines_of(sample, TINY.lines, 0, [], folder)
    assert all(
        (a.mask == b.mask).all() and a.symbols == b.symbols
        for a, b in zip(loaded, written, strict=True)
    )


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
def command(sample_mnist, cache, tmp_path, monkeypatch):
    """Run the command with tiny recipes; by default, without any file that the
    repository lacks.
    """
    monkeypatch.setattr(generated, "FOLDER", cache)
    # Processes import torch.
    monkeypatch.setattr(
        generated, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1)
    )
    monkeypatch.setattr(lines, "VALIDATION_LINES", 8)
    for name in lines.RECIPES:
        monkeypatch.setitem(lines.RECIPES, name, TINY)
    places = {
        "data": sample_mnist,
        "runs": tmp_path / "runs",
        "pretrained": tmp_path / "none.onnx",
    }
    places |= {"others": tmp_path / "none.zip", "threads": 1}

    def run(*arguments: object, **changed: Path) -> int:
        options = (
            part
            for name, place in (places | changed).items()
            for part in (f"--{name}", str(place))
        )
        return lines.main([*options, *map(str, arguments)])

    return run


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Path:
    """A tiny file in the place of the pretrained one."""
    path = tmp_path / "pretrained.onnx"
    onnx.save_model(pretrained(), path)
    monkeypatch.setattr(
        lines,
        "PRETRAINED",
        PRETRAINED._replace(sha256=hashlib.sha256(path.read_bytes()).hexdigest()),
    )
    monkeypatch.setattr(others, "PICTURES", 10)
    monkeypatch.setattr(others, "ROWS", 60)
    return path


@pytest.mark.slow
def test_from_the_pretrained_file_twice_makes_the_same_file_which_says_what_it_is_made_from(
    command, stand_in, characters, tmp_path, capsys
):
    for name in ("a.onnx", "b.onnx"):
        assert (
            command("--output", tmp_path / name, pretrained=stand_in, others=characters)
            == 0
        )
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    network = LineNetwork(tmp_path / "a.onnx")
    about = network.metadata
    assert network.spec.characters == CHARACTERS
    assert {
        *MADE_FROM,
        "training_data",
        "mnist_sha256",
        "seed",
        "validation_error_percent",
    } <= about.keys()
    assert not {"created", "tuned_from_sha256", "pictures_sha256"} & about.keys()
    assert (
        about["pretrained_sha256"] == hashlib.sha256(stand_in.read_bytes()).hexdigest()
    )
    assert about["others_sha256"] == hashlib.sha256(characters.read_bytes()).hexdigest()
    assert json.loads(about["recipe"]) == vars(TINY)
    assert about["epochs"] == "2"
    assert "60 more for something else" in about["architecture"]
    assert (
        f"digits serve --lines-model {tmp_path / 'b.onnx'}" in capsys.readouterr().out
    )


@pytest.mark.slow
def test_an_interrupted_command_is_resumed_with_its_pictures(
    command, digits, start, tmp_path, monkeypatch, capsys
):
    recogniser.save(
        start, tmp_path / "shipped.onnx", {"license": "that of the original"}
    )
    monkeypatch.setattr(lines, "LINES_MODEL", tmp_path / "shipped.onnx")
    own = labelled_numbers(tmp_path / "own", {"a.png": "+123", "b.png": "56%"}, digits)
    assert command("--output", tmp_path / "whole.onnx", pictures=own) == 0
    next_epoch = lines.next_epoch

    def interrupted_in_the_second(run: Run, *rest) -> dict[str, float]:
        if run.epochs:
            raise KeyboardInterrupt
        return next_epoch(run, *rest)

    monkeypatch.setattr(lines, "next_epoch", interrupted_in_the_second)
    assert command("--output", tmp_path / "resumed.onnx", pictures=own) == 130
    assert not (tmp_path / "resumed.onnx").exists()
    folder = re.search(r"--resume (\S+)", capsys.readouterr().out)[1]
    monkeypatch.setattr(lines, "next_epoch", next_epoch)
    assert command("--output", tmp_path / "resumed.onnx", "--resume", folder) == 0
    assert (tmp_path / "resumed.onnx").read_bytes() == (
        tmp_path / "whole.onnx"
    ).read_bytes()
    before, after = (
        Graph(widened(onnx.load(tmp_path / f"{name}.onnx")), LOGITS)
        for name in ("shipped", "whole")
    )
    # A bias may round to the same 16 bits.
    is_changed = (before[HEAD] != after[HEAD]).any(dim=0)
    assert is_changed[[*map(class_of, "+%")]].all()
    assert not (is_changed | (before[BIAS] != after[BIAS]))[
        [*map(class_of, "£€")]
    ].any()
    assert (
        LineNetwork(tmp_path / "whole.onnx").metadata["license"]
        == "that of the original"
    )


@pytest.mark.slow
def test_the_shipped_network_learns_from_own_pictures_without_the_pretrained_file_and_omniglot(
    command, digits, tmp_path, monkeypatch
):
    monkeypatch.setitem(
        lines.RECIPES,
        "pictures",
        lines.Recipe(
            lines=8, epochs=2, batch_size=4, rate=2e-5, share=1.0, calibration=1
        ),
    )
    # They show four zeros.
    own = labelled_numbers(tmp_path / "own", {"a.png": "0006", "b.png": "8000"}, digits)
    assert command("--output", tmp_path / "lines.onnx", pictures=own) == 0
    network, shipped = LineNetwork(tmp_path / "lines.onnx"), LineNetwork(LINES_MODEL)
    about = network.metadata
    scale, offset = network.spec.confidence_scale, network.spec.confidence_offset
    assert network.spec == replace(
        shipped.spec, confidence_scale=scale, confidence_offset=offset
    )
    assert {name: about[name] for name in MADE_FROM} == {
        name: shipped.metadata[name] for name in MADE_FROM
    }
    assert (
        about["tuned_from_sha256"]
        == hashlib.sha256(LINES_MODEL.read_bytes()).hexdigest()
    )
    assert len(about["pictures_sha256"]) == 64
    assert about["training_data"].endswith("lines of other pictures")
    assert "created" not in about
    before, after = (loss_of_own(each, own) for each in (shipped, network))
    assert after < 0.9 * before


def loss_of_own(network: LineNetwork, own: Path) -> float:
    """Compute the mean loss of the lines of own pictures."""
    found = line_pictures.load(own)
    losses = [
        -log_probability(moved(network(line.pixels), [OTHER], 0), line.symbols)
        for line in found
    ]
    return float(np.mean(losses))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {},
            "none.onnx: no such file; expected PP-OCRv6_rec_small.onnx of rapidocr "
            "3.10.0. .*: make train-lines",
        ),
        (
            {"pretrained": LINES_MODEL},
            "lines.onnx: another network, .* make train-lines",
        ),
        (
            {"pretrained": Path(__file__)},
            "test_train_lines.py: another network, .* make train-lines",
        ),
        (
            {"pretrained": Path("pretrained.onnx")},
            r"none.zip: no such file\. .*https://.*: --others FILE",
        ),
        ({"pictures": Path(__file__).parent / "data"}, "holds no picture to train on"),
        ({"resume": Path(__file__).parent}, "holds no run to resume"),
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


def test_pictures_cannot_be_added_to_a_run_that_is_resumed(command, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command("--resume", pictures=tmp_path)
    assert (
        "--resume uses the pictures of the run that it resumes: leave out --pictures"
        in capsys.readouterr().err
    )
