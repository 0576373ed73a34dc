"""Properties that hold for any picture, and for any bytes."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.digit.reading import SIDE, Reading, read_digit
from app.picture.errors import PictureError
from app.text.reading import read_text
from networks import classifier, line_network, reading_of
from pictures import drawing, encode, load_sheet, picture_from_bytes

MODES = ["L", "RGB", "RGBA"]
patient = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# Pillow warns of damaged files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def assert_is_frame(frame: np.ndarray) -> None:
    assert frame.shape == (28, 28)
    assert frame.dtype == np.float32
    assert frame.min() >= 0
    assert frame.max() == pytest.approx(1)
    for axis in (0, 1):
        profile = frame.sum(axis, dtype=np.float64)
        assert 13.5 < (np.arange(28) + 0.5) @ profile / profile.sum() <= 15.5


def assert_has_frame_or_is_refused(data: bytes) -> None:
    started = time.process_time()
    with suppress(PictureError):
        reading = read_digit(data, classifier())
        assert_is_frame(reading.frame)
        picture = picture_from_bytes(data, SIDE)
        top, bottom, left, right = reading.box
        assert 0 <= top < bottom <= picture.height
        assert 0 <= left < right <= picture.width
    assert time.process_time() - started < 2


@patient
@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data):
    assert_has_frame_or_is_refused(data)
    with suppress(PictureError):
        assert 0 <= read_text(data, line_network()).confidence <= 1


@pytest.mark.slow
@patient
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.integers(1, 90),
    st.floats(0, 1),
    st.sampled_from(MODES),
)
def test_any_picture_has_a_frame_or_is_refused(seed, height, width, busy, mode):
    rng = np.random.default_rng(seed)
    is_busy = rng.random((height, width)) < busy
    levels = np.where(is_busy, rng.integers(0, 256, (height, width)), 255)
    picture = scaled(Image.fromarray(levels.astype(np.uint8)), 4)
    assert_has_frame_or_is_refused(encode(picture.convert(mode)))


def fainter_drawing(digit: np.ndarray) -> Image.Image:
    return drawing(digit).point(lambda level: 90 + level // 2)


def scaled(image: Image.Image, factor: float) -> Image.Image:
    size = round(factor * image.width), round(factor * image.height)
    return image.resize(size, Image.Resampling.BICUBIC)


Change = Callable[[np.ndarray], Image.Image]
as_is = Image.fromarray
CHANGES: dict[str, tuple[Change, Change]] = {
    "a margin": (as_is, lambda digit: as_is(np.pad(digit, 10))),
    "inverted": (as_is, lambda digit: as_is(255 - digit)),
    "twice as large": (as_is, lambda digit: scaled(as_is(digit), 2)),
    "drawn": (as_is, drawing),
    "drawn, fainter": (drawing, fainter_drawing),
    "drawn, 0.2 as large": (drawing, lambda digit: scaled(drawing(digit), 0.2)),
}


@cache
def readings(change: Change) -> list[Reading]:
    return [
        reading_of(change(digit), compress_level=1) for digit in load_sheet()[0][::2]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_this_change_affects_neither_the_digit_nor_its_legibility(name):
    before, after = map(readings, CHANGES[name])
    differ = 0
    for one, other in zip(before, after, strict=True):
        is_same = one.probabilities.argmax() == other.probabilities.argmax()
        differ += not is_same or abs(one.legibility - other.legibility) > 0.1
    assert differ <= 0.01 * len(before)
