"""The reader's file: cut out of the pretrained recogniser, and stored in 16 bits."""

import numpy as np
import onnx
import pytest

from app.text.line_network import LineNetwork
from paths import LINES_MODEL
from tensors import KNOWN, answers, pretrained
from training.pretrained import HALF, halved, widened
from training.reader import recogniser
from training.reader.recogniser import (
    LETTERS,
    PRETRAINED,
    STRIP_HEIGHT,
    characters_of,
    cut,
    most_active,
)
from training.writing.alphabet import (
    CHARACTERS,
    DEFAULT,
    DIGITS,
    MARKS,
    OTHER,
    SIGNS,
    SPACE,
    class_of,
)

ALL = ["", *KNOWN, " "]  # the characters of the stand-in's rows
MOST = 6_500_000  # bytes


@pytest.fixture
def original() -> onnx.ModelProto:
    return pretrained()


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    return (
        np.random.default_rng(0)
        .normal(0, 0.5, (2, STRIP_HEIGHT, 160))
        .astype(np.float32)
    )


def test_the_alphabet_has_all_of_asciis_signs_and_two_more():
    assert CHARACTERS[: len(DEFAULT)] == DIGITS + MARKS + SPACE
    assert {*CHARACTERS} == {
        chr(code) for code in range(32, 127) if not chr(code).isalpha()
    } | {*"£€"}
    assert len({*CHARACTERS}) == len(CHARACTERS) == OTHER - 1
    assert class_of("0") == 1
    assert {*map(class_of, SIGNS)} == {*range(len(DEFAULT) + 1, OTHER)}


def test_each_row_has_its_character(original):
    assert characters_of(original) == ALL


def test_the_cut_network_gives_the_answers_of_the_pretrained_one_for_a_grey_strip(
    original, grey
):
    known = [0, *map(ALL.index, CHARACTERS)]
    others = [row for row in range(len(ALL)) if row not in known]
    in_colour = answers(original, np.repeat(grey[:, None], 3, axis=1))
    found = answers(cut(original, others), grey)
    assert found.shape == (2, 20, OTHER + 1)
    np.testing.assert_allclose(found[:, :, :OTHER], in_colour[:, :, known], atol=1e-5)
    np.testing.assert_allclose(
        found[:, :, OTHER], in_colour[:, :, others].sum(axis=2), atol=1e-5
    )


def test_something_else_is_the_sum_of_the_chosen_rows_and_the_rest_is_gone(
    original, grey
):
    others = [ALL.index(character) for character in "Aя甲"]
    rows = [0, *map(ALL.index, CHARACTERS), *others]
    shares = answers(original, np.repeat(grey[:, None], 3, axis=1))[:, :, rows]
    shares /= shares.sum(axis=2, keepdims=True)
    found = answers(cut(original, others), grey)
    np.testing.assert_allclose(
        found[:, :, OTHER], shares[:, :, OTHER:].sum(axis=2), atol=1e-5
    )
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)


def test_all_letters_and_the_most_active_rows_stand_for_something_else():
    shares = np.full((3, len(ALL)), 0.01, np.float32)
    shares[:, [*map(ALL.index, LETTERS)]] = 0  # the least active ones
    shares[0, ALL.index("甲")] = 0.5
    shares[:, ALL.index("я")] = 0.1
    # Neither the blank nor characters of the alphabet.
    shares[:, [0, *map(ALL.index, "7.")]] = 1
    chosen = most_active(shares, ALL, len(LETTERS) + 2)
    assert chosen == sorted(chosen)
    assert {ALL[row] for row in chosen} == {*LETTERS, *"甲я"}


def test_weights_in_16_bits_are_the_same_network_almost(original, grey):
    model = cut(original, range(60, 80))
    stored = halved(model)
    again = widened(stored)
    onnx.checker.check_model(stored)
    assert stored.ByteSize() < 0.6 * model.ByteSize()
    assert again.graph.node == model.graph.node
    assert [t.name for t in again.graph.initializer] == [
        t.name for t in model.graph.initializer
    ]
    assert [t.data_type for t in again.graph.initializer] == [
        t.data_type for t in model.graph.initializer
    ]
    np.testing.assert_allclose(answers(stored, grey), answers(model, grey), atol=0.01)
    np.testing.assert_allclose(answers(again, grey), answers(stored, grey), atol=1e-6)
    assert halved(again) == stored


def test_the_shipped_file_is_small_and_has_weights_in_16_bits():
    assert LINES_MODEL.stat().st_size <= MOST
    shipped = onnx.load(LINES_MODEL)
    stored = [
        tensor for tensor in shipped.graph.initializer if tensor.name.endswith(HALF)
    ]
    assert len(stored) > 100
    assert {tensor.data_type for tensor in stored} == {onnx.TensorProto.FLOAT16}
    assert not any(
        tensor.name.endswith(HALF) for tensor in widened(shipped).graph.initializer
    )


def test_the_shipped_file_has_the_alphabet(line_network):
    spec = line_network.spec
    assert (spec.characters, spec.marks, spec.space) == (CHARACTERS, MARKS, SPACE)


def test_a_saved_file_says_what_it_is_and_is_served(original, tmp_path):
    recogniser.save(
        cut(original, range(60, 80)), tmp_path / "lines.onnx", {"seed": "7"}
    )
    network = LineNetwork(tmp_path / "lines.onnx")
    spec = network.spec
    assert (spec.height, spec.stride, spec.padding, spec.least_contrast) == (
        48,
        8,
        160,
        8,
    )
    assert (spec.characters, spec.marks, spec.space, spec.threshold) == (
        CHARACTERS,
        MARKS,
        SPACE,
        0.5,
    )
    assert network.metadata["seed"] == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["lines.onnx"]


@pytest.mark.slow
@pytest.mark.skipif(
    not PRETRAINED.file.is_file(),
    reason=f"needs {PRETRAINED.name}: make {PRETRAINED.target}",
)
def test_the_pretrained_file_is_cut_with_its_answers(grey):
    original = PRETRAINED.read(PRETRAINED.file)
    characters = characters_of(original)
    known = [0, *map(characters.index, CHARACTERS)]
    others = [row for row in range(len(characters)) if row not in known]
    in_colour = answers(original, np.repeat(grey[:, None], 3, axis=1))
    np.testing.assert_allclose(
        answers(cut(original, others), grey)[:, :, :OTHER],
        in_colour[:, :, known],
        atol=1e-4,
    )
