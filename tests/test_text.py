"""Numbers made of real digits are read, with each digit's box and probabilities."""

import math

import numpy as np
import pytest

from app.inference.search import LAYOUTS, find
from app.inference.text import proposal_of, text_of
from support import MAX_PIXELS, ROOT, encode


def row(*digits: np.ndarray, gap: int = 8) -> np.ndarray:
    """Put digits side by side, black on white."""
    return 255 - np.concatenate([np.pad(digit, ((8, 8), (gap, gap))) for digit in digits], axis=1)


def read(picture: np.ndarray, classifier, length: int | None = None, closely: bool = True):
    return text_of(find(encode(picture), MAX_PIXELS, LAYOUTS, closely).results, classifier, length)


@pytest.fixture(scope="module")
def clear(digits, labels, classifier) -> list[int]:
    """The digits that are unambiguous."""
    return np.flatnonzero(
        classifier(digits.astype(np.float32) / 255).probabilities[np.arange(len(labels)), labels] > 0.999
    ).tolist()


@pytest.mark.parametrize("closely", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_numbers_are_read(digits, labels, clear, classifier, closely):
    rng, right = np.random.default_rng(0), 0
    for _ in range(40):
        some = rng.choice(clear, rng.integers(1, 6))
        right += read(row(*digits[some]), classifier, closely=closely).text == "".join(map(str, labels[some]))
    assert right >= 39


def test_lines_are_read_from_top_to_bottom(digits, labels, clear, classifier):
    some = clear[::60]
    picture = np.concatenate([row(*digits[some[:3]]), row(*digits[some[3:6]])])
    text = read(picture, classifier)
    assert text.text == "\n".join("".join(map(str, labels[part])) for part in (some[:3], some[3:6]))
    assert text.lines[0].box.bottom <= text.lines[1].box.top


def test_each_digit_is_where_it_was_drawn(digits, labels, clear, classifier):
    some = clear[::50][:4]
    (line,) = read(row(*digits[some]), classifier).lines
    for place, (index, digit) in enumerate(zip(some, line.digits, strict=True)):
        rows, columns = np.nonzero(digits[index] > 60)
        left, right = 44 * place + 8 + columns.min(), 44 * place + 8 + columns.max() + 1
        np.testing.assert_allclose(digit.box, (8 + rows.min(), 9 + rows.max(), left, right), atol=2)
        assert digit.digit == labels[index]
        assert digit.frame.shape == (28, 28)
        assert digit.probabilities.sum() == pytest.approx(1, abs=1e-3)
        assert digit.legibility > 0.5
    assert line.box.left == line.digits[0].box.left
    assert line.box.right == line.digits[-1].box.right


def test_the_confidence_is_the_share_of_the_text_among_all(digits, clear, classifier):
    sure = read(row(*digits[clear[::60][:4]]), classifier)
    assert 0.9 < sure.confidence <= 1
    smeared = row(*digits[clear[::60][:4]])
    smeared[20:24] = 0
    doubtful = read(smeared, classifier)
    assert doubtful.confidence < sure.confidence


def test_a_given_length_is_the_number_of_digits(digits, clear, classifier):
    picture = row(*digits[clear[::60][:4]])
    for length in (1, 2, 3, 4):
        text = read(picture, classifier, length)
        assert len(text.text) == length
    assert text.text == read(picture, classifier).text


def test_a_given_length_is_read_if_only_some_layouts_allow_it(classifier):
    layouts = find((ROOT / "docs/seven.png").read_bytes(), MAX_PIXELS, LAYOUTS, closely=True).results
    assert {proposal_of(layout, classifier, 2).score > -math.inf for layout in layouts} == {True, False}
    assert len(text_of(layouts, classifier, 2).text) == 2


def test_an_impossible_length_has_no_lines(digits, classifier):
    assert read(row(digits[0]), classifier, length=40).lines == ()


def test_a_blank_picture_has_an_empty_text(classifier):
    text = read(np.full((50, 200), 255, np.uint8), classifier)
    assert (text.text, text.lines) == ("", ())
    assert not text.is_sure
