"""The reader's file: cut out of the pretrained recogniser, and stored in 16 bits."""

import numpy as np
import onnx
import pytest

from app.text.line_network import LineNetwork
from tensors import KNOWN, answers, pretrained
from training.pretrained import halved, widened
from training.reader import recogniser
from training.reader.recogniser import LETTERS, STRIP_HEIGHT, cut, most_active
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
    assert stored.ByteSize() < 0.6 * model.ByteSize()
    assert again.graph.node == model.graph.node
    np.testing.assert_allclose(answers(stored, grey), answers(model, grey), atol=0.01)
    np.testing.assert_allclose(answers(again, grey), answers(stored, grey), atol=1e-6)
    assert halved(again) == stored


def test_a_saved_file_says_what_it_is_and_is_served(original, tmp_path):
    recogniser.save(
        cut(original, range(60, 80)), tmp_path / "lines.onnx", {"seed": "7"}
    )
    network = LineNetwork(tmp_path / "lines.onnx")
    assert network.spec.characters == CHARACTERS
    assert network.metadata["seed"] == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["lines.onnx"]
