"""Ink → frames like MNIST's."""

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import MNIST

from app.picture.frame import as_frame, frame_from_ink
from app.picture.maps import PixelBox
from networks import frame_of, reading_of
from pictures import apart, distance, drawing


def test_mnist_digits_pass_through_bit_for_bit(digits, seven):
    for digit in [*digits[::5], seven // 4]:  # the last one stays faint
        reading = reading_of(digit)
        np.testing.assert_array_equal(reading.frame, digit / np.float32(255))
        assert reading.box == PixelBox(0, 28, 0, 28)


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_all_mnist_images_are_frames(mnist_root, train):
    for image in MNIST(mnist_root, train=train).data.numpy():
        assert as_frame(Image.fromarray(image)) is not None


def resized(digit: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(digit).resize((side, side)))


def tiny(digit: np.ndarray) -> np.ndarray:
    image = Image.fromarray(digit[4:24, 4:24])
    return np.asarray(image.resize((10, 10), Image.Resampling.BOX))


NO_FRAMES = {  # and how far their frames may be from the digit's
    "inverted": (lambda seven: 255 - seven, 0.04),
    "moved": (lambda seven: np.roll(seven, (-3, -2), (0, 1)), 0.04),
    "smaller": (lambda seven: np.pad(resized(seven, 20), 4), 0.04),
    "larger": (lambda seven: resized(seven[2:26, 2:26], 28), 0.04),
    "tiny": (tiny, 0.07),
}


@pytest.mark.parametrize("change", NO_FRAMES)
def test_a_small_picture_that_is_no_frame_is_framed(seven, change):
    make, most = NO_FRAMES[change]
    picture = make(seven)
    assert as_frame(Image.fromarray(picture)) is None
    assert apart(frame_of(picture), seven / 255) < most


@pytest.mark.parametrize("scale", [1, 2, 5, 20])
def test_a_drawing_of_any_size_is_framed_as_mnists_digits_were(digits, scale):
    distances = []
    for digit in digits[::25]:
        frame = frame_of(drawing(digit, scale))
        distances.append(distance(frame, digit / 255))
        assert frame.shape == (28, 28)
        assert frame.dtype == np.float32
        assert frame.min() == 0
        assert frame.max() == 1
        for axis in (0, 1):
            profile = frame.sum(axis)
            centre = (np.arange(28) + 0.5) @ profile / profile.sum()
            assert 14 - 1e-4 < centre < 15 + 1e-4
            assert np.ptp(np.flatnonzero(profile > 0.1)) < 20
    assert np.mean(distances) < 0.04


def test_lopsided_ink_is_shrunk_to_fit():
    ink = np.zeros((20, 20), np.float32)
    ink[0, :] = 0.01
    ink[:, 0] = 0.01
    ink[:4, :4] = 1
    frame = frame_from_ink(ink)
    rows, columns = np.nonzero(frame)
    centre = np.average([rows, columns], axis=1, weights=frame[rows, columns])
    assert np.ptp(rows) < 19
    assert centre == pytest.approx((14, 14), abs=1)
