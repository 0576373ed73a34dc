"""Evidence: how much each patch of a frame supports the digit over the runner-up."""

from collections.abc import Callable

import numpy as np

from app.digit.classifier import Classes
from app.digit.occlusion import evidence
from app.picture.maps import Map


def softmax_of(log_odds: Callable[[Map], np.ndarray]) -> Callable[[Map], Classes]:
    """Make a classifier with these log-odds of 7 against 1."""

    def classify(frames: Map) -> Classes:
        logits = np.zeros((len(frames), 10))
        logits[:, 7] = log_odds(frames)
        odds = np.exp(logits)
        return Classes(
            (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32),
            np.ones(len(frames), np.float32),
        )

    return classify


def test_the_evidence_of_a_linear_classifier_is_its_weights(seven):
    frame = seven / np.float32(255)
    weights = np.random.default_rng(0).normal(0, 0.05, (28, 28))
    linear = softmax_of(lambda frames: (frames * weights).sum(axis=(1, 2)))
    for digit, runner_up, sign in ((7, 1, 1), (1, 7, -1), (3, 5, 0)):
        found = evidence(linear, frame, digit, runner_up)
        by_patch = (frame * weights).reshape(7, 4, 7, 4).sum(axis=(1, 3))
        np.testing.assert_allclose(found, sign * by_patch, atol=1e-5)
