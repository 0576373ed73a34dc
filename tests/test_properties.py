"""What holds for any picture, and for any bytes at all."""

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.inference.reading import Reading, read_bytes
from app.preprocess.errors import PreprocessError
from app.preprocess.frame import frame_from_ink
from support import MAX_PIXELS, apart, classifier, cropped, drawing, encode, frame_of, load_sheet, reading_of

DIGITS = load_sheet()[0]
FILES = [
    encode(drawing(DIGITS[350]), "PNG"),
    encode(drawing(DIGITS[120]), "JPEG"),
    encode(drawing(DIGITS[0]).convert("RGBA"), "WEBP"),
    encode(drawing(DIGITS[200]).convert("P"), "GIF"),
    encode(drawing(DIGITS[250]), "BMP"),
    encode(drawing(DIGITS[300]), "TIFF", compression="tiff_lzw"),
    encode(drawing(DIGITS[450]).convert("RGB"), "AVIF"),
    encode(drawing(DIGITS[450]).convert("RGB"), "HEIF"),
]
some_digit = st.integers(0, 499).map(lambda index: DIGITS[index])
patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged files


def assert_is_frame(frame: np.ndarray) -> None:
    assert (frame.shape, frame.dtype) == ((28, 28), np.float32)
    assert np.isfinite(frame).all()
    assert frame.min() >= 0
    assert frame.max() == pytest.approx(1)
    for axis in (0, 1):
        profile = frame.sum(axis, dtype=np.float64)
        assert 13.5 < (np.arange(28) + 0.5) @ profile / profile.sum() <= 15.5


def frame_or_named_error(data: bytes) -> None:
    started = time.perf_counter()
    try:
        frame = read_bytes(data, classifier(), MAX_PIXELS).frame
    except PreprocessError:
        pass
    else:
        assert_is_frame(frame)
    assert time.perf_counter() - started < 2


@patient
@given(st.binary(max_size=2000))
def test_any_bytes_give_a_frame_or_a_named_error(data):
    frame_or_named_error(data)


@settings(patient, max_examples=300)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_files_give_a_frame_or_a_named_error(data, patches, cut):
    damaged = bytearray(data)
    for place, patch in patches:
        start = int(place * len(damaged))
        damaged[start : start + len(patch)] = patch
    frame_or_named_error(bytes(damaged[: int(cut * len(damaged))] if cut > 0.5 else damaged))


@pytest.mark.slow
@settings(patient, max_examples=200)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.integers(1, 90),
    st.floats(0, 1),
    st.sampled_from(["L", "RGB", "RGBA"]),
)
def test_any_picture_gives_a_frame_or_a_named_error(seed, height, width, busy, mode):
    rng = np.random.default_rng(seed)
    levels = np.where(rng.random((height, width)) < busy, rng.integers(0, 256, (height, width)), 255)
    picture = Image.fromarray(levels.astype(np.uint8)).resize((width * 4, height * 4), Image.Resampling.BICUBIC)
    frame_or_named_error(encode(picture.convert(mode)))


@patient
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
def test_any_ink_becomes_a_frame(seed, height, width):
    rng = np.random.default_rng(seed)
    ink = (rng.random((height, width)) ** rng.uniform(0, 20)).astype(np.float32)
    assert_is_frame(frame_from_ink(ink / ink.max()))


@settings(patient, max_examples=20)
@given(some_digit)
def test_turning_ink_and_ground_around_changes_little(digit):
    assert apart(frame_of(drawing(digit)), frame_of(ImageOps.invert(drawing(digit)))) < 0.05


@settings(patient, max_examples=20)
@given(some_digit, st.integers(1, 300))
def test_more_paper_around_it_does_not_change_the_digit(digit, border):
    sheet = drawing(digit)
    one, other = reading_of(sheet), reading_of(ImageOps.expand(sheet, border, fill=255))
    assert one.probabilities.argmax() == other.probabilities.argmax()
    assert apart(one.frame, other.frame) < 0.12  # it is averaged down by another factor: up to 0.095 of 6,500


@settings(patient, max_examples=20)
@given(some_digit)
def test_twice_the_size_changes_little(digit):
    sheet = drawing(digit)
    assert apart(frame_of(sheet), frame_of(sheet.resize((1200, 800), Image.Resampling.BICUBIC))) < 0.05


@settings(patient, max_examples=20)
@given(some_digit, st.integers(100, 255), st.floats(0.25, 1))
def test_brightness_and_contrast_change_little(digit, paper, contrast):
    sheet = drawing(digit)
    dimmer = sheet.point(lambda level: round(paper * (1 - contrast * (255 - level) / 255)))
    assert apart(frame_of(sheet), frame_of(dimmer)) < 0.05


Change = Callable[[np.ndarray], Image.Image]


def as_is(digit: np.ndarray) -> Image.Image:
    return Image.fromarray(digit)


def drawing_cropped(digit: np.ndarray) -> Image.Image:
    ink = np.asarray(ImageOps.invert(drawing(digit)))
    return Image.fromarray(255 - cropped(np.where(ink > 25, ink, 0).astype(np.uint8)))


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(factor * image.width), round(factor * image.height)), Image.Resampling.BICUBIC)


CHANGES: dict[str, tuple[Change, Change]] = {
    "a margin": (as_is, lambda digit: Image.fromarray(np.pad(digit, 10))),
    "a wide margin": (as_is, lambda digit: Image.fromarray(np.pad(digit, 28))),
    "cropped": (as_is, lambda digit: Image.fromarray(cropped(digit))),
    "inverted": (as_is, lambda digit: Image.fromarray(255 - digit)),
    "cropped and inverted": (as_is, lambda digit: Image.fromarray(255 - cropped(digit))),
    "twice as large": (as_is, lambda digit: scaled(as_is(digit), 2)),
    "drawn": (as_is, drawing),
    "drawn, a margin": (drawing, lambda digit: ImageOps.expand(drawing(digit), 100, fill=255)),
    "drawn, cropped": (drawing, drawing_cropped),
    "drawn, inverted": (drawing, lambda digit: ImageOps.invert(drawing(digit))),
    "drawn, twice as large": (drawing, lambda digit: scaled(drawing(digit), 2)),
    "drawn, 0.7 as large": (drawing, lambda digit: scaled(drawing(digit), 0.7)),
    "drawn, 0.2 as large": (drawing, lambda digit: scaled(drawing(digit), 0.2)),
}


@cache
def readings(change: Change) -> list[Reading]:
    return [reading_of(change(digit)) for digit in DIGITS]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_neither_the_digit_nor_its_legibility_depends_on(name):
    before, after = map(readings, CHANGES[name])
    differ = [
        index
        for index, (one, other) in enumerate(zip(before, after, strict=True))
        if one.probabilities.argmax() != other.probabilities.argmax() or abs(one.legibility - other.legibility) > 0.1
    ]
    assert len(differ) <= 0.01 * len(DIGITS), differ
