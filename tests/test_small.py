"""Small images looked at together: the same digits as each looked at by the ways for all kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.preprocess.errors import PreprocessError
from app.preprocess.pieces import SMALL_SIDE
from app.preprocess.pipeline import find_closely, frame_from_image, frames_from_images
from app.preprocess.small import small_digits
from support import load_sheet

DIGITS = load_sheet()[0]
GREY = np.linspace(0, 10, 28).astype(np.uint8)


def assert_found_closely(images: list[Image.Image]) -> int:
    """What is found together is what is found closely; how many are."""
    found = [(image, digit) for image, digit in zip(images, small_digits(images), strict=True) if digit is not None]
    for image, digit in found:
        assert digit.dtype == np.float32
        np.testing.assert_array_equal(digit, find_closely(image))
    return len(found)


def test_mnist_digits_are_found_together():
    images = [Image.fromarray(digit) for digit in DIGITS]
    assert assert_found_closely(images) > 450  # the others have specks


def test_images_may_be_of_any_sizes_and_dark_on_light():
    sizes = [(28, 28), (27, 31), (40, 40), (13, 39), (9, 9)]
    images = [
        Image.fromarray(255 - digit if index % 3 else digit).resize(sizes[index % 5])
        for index, digit in enumerate(DIGITS[::7])
    ]
    assert assert_found_closely(images) > len(images) / 2


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(DIGITS[350]).convert("RGB"),
        Image.fromarray(DIGITS[350]).convert("LA"),
        Image.fromarray(DIGITS[350].astype(np.float32)),
        Image.fromarray(DIGITS[350]).resize((SMALL_SIDE + 1, 28)),
        Image.fromarray(np.maximum(DIGITS[350], GREY)),
        Image.fromarray(np.full((28, 28), 200, np.uint8)),
        Image.fromarray(DIGITS[350] // 100),
        Image.fromarray(np.hstack([DIGITS[350][:, 4:20], DIGITS[350][:, 4:20]])),
    ],
    ids=["colour", "see-through", "numbers", "larger", "uneven ground", "blank", "faint", "two pieces"],
)
def test_what_is_not_simple_is_left_to_others(image):
    alone, between = small_digits([image]), small_digits([Image.fromarray(DIGITS[0]), image])
    assert alone == [None]
    assert between[0] is not None
    assert between[1] is None


def test_ink_of_two_images_is_not_connected():
    bars, bar = np.zeros((28, 28), np.uint8), np.zeros((28, 28), np.uint8)
    bars[8:, [8, 18]] = bar[0, 8:19] = 255
    digits = small_digits([Image.fromarray(bars), Image.fromarray(bar)])
    assert [digit is None for digit in digits] == [True, False]


def some_images(seed: int, count: int) -> list[Image.Image]:
    """Small images of noise, some of it connected, on grounds of noise or of none."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, SMALL_SIDE + 1, 2)
    shape = (count, height, width)
    levels = rng.integers(0, 256) + rng.integers(0, 3) * rng.random(shape)
    levels = np.where(rng.random(shape) < rng.choice([0.01, 0.3, 0.9]), rng.integers(0, 256, shape), levels)
    return [Image.fromarray(each) for each in levels.clip(0, 255).astype(np.uint8)]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_any_images_found_together_are_found_closely(seed, count):
    assert_found_closely(some_images(seed, count))


def test_frames_and_errors_keep_their_places():
    blank, drawn = Image.new("L", (28, 28)), Image.fromarray(DIGITS[350]).resize((300, 300))
    images = [Image.fromarray(DIGITS[0]), blank, drawn, Image.fromarray(DIGITS[120])]
    first, nothing, *others = frames_from_images(images)
    assert isinstance(nothing, PreprocessError)
    np.testing.assert_array_equal([first, *others], [frame_from_image(image) for image in images if image is not blank])
