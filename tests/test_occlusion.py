"""Evidence: how much each patch of a frame supports the digit over the runner-up."""

import numpy as np
import pytest

from app.digit.classifier import Classes
from app.digit.occlusion import evidence
from app.picture.maps import Map

WEIGHTS = np.random.default_rng(0).normal(0, 0.05, (28, 28))


def linear(frames: Map) -> Classes:
    """Classify frames by weights for the log-odds of 7 against any other digit."""
    odds = np.ones((len(frames), 10), np.float32)
    odds[:, 7] = np.exp((frames * WEIGHTS).sum(axis=(1, 2)))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return Classes(probabilities, np.ones(len(frames), np.float32))


@pytest.mark.parametrize(
    ("digit", "runner_up", "sign"), [(7, 1, 1), (1, 7, -1), (3, 5, 0)]
)
def test_the_evidence_of_a_linear_classifier_is_its_weights(
    seven, digit, runner_up, sign
):
    frame = seven / np.float32(255)
    by_patch = (frame * WEIGHTS).reshape(7, 4, 7, 4).sum(axis=(1, 3))
    found = evidence(linear, frame, digit, runner_up)
    np.testing.assert_allclose(found, sign * by_patch, atol=1e-5)
