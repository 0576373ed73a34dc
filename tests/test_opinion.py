"""The line network's opinion on digits that the dense network is not sure of."""

import asyncio
import json
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
import torch
from PIL import Image, ImageDraw

from app.digit.classifier import Classifier
from app.digit.opinion import (
    FITTED_WITH,
    WEIGHTS,
    SecondOpinion,
    Seen,
    Weights,
    combined,
    digit_probabilities,
)
from app.digit.reading import AS_USUAL, Reading, read_digit
from app.network import ModelError
from app.serving.networks import Networks
from app.serving.reader import Reader
from app.text.ctc import BLANK, log_probability
from app.text.line_spec import moved
from paths import LINES_MODEL, MODEL
from pictures import drawing, encode
from services import serving
from training.data import Digits
from training.opinion import SURE
from training.writing.scenes import number


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
    spec = line_network.spec
    for digit in digits[::50]:
        image = Image.fromarray(digit).resize((spec.height, spec.height))
        (output,) = line_network([255 - np.asarray(image)])
        columns = moved(output, [spec.gap], BLANK).astype(float)
        logs = [log_probability(columns, [symbol]) for symbol in spec.digits]
        expected = np.exp(logs)
        seen = digit_probabilities(columns[:, spec.digits], columns[:, BLANK])
        np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-12)


def test_what_the_line_network_sees_counts_by_its_weights():
    shares = np.array([0.6, 0.4, *[0.0] * 8], np.float32)
    weights = Weights(0.5, 1, 1, 0, *SURE)
    alone = 0.9 * np.eye(10)[1]
    probabilities, legibility = combined(shares, 0.5, Seen(alone, 0.0), weights)
    _, without_digit = combined(shares, 0.5, Seen(0 * alone, 0.0), weights)
    _, with_several = combined(shares, 0.5, Seen(alone, 0.8), weights)
    assert probabilities.argmax() == 1
    assert without_digit < 0.5 < legibility
    assert with_several == pytest.approx(0.2 * legibility)


def test_it_is_asked_about_doubtful_digits_and_where_there_is_other_ink(
    digits, classifier, opinion
):
    asked = 0
    for picture in [make(digit) for digit in digits[::10] for make in (encode, small)]:
        alone = read_digit(picture, classifier)
        both = read_digit(picture, classifier, opinion)
        assert not alone.has_second_opinion
        is_sure = alone.probabilities.max() >= SURE[0] and alone.legibility >= SURE[1]
        assert both.has_second_opinion or is_sure
        if not both.has_second_opinion:
            # Frame, box, probabilities and legibility.
            np.testing.assert_equal(both[:4], alone[:4])
        else:
            asked += 1
            assert (both.probabilities != alone.probabilities).any()
            assert both.box == alone.box
    assert 0 < asked < 25
    dotted = np.pad(digits[5], 20)
    dotted[55:62, 55:62] = 255
    for digit in (dotted, digits[5]):
        reading = read_digit(encode(drawing(digit)), classifier, opinion)
        assert reading.has_second_opinion == (digit is dotted)


def is_taken_for_a_digit(reading: Reading) -> bool:
    return min(reading.legibility, reading.probabilities.max()) > 0.9


@pytest.mark.slow
def test_a_whole_number_is_no_digit(digits, labels, opinion, classifier):
    written = Digits(torch.from_numpy(digits), torch.from_numpy(labels))
    taken_alone = 0
    for scene in ("canvas", "cheque", "amounts"):
        for index in range(15):
            picture, *_ = number(scene, written, 1, index)
            taken_alone += is_taken_for_a_digit(read_digit(picture, classifier))
            both = read_digit(picture, classifier, opinion)
            assert both.has_several
            assert not is_taken_for_a_digit(both)
    assert taken_alone > 2


@pytest.mark.slow
def test_digits_behind_a_printed_grid_are_read_with_it(
    digits, labels, classifier, opinion
):
    wrong_alone = 0
    wrong_together = 0
    for digit, label in zip(digits[::20], labels[::20], strict=True):
        picture = behind_a_grid(digit)
        wrong_alone += read_digit(picture, classifier).digit != label
        wrong_together += read_digit(picture, classifier, opinion).digit != label
    assert wrong_alone > 10
    assert wrong_together <= 2


@pytest.mark.parametrize("make", [small, behind_a_grid])
def test_the_service_asks_in_either_process(
    digits, classifier, line_network, decoders, opinion, make
):
    pictures = map(make, digits)
    unsure = next(
        each
        for each in pictures
        if read_digit(each, classifier, opinion).has_second_opinion
    )
    reader = Reader(Networks(classifier, line_network, opinion=opinion), decoders)
    opened = reader.open(unsure, AS_USUAL)
    assert opened.is_small == (make is small)
    reading = asyncio.run(opened.read())
    assert reading.model == f"{classifier.version}+{line_network.version}"
    expected = read_digit(unsure, classifier, opinion)
    np.testing.assert_equal(reading[:4], expected[:4])


def own_file(folder: Path, **metadata: str) -> Path:
    """Write the committed file with other metadata."""
    model = onnx.load(MODEL)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    del kept[WEIGHTS], kept[FITTED_WITH]
    onnx.helper.set_model_props(model, kept | metadata)
    file = folder / "own.onnx"
    onnx.save_model(model, file)
    return file


@pytest.mark.parametrize("value", [None, "1 2 3 4 5", "1 2 3 4 5 x"])
def test_weights_that_are_not_six_numbers_are_reported(tmp_path, line_network, value):
    metadata = {FITTED_WITH: line_network.sha256}
    if value is not None:
        metadata[WEIGHTS] = value
    own = Classifier(own_file(tmp_path, **metadata))
    message = r"second_opinion in its metadata is not 6 numbers\. python -m training.op"
    with pytest.raises(ModelError, match=message):
        SecondOpinion.of(own, line_network)


FOR_OTHERS = {
    "no weights": {},
    "weights that name no file": {WEIGHTS: "0.5 1 1 0 0.99 0.95"},
    "weights that name another file": {
        WEIGHTS: "0.5 1 1 0 0.99 0.95",
        FITTED_WITH: 64 * "0",
    },
}


@pytest.mark.parametrize("name", FOR_OTHERS)
def test_without_weights_for_this_line_network_digits_are_read_without_it(
    tmp_path, digits, name
):
    networks = Networks.load(own_file(tmp_path, **FOR_OTHERS[name]), LINES_MODEL)
    assert networks.opinion is None
    assert networks.digit_model == networks.digits.version
    assert networks.about["digits"]["second_opinion_used"] == "no"


@pytest.mark.slow
def test_the_service_answers_without_them_and_says_so_once(tmp_path, digits):
    file = own_file(tmp_path, **FOR_OTHERS["weights that name another file"])
    with serving(DIGITS_MODEL=str(file), WEB_CONCURRENCY="2") as (process, url):
        answer = httpx2.post(f"{url}/predict", content=small(digits[0]), timeout=60)
        models = httpx2.get(f"{url}/health").json()["models"]
        assert answer.json()["model"] == models["digits"]["version"]
    events = [json.loads(line)["event"] for line in process.log.splitlines()]
    (said,) = [event for event in events if "opinion" in event]
    assert said == (
        f"Digits are read without a second opinion, since {file} has no weights for it "
        f"that were fitted with {LINES_MODEL}: python -m training.opinion fits them."
    )
