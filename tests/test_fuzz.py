"""Damaged pictures: whatever bytes come, there is a frame or an error of ours. `make fuzz` tries 100,000."""

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.preprocess.errors import PreprocessError
from app.preprocess.pipeline import frame_from_bytes
from support import encode, load_sheet

MAX_PIXELS = 1_000_000
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 300))

DIGIT = Image.fromarray(load_sheet()[0][350]).resize((56, 56))
COLOURFUL = Image.merge("RGBA", (DIGIT, DIGIT.rotate(90), DIGIT.rotate(180), DIGIT))
REAL = [
    encode(DIGIT),
    encode(COLOURFUL),
    encode(COLOURFUL.convert("P", palette=Image.Palette.ADAPTIVE)),
    encode(Image.fromarray(np.asarray(DIGIT).astype(np.uint16) * 256)),
    encode(
        COLOURFUL.convert("RGB"),
        "JPEG",
        quality=80,
        exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0",
    ),
    encode(COLOURFUL.convert("RGB"), "JPEG", progressive=True),
    encode(COLOURFUL.convert("CMYK"), "JPEG"),
    encode(COLOURFUL, "WEBP", lossless=True),
    encode(COLOURFUL.convert("RGB"), "WEBP"),
    encode(COLOURFUL.convert("RGB"), "AVIF"),
    encode(COLOURFUL.convert("RGB"), "HEIF"),
    encode(DIGIT, "GIF", save_all=True, append_images=[DIGIT.rotate(90)]),
    encode(DIGIT, "BMP"),
    encode(COLOURFUL, "TIFF"),
    encode(DIGIT, "TIFF", compression="tiff_lzw"),
    encode(COLOURFUL.convert("RGB"), "TIFF", compression="jpeg"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real picture with bytes flipped, cut out, repeated, or replaced by another picture's."""
    data = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(["flip", "set", "cut", "repeat", "graft", "end"])):
            case "flip":
                if data:
                    data[start] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[start : start + length] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * length
            case "cut":
                del data[start : start + length]
            case "repeat":
                data[start:start] = data[start : start + length] * draw(st.integers(1, 20))
            case "graft":
                other = draw(st.sampled_from(REAL))
                place = draw(st.integers(0, len(other) - 1))
                data[start : start + length] = other[place : place + length]
            case "end":
                del data[start:]
    return bytes(data)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 1000)
@given(damaged())
def test_a_damaged_picture_is_read_or_refused(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what is odd; the service logs it
        try:
            frame = frame_from_bytes(data, MAX_PIXELS)
        except PreprocessError:
            return
    assert frame.shape == (28, 28)
    assert frame.dtype == np.float32
    assert np.isfinite(frame).all()
    assert frame.min() >= 0
    assert frame.max() == pytest.approx(1)
