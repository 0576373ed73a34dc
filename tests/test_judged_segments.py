"""Segments of numbers for training: reproducible from the seed, with labels that the served network agrees with."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.random import Generator

from tensors import as_digits
from training.data import Digits
from training.objective import NONE
from training.segments import Line, is_ambiguous, judge, number, pieces, runs, segments
from training.strokes import felt
from training.writing import FELT, INKED, Hand

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(shuffled) -> Digits:
    return as_digits(*shuffled)


@pytest.fixture(scope="module")
def made(sample) -> tuple[Digits, Digits]:
    return segments(sample, 200, seed=1)


def test_each_class_has_the_requested_number(made):
    whole, none = made
    assert whole.images.shape == none.images.shape == (200, 28, 28)
    assert set(whole.labels.tolist()) == set(range(10))
    assert set(none.labels.tolist()) == {NONE}


def test_segments_depend_only_on_the_seed(sample, made):
    again, other = segments(sample, 200, seed=1), segments(sample, 200, seed=2)
    for first, second, third in zip(made, again, other, strict=True):
        assert first.images.equal(second.images)
        assert not first.images.equal(third.images)


def test_labels_agree_with_the_network(made, classifier):
    whole, none = made
    probabilities, legibility = classifier(whole.images.numpy() / np.float32(255))
    assert (probabilities.argmax(axis=1) == whole.labels.numpy()).mean() >= 0.98
    assert (legibility > 0.5).mean() >= 0.97
    assert (classifier(none.images.numpy() / np.float32(255)).legibility > 0.5).mean() <= 0.2


@pytest.fixture(scope="module")
def writer(digits) -> Hand:
    """A writer of the number 037, slightly slanted."""
    return Hand([felt(digits[place]) for place in (0, 150, 350)], 36, 0.1, FELT)


def lines(writer: Hand) -> Iterator[tuple[Line, Generator]]:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        yield number(writer, np.array([0, 3, 7]), rng), rng


def test_each_pixel_of_a_number_belongs_to_what_was_written_there(writer):
    for line, _ in lines(writer):
        assert line.labels[line.labels != NONE].tolist() == [0, 3, 7]
        assert line.source.max() == len(line.labels)
        assert ((line.source > 0) == (line.ink > 0)).all()
        centres = [
            np.flatnonzero((line.source == index).any(axis=0)).mean() for index in range(1, len(line.labels) + 1)
        ]
        assert centres == sorted(centres)


def test_the_pieces_of_a_line_follow_each_other_along_the_slant(writer):
    for line, rng in lines(writer):
        piece = pieces(line.source, writer, rng)
        assert (np.diff(piece, axis=1) >= 0).all()
        assert (np.diff(piece, axis=0) >= 0).all()  # lower rows lie further to the left without slant
        assert piece.max() + 1 >= len(line.labels)


def test_a_segment_labelled_as_a_digit_has_nearly_all_of_its_ink_and_little_else(writer):
    seen = set()
    for line, rng in lines(writer):
        for segment in runs(line.ink > INKED, pieces(line.source, writer, rng)):
            label = judge(line, segment)
            of_it = line.source == 1 + line.labels.tolist().index(label) if label not in (None, NONE) else None
            if of_it is not None:
                assert line.ink[segment & of_it].sum() >= 0.9 * max(line.ink[of_it].sum(), line.ink[segment].sum())
            seen.add(label)
    assert seen == {0, 3, 7, NONE, None}


def test_all_of_a_line_and_half_a_digit_are_no_digit(writer):
    line, _ = next(lines(writer))
    assert judge(line, line.ink > INKED) == NONE
    columns = np.flatnonzero((line.source == 1).any(axis=0))
    half = (line.source == 1) & (np.arange(line.ink.shape[1]) < columns.mean())
    assert judge(line, half) == NONE


def test_narrow_and_low_segments_are_ambiguous(writer):
    assert not is_ambiguous((36, 20), writer)
    assert is_ambiguous((36, 14), writer)
    assert is_ambiguous((24, 24), writer)
