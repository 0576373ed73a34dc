"""Evidence: how much each patch of a frame supports the digit over the runner-up."""

from collections.abc import Callable

import numpy as np
import pytest

from app.inference.classifier import Classes
from app.inference.occlusion import evidence, occluded
from app.preprocess.maps import Map


def softmax_of(log_odds: Callable[[Map], np.ndarray]) -> Callable[[Map], Classes]:
    """Make a classifier with these log-odds of 7 against 1, which counts the frames that it is given."""

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


def test_each_pixel_is_occluded_in_one_of_49_frames(frame):
    frames = occluded(np.ones_like(frame))
    assert frames.shape == (49, 28, 28)
    np.testing.assert_array_equal((1 - frames).sum(axis=0), np.ones((28, 28)))
    np.testing.assert_array_equal((1 - frames).sum(axis=(1, 2)), np.full(49, 16))
    np.testing.assert_array_equal(frames[7 * 2 + 5, 8:12, 20:24], np.zeros((4, 4)))
    np.testing.assert_array_equal(occluded(frame).max(axis=0), frame)


def test_the_evidence_of_a_linear_classifier_is_its_weights(frame):
    weights = np.random.default_rng(0).normal(0, 0.05, (28, 28))
    found = evidence(softmax_of(lambda frames: (frames * weights).sum(axis=(1, 2))), frame, 7, 1)
    np.testing.assert_allclose(found, by_patch(frame * weights), atol=1e-5)
    assert found.min() < 0 < found.max()


def test_the_evidence_is_relative_to_the_runner_up(frame):
    """The same evidence from the other digit's side, and for two digits that the ink does not distinguish."""
    classifier = softmax_of(lambda frames: frames.sum(axis=(1, 2)) / 20)
    np.testing.assert_allclose(evidence(classifier, frame, 1, 7), -by_patch(frame) / 20, atol=1e-5)
    np.testing.assert_allclose(evidence(classifier, frame, 3, 5), np.zeros((7, 7)), atol=1e-9)


def test_all_frames_are_classified_in_one_batch(frame):
    classifier = softmax_of(lambda frames: frames.sum(axis=(1, 2)) / 20)
    evidence(classifier, frame, 7, 1)
    assert classifier.shown == [50]


def test_a_patch_without_ink_has_no_evidence(classifier, digits):
    for digit in digits[::50]:
        found = evidence(classifier, digit / np.float32(255), 7, 1)
        empty = by_patch(digit.astype(int)) == 0
        assert 10 < empty.sum() < 45
        assert (found[empty] == 0).all()
        assert (found[~empty] != 0).sum() > 4


def test_a_patch_without_ink_has_no_evidence_even_if_the_network_is_noisy(frame):
    noise = np.random.default_rng(0)
    found = evidence(softmax_of(lambda frames: noise.normal(0, 1, len(frames))), frame, 7, 1)
    np.testing.assert_array_equal(found == 0, by_patch(frame) == 0)


def test_the_evidence_is_finite_for_a_certain_network(frame):
    certain = softmax_of(lambda frames: np.where(frames.sum(axis=(1, 2)) < frame.sum(), -200, 200))
    with np.errstate(over="ignore"):
        found = evidence(certain, frame, 7, 1)
    assert np.isfinite(found).all()
    assert found.max() > 100


def test_the_strokes_of_a_digit_support_it(classifier, digits):
    """In sum, against its runner-up. For a few correctly read digits, one patch outweighs the rest."""
    sums = []
    for digit in digits[::5]:
        frame = digit / np.float32(255)
        read, runner_up = np.argsort(-classifier(frame[np.newaxis]).probabilities[0])[:2]
        sums.append(evidence(classifier, frame, read, runner_up).sum())
    assert np.mean(np.array(sums) > 0) > 0.95


def test_the_bar_of_a_seven_distinguishes_it_from_a_one(classifier, digits):
    sevens = [evidence(classifier, digit / np.float32(255), 7, 1) for digit in digits[350:400]]
    assert np.mean([seven[:3, :4].sum() > 0 for seven in sevens]) > 0.95
