"""The networks, loaded once, and what they read."""

from functools import cache

import numpy as np
from PIL import Image

from app.digit.classifier import Classifier
from app.digit.reading import Reading, read_digit
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from paths import LINES_MODEL, MODEL, PAGES_MODEL
from pictures import drawing, encode


@cache
def classifier() -> Classifier:
    return Classifier(MODEL)


@cache
def line_network() -> LineNetwork:
    return LineNetwork(LINES_MODEL)


@cache
def page_network() -> PageNetwork:
    return PageNetwork(PAGES_MODEL)


def reading_of(
    image: Image.Image | np.ndarray, format: str = "PNG", **options
) -> Reading:
    """Read a picture, encoded in a format."""
    return read_digit(encode(image, format, **options), classifier())


def frame_of(
    image: Image.Image | np.ndarray, format: str = "PNG", **options
) -> np.ndarray:
    return reading_of(image, format, **options).frame


@cache
def reading_of_drawing(digit: bytes) -> Reading:
    """Read the drawing of a digit, (28, 28) uint8."""
    return reading_of(drawing(np.frombuffer(digit, np.uint8).reshape(28, 28)))
