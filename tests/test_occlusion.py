"""Evidence: how much each patch of a frame speaks for the digit, against the runner-up."""

from collections.abc import Callable

import numpy as np
import pytest

from app.inference.classifier import Classes
from app.inference.occlusion import evidence, occluded
from app.preprocess.maps import Map


def softmax_of(log_odds: Callable[[Map], np.ndarray]) -> Callable[[Map], Classes]:
    """A classifier with these log-odds of 7 against 1; it counts what it is shown."""

    def classify(frames: Map) -> Classes:
        logits = np.zeros((len(frames), 10))
        logits[:, 7] = log_odds(frames)
        classify.shown.append(len(frames))
        odds = np.exp(logits)
        return Classes((odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), np.ones(len(frames), np.float32))

    classify.shown = []
    return classify


def by_patch(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(7, 4, 7, 4).sum(axis=(1, 3))


@pytest.fixture
def frame(seven) -> Map:
    return seven / np.float32(255)


def test_each_pixel_is_without_ink_in_one_of_49_frames(frame):
    frames = occluded(np.ones_like(frame))
    assert frames.shape == (49, 28, 28)
    np.testing.assert_array_equal((1 - frames).sum(axis=0), np.ones((28, 28)))
    np.testing.assert_array_equal((1 - frames).sum(axis=(1, 2)), np.full(49, 16))
    np.testing.assert_array_equal(frames[7 * 2 + 5, 8:12, 20:24], np.zeros((4, 4)))
    np.testing.assert_array_equal(occluded(frame).max(axis=0), frame)


def test_it_is_known_where_every_pixel_has_its_weight(frame):
    weights = np.random.default_rng(0).normal(0, 0.05, (28, 28))
    found = evidence(softmax_of(lambda frames: (frames * weights).sum(axis=(1, 2))), frame, 7, 1)
    np.testing.assert_allclose(found, by_patch(frame * weights), atol=1e-5)
    assert found.min() < 0 < found.max()


def test_it_is_against_the_runner_up(frame):
    """The same, seen from the other digit, and of two digits that the ink says nothing of."""
    classifier = softmax_of(lambda frames: frames.sum(axis=(1, 2)) / 20)
    np.testing.assert_allclose(evidence(classifier, frame, 1, 7), -by_patch(frame) / 20, atol=1e-5)
    np.testing.assert_allclose(evidence(classifier, frame, 3, 5), np.zeros((7, 7)), atol=1e-9)


def test_one_batch_is_enough(frame):
    classifier = softmax_of(lambda frames: frames.sum(axis=(1, 2)) / 20)
    evidence(classifier, frame, 7, 1)
    assert classifier.shown == [50]


def test_a_patch_without_ink_says_nothing(classifier, digits):
    for digit in digits[::50]:
        found = evidence(classifier, digit / np.float32(255), 7, 1)
        empty = by_patch(digit.astype(int)) == 0
        assert 10 < empty.sum() < 45
        assert (found[empty] == 0).all()
        assert (found[~empty] != 0).sum() > 4


def test_it_says_nothing_even_where_the_network_wavers(frame):
    noise = np.random.default_rng(0)
    found = evidence(softmax_of(lambda frames: noise.normal(0, 1, len(frames))), frame, 7, 1)
    np.testing.assert_array_equal(found == 0, by_patch(frame) == 0)


def test_it_is_finite_where_the_network_is_certain(frame):
    certain = softmax_of(lambda frames: np.where(frames.sum(axis=(1, 2)) < frame.sum(), -200, 200))
    with np.errstate(over="ignore"):
        found = evidence(certain, frame, 7, 1)
    assert np.isfinite(found).all()
    assert found.max() > 100


def test_the_strokes_of_a_digit_speak_for_it(classifier, digits):
    """Taken together, against its runner-up; of the digits that are read right, a few have one patch that outweighs."""
    sums = []
    for digit in digits[::5]:
        frame = digit / np.float32(255)
        read, runner_up = np.argsort(-classifier(frame[np.newaxis]).probabilities[0])[:2]
        sums.append(evidence(classifier, frame, read, runner_up).sum())
    assert np.mean(np.array(sums) > 0) > 0.95


def test_the_bar_of_a_seven_tells_it_from_a_one(classifier, digits):
    sevens = [evidence(classifier, digit / np.float32(255), 7, 1) for digit in digits[350:400]]
    assert np.mean([seven[:3, :4].sum() > 0 for seven in sevens]) > 0.95
