"""A text of one digit is read as a digit."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from app.digit.reading import read_digit
from app.picture.opening import open_image
from app.serving.networks import Networks
from app.stopwatch import Stopwatch
from app.text.field import Field
from app.text.reading import AS_WRITTEN, TextOptions
from app.text.transcription import Transcription
from paths import LINES_MODEL, MODEL, PAGES_MODEL
from pictures import encode


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks.load(MODEL, LINES_MODEL, PAGES_MODEL)


def read(
    networks: Networks, digit: np.ndarray, options: TextOptions = AS_WRITTEN
) -> Transcription:
    picture = encode(Image.fromarray(digit))
    return networks.read_text(partial(open_image, picture), options, Stopwatch())


def test_digits_alone_are_read_by_the_dense_network(networks, shuffled):
    right = 0
    for digit, label in zip(*(each[:60] for each in shuffled), strict=True):
        alone = read_digit(encode(Image.fromarray(digit)), *networks[::3])
        both = read(networks, digit)
        assert both.text == str(alone.digit)
        sure = alone.legibility * float(alone.probabilities.max())
        assert both.confidence == pytest.approx(sure)
        right += both.text == str(label)
    assert right >= 59


def test_a_digit_alone_is_all_that_is_in_its_line(networks, seven):
    found = read(networks, seven, TextOptions(alternatives=3))
    (line,) = found.lines
    (digit,) = line.digits
    assert found.text == line.text == "7" == str(digit.digit)
    assert found.confidence == line.confidence > 0.99
    assert line.confidence == digit.legibility * digit.probabilities[7]
    assert line.box == digit.box
    assert digit.frame.shape == (28, 28)
    assert line.alternatives == ()  # none is likely
    assert found.model.count("+") == 2


@pytest.mark.parametrize(
    "field", [Field(characters="14"), Field(format="integer", max=5)]
)
def test_what_is_known_of_a_field_is_not_overruled(networks, seven, field):
    found = read(networks, seven, TextOptions(field))
    assert found.text != "7" or not found.has_format
