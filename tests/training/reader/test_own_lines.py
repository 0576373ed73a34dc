"""The user's own pictures for training: cut into strips as the service cuts them, with
what their labels say.
"""

import numpy as np
import pytest
import torch

from app.text.line_network import normalised
from pictures import labelled_numbers
from training.errors import TrainingError
from training.reader import own_lines
from training.reader.recogniser import LEAST_CONTRAST, PADDING, STRIP_HEIGHT
from training.writing.alphabet import class_of


def symbols(text: str) -> tuple[int, ...]:
    return tuple(map(class_of, text))


def test_own_pictures_are_cut_into_strips_with_their_text(digits, tmp_path):
    labels = {
        "a.png": "12.5",
        "b.png": "none",
        "c.png": "0000\n0000",
        "d.png": "+5%",
        "e.png": "€ 7",
    }
    own = own_lines.load(labelled_numbers(tmp_path / "own", labels, digits))
    expected = {(), *map(symbols, ("12.5", "0000", "+5%", "€ 7"))}
    assert {line.symbols for line in own} == expected
    assert sum(line.symbols == symbols("0000") for line in own) >= 2
    assert {(line.pixels.dtype, len(line.pixels)) for line in own} == {
        (np.dtype(np.uint8), STRIP_HEIGHT)
    }


def test_own_lines_are_added_to_a_batch_as_the_service_sees_them(digits, tmp_path):
    own = own_lines.load(
        labelled_numbers(tmp_path / "own", {"a.png": "1234", "b.png": "56"}, digits)
    )
    written = torch.rand(2, STRIP_HEIGHT, PADDING)
    strips, texts = own_lines.added(
        written, [(1,), (2,)], own, np.random.default_rng(0)
    )
    assert strips[:2, :, :PADDING].equal(written)
    assert strips[:2, :, PADDING:].abs().sum() == 0
    assert texts[:2] == [(1,), (2,)]
    served = {}
    for line in own:
        strip = normalised(line.pixels, LEAST_CONTRAST)
        served.setdefault(line.symbols, []).append(
            np.pad(strip, ((0, 0), (0, strips.shape[2] - strip.shape[1])))
        )
    assert 2 < len(strips) == len(texts) <= 2 + own_lines.PER_BATCH
    for strip, text in zip(strips[2:], texts[2:], strict=True):
        assert any(np.allclose(strip, expected, atol=1e-5) for expected in served[text])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a.png": "12м"}, "a.png: the label '12м' has 'м', which is not read"),
        ({}, "no picture"),
    ],
)
def test_a_folder_without_labels_that_can_be_written_is_refused(
    labels, message, digits, tmp_path
):
    with pytest.raises(TrainingError, match=message):
        own_lines.load(labelled_numbers(tmp_path / "own", labels, digits))
