"""The robustness benchmark reads as the service does, and counts refusals as errors."""

import numpy as np
import pytest

import robustness
from support import encode, flat, frame_of


def test_a_picture_is_read_as_by_the_service(seven, classifier):
    frame, probabilities = robustness.served(encode(seven), classifier)
    np.testing.assert_array_equal(frame, frame_of(seven))
    np.testing.assert_array_equal(probabilities, classifier(frame[None]).probabilities[0])


def test_a_refused_picture_has_no_answer(classifier):
    assert robustness.served(flat(255), classifier) is None


def test_a_squashed_picture_is_light_on_dark(seven, classifier):
    frame, probabilities = robustness.naive(encode(255 - seven), classifier)
    np.testing.assert_allclose(frame, seven / 255, atol=1e-6)
    assert probabilities.argmax() == 7


def test_the_answers_in_a_scene_are_compared_with_the_labels(digits, labels, classifier):
    labels = labels[::50].copy()
    labels[0] = 9
    result = robustness.measure("clean", digits[::50], labels, 0, classifier, robustness.served)
    assert result.answers == list(range(10))
    assert result.wrong.tolist() == [True] + 9 * [False]
    assert robustness.row("clean", result, result).startswith("| clean | 10.0 | 1/10 | 0 | +0.0 | ")


@pytest.mark.slow
def test_a_refused_picture_is_an_error_and_in_the_contact_sheet(digits, labels, classifier, tmp_path):
    def refusing(picture, model):
        return robustness.served(flat(255), model)

    result = robustness.measure("clean", digits[:2], labels[:2], 0, classifier, refusing)
    assert result.answers == [None, None]
    assert result.wrong.all()
    robustness.contact_sheet("clean", digits, labels, 0, result).savefig(tmp_path / "sheet.png")


def test_a_transparent_picture_is_shown_on_grey():
    picture = np.zeros((100, 100, 4), np.uint8)
    picture[[0, 99], [0, 99]] = 255
    assert robustness.thumbnail(encode(picture)).getpixel((50, 50)) == (160, 160, 160, 255)
