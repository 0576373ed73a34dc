"""The line network's opinion on digits that the dense network is not sure of."""

import asyncio
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageDraw

from app.inference.classifier import Classifier, ModelError
from app.inference.ctc import BLANK, log_probability
from app.inference.decoders import Decoders
from app.inference.lines import OTHER
from app.inference.opinion import METADATA, SecondOpinion, Weights, combined, digit_probabilities
from app.inference.reader import Reader
from app.inference.reading import read_digit
from app.inference.transcript import DIGITS, SPACE
from app.preprocess.decode import Picture
from app.preprocess.maps import Box
from app.preprocess.strips import STRIP_HEIGHT, strips_of_digit
from support import LINES_MODEL, MAX_PIXELS, MODEL, drawing, encode

NONE = Weights(digit=0, scale=1, offset=0, seen=0)


@pytest.fixture(scope="module")
def opinion(classifier, line_network) -> SecondOpinion:
    found = SecondOpinion.of(classifier, line_network)
    assert found
    return found


def with_metadata(path: Path, value: str | None) -> Path:
    """Write a copy of the model file with other weights, or none."""
    model = onnx.load(MODEL)
    for entry in [entry for entry in model.metadata_props if entry.key == METADATA]:
        model.metadata_props.remove(entry)
    if value is not None:
        model.metadata_props.add(key=METADATA, value=value)
    onnx.save_model(model, path)
    return path


def crossed_out_by_a_grid(digit: np.ndarray) -> Image.Image:
    """Draw a digit with printed lines through it."""
    sheet = drawing(digit)
    for place in range(20, 600, 90):
        ImageDraw.Draw(sheet).line((place, 0, place, 400), fill=120, width=4)
        ImageDraw.Draw(sheet).line((0, place, 600, place), fill=120, width=4)
    return sheet


def test_the_probability_of_a_digit_is_that_of_ctc(digits, line_network):
    for digit in digits[::50]:
        output = line_network(255 - np.asarray(Image.fromarray(digit).resize((32, STRIP_HEIGHT))))
        columns = output.copy()
        columns[:, BLANK] += columns[:, OTHER] + columns[:, SPACE]
        expected = [np.exp(log_probability(columns, [symbol])) for symbol in DIGITS]
        np.testing.assert_allclose(digit_probabilities(output), expected, rtol=1e-5, atol=1e-12)


def test_without_weight_the_line_network_has_no_say():
    shares, seen = np.array([0.7, *[0.3 / 9] * 9], np.float32), np.full((2, 10), 0.09)
    probabilities, legibility = combined(shares, 0.8, seen, NONE)
    np.testing.assert_allclose(probabilities, shares, rtol=1e-6)
    assert legibility == pytest.approx(0.8)


def test_what_the_line_network_sees_counts():
    shares, seen = np.array([0.6, 0.4, *[0.0] * 8], np.float32), np.zeros((2, 10))
    seen[:, 1] = 0.9
    weights = NONE._replace(digit=0.5, seen=0.5)
    probabilities, legibility = combined(shares, 0.5, seen, weights)
    assert probabilities.argmax() == 1
    assert probabilities.sum() == pytest.approx(1)
    _, unseen = combined(shares, 0.5, np.zeros((2, 10)), weights)
    assert unseen < legibility < 0.5
    assert 0 < combined(shares, 0.0, seen, weights)[1] < combined(shares, 1.0, seen, weights)[1] < 1


def test_the_strips_are_the_whole_picture_and_the_digit(seven):
    sheet = drawing(seven)
    picture = Picture(sheet.resize((300, 200)), 600, 400, 2.0)
    whole, digit = strips_of_digit(picture, Box(130, 330, 110, 270))
    assert len(whole.pixels) == len(digit.pixels) == STRIP_HEIGHT
    assert whole.box(0, STRIP_HEIGHT, 0, whole.pixels.shape[1]) == Box(0, 400, 0, 600)
    top, bottom, left, right = digit.box(0, STRIP_HEIGHT, 0, digit.pixels.shape[1])
    assert (top, bottom) == (90, 370)  # a fifth of its height more
    assert left < 110 < 270 < right
    (only,) = strips_of_digit(Picture(Image.new("L", (20, 200), 255), 20, 200), Box(10, 40, 2, 12))
    assert len(only.pixels) == STRIP_HEIGHT


@pytest.mark.parametrize("is_frame", [True, False])
def test_a_frame_or_a_sure_digit_is_read_as_without_it(digits, classifier, opinion, is_frame):
    asked = 0
    for digit in digits[::10]:
        picture = encode(digit if is_frame else np.pad(digit[4:24, 4:24], 2))
        alone, both = (read_digit(picture, classifier, opinion=each) for each in (None, opinion))
        if alone.is_sure or is_frame:
            np.testing.assert_array_equal(both.probabilities, alone.probabilities)
            assert both.legibility == alone.legibility
        else:
            asked += 1
            assert (both.probabilities != alone.probabilities).any()
            assert both.box == alone.box
    assert is_frame or 0 < asked < 25


def test_digits_behind_a_printed_grid_are_read_more_often(digits, labels, classifier, opinion):
    pictures = [encode(crossed_out_by_a_grid(digit)) for digit in digits[::5]]
    wrong = [
        sum(
            read_digit(picture, classifier, opinion=each).digit != label
            for picture, label in zip(pictures, labels[::5], strict=True)
        )
        for each in (None, opinion)
    ]
    assert wrong[1] <= wrong[0]
    assert wrong[1] <= 3


@pytest.mark.parametrize("picture", ["small", "large"])
def test_the_service_asks_in_either_process(digits, classifier, line_network, opinion, picture):
    unsure = next(
        encode(sheet)
        for sheet in (
            np.pad(digit[4:24, 4:24], 2) if picture == "small" else crossed_out_by_a_grid(digit) for digit in digits
        )
        if not read_digit(encode(sheet), classifier).is_sure
    )
    decoders = Decoders((MODEL, LINES_MODEL), 1, MAX_PIXELS, 220_000_000, 5.0, pytest.fail)
    reader = Reader(classifier, line_network, decoders, opinion)
    read = reader.read_small if picture == "small" else reader.read_large
    reading, expected = asyncio.run(read(unsure)), read_digit(unsure, classifier, opinion=opinion)
    reader.close()
    assert (reading.digit, reading.legibility) == (expected.digit, expected.legibility)
    np.testing.assert_array_equal(reading.probabilities, expected.probabilities)


def test_a_file_without_weights_asks_for_none(tmp_path, line_network):
    assert SecondOpinion.of(Classifier(with_metadata(tmp_path / "own.onnx", None)), line_network) is None


@pytest.mark.parametrize("value", ["", "1 2 3", "1 2 3 4 5", "1 2 3 x"])
def test_weights_that_are_none_are_reported(tmp_path, line_network, value):
    own = Classifier(with_metadata(tmp_path / "own.onnx", value))
    with pytest.raises(ModelError, match=r"second_opinion in its metadata is not 4 numbers\.$"):
        SecondOpinion.of(own, line_network)
