"""The line network's opinion on digits that the dense network is not sure of."""

import asyncio

import numpy as np
import onnx
import pytest
from PIL import Image, ImageDraw

from app.inference.classifier import Classifier, ModelError
from app.inference.ctc import BLANK, log_probability
from app.inference.lines import OTHER
from app.inference.networks import Networks
from app.inference.opinion import METADATA, SecondOpinion, Weights, combined, digit_probabilities
from app.inference.reader import Reader
from app.inference.reading import read_digit
from app.inference.transcript import DIGITS, SPACE
from app.preprocess.maps import Box
from app.preprocess.strips import STRIP_HEIGHT
from support import MODEL, drawing, encode


@pytest.fixture(scope="module")
def opinion(classifier, line_network) -> SecondOpinion:
    found = SecondOpinion.of(classifier, line_network)
    assert found
    return found


def small(digit: np.ndarray) -> bytes:
    """Crop a digit so that it is no frame."""
    return encode(np.pad(digit[4:24, 4:24], 2))


def behind_a_grid(digit: np.ndarray) -> bytes:
    """Draw a digit with printed lines through it."""
    sheet = drawing(digit)
    for place in range(20, 600, 90):
        ImageDraw.Draw(sheet).line((place, 0, place, 400), fill=90, width=6)
        ImageDraw.Draw(sheet).line((0, place, 600, place), fill=90, width=6)
    return encode(sheet)


def test_the_probability_of_a_digit_is_that_of_ctc(digits, line_network):
    for digit in digits[::50]:
        output = line_network(255 - np.asarray(Image.fromarray(digit).resize((32, STRIP_HEIGHT))))
        columns = output.copy()
        columns[:, BLANK] += columns[:, OTHER] + columns[:, SPACE]
        expected = [np.exp(log_probability(columns, [symbol])) for symbol in DIGITS]
        np.testing.assert_allclose(digit_probabilities(output), expected, rtol=1e-5, atol=1e-12)


def test_what_the_line_network_sees_counts_by_its_weights():
    shares, weights = np.array([0.6, 0.4, *[0.0] * 8], np.float32), Weights(digit=0.5, scale=1, offset=0, seen=0.5)
    seen = 0.9 * np.eye(10)[[1, 1]]  # a 1, in both strips
    probabilities, legibility = combined(shares, 0.5, seen, weights)
    assert probabilities.argmax() == 1
    assert combined(shares, 0.5, 0 * seen, weights)[1] < legibility < 0.5


def test_it_is_asked_about_unsure_digits_that_are_no_frames(digits, classifier, opinion):
    asked = 0
    for picture in [make(digit) for digit in digits[::10] for make in (encode, small)]:
        alone, both = (read_digit(picture, classifier, opinion=each) for each in (None, opinion))
        if alone.is_sure or alone.box == Box(0, 28, 0, 28):
            np.testing.assert_equal(both[:4], alone[:4])  # frame, box, probabilities and legibility
        else:
            asked += 1
            assert (both.probabilities != alone.probabilities).any()
            assert both.box == alone.box
    assert 0 < asked < 25


def test_digits_behind_a_printed_grid_are_read_with_it(digits, labels, classifier, opinion):
    pictures = [behind_a_grid(digit) for digit in digits[::20]]
    alone, both = (
        [read_digit(picture, classifier, opinion=each).digit for picture in pictures] for each in (None, opinion)
    )
    assert (alone != labels[::20]).sum() > 10
    assert both == labels[::20].tolist()


@pytest.mark.parametrize("make", [small, behind_a_grid])
def test_the_service_asks_in_either_process(digits, classifier, line_network, decoders, opinion, make):
    unsure = next(picture for picture in map(make, digits) if not read_digit(picture, classifier).is_sure)
    reader = Reader(Networks(classifier, line_network, opinion), decoders)
    reading = asyncio.run((reader.read_small if make is small else reader.read_large)(unsure))
    expected = read_digit(unsure, classifier, opinion=opinion)
    np.testing.assert_equal(reading[:4], expected[:4])


@pytest.mark.parametrize("value", [None, "", "1 2 3", "1 2 3 4 5", "1 2 3 x"])
def test_a_file_without_weights_asks_for_none_and_others_are_reported(tmp_path, line_network, value):
    model = onnx.load(MODEL)
    metadata = {entry.key: entry.value for entry in model.metadata_props if entry.key != METADATA}
    onnx.helper.set_model_props(model, metadata if value is None else {**metadata, METADATA: value})
    onnx.save_model(model, tmp_path / "own.onnx")
    own = Classifier(tmp_path / "own.onnx")
    if value is None:
        assert SecondOpinion.of(own, line_network) is None
    else:
        with pytest.raises(ModelError, match=r"second_opinion in its metadata is not 4 numbers\.$"):
            SecondOpinion.of(own, line_network)
