"""Fuzzing: damaged pictures, forms and connections always get a timely answer, and nothing breaks.

`make fuzz` tries 100,000 pictures, 100,000 inference requests, 20,000 forms and 20,000 connections.
"""

import asyncio
import base64
import gzip
import json
import os
import socket
import time
import warnings
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.inference.classifier import Classifier
from app.inference.decoders import Decoders
from app.inference.lines import LineNetwork
from app.inference.reader import Reader
from app.inference.text import Text
from app.preprocess.errors import PreprocessError
from support import LINES_MODEL, MODEL, encode, load_sheet, number, serving

pytestmark = [pytest.mark.slow, pytest.mark.alone]
MAX_PIXELS, MEMORY_BYTES = 1_000_000, 220_000_000
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 300))

FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 1000
)
FUZZ_FEWER = settings(FUZZ, max_examples=EXAMPLES // 5)

DIGITS = load_sheet()[0]
DIGIT = Image.fromarray(DIGITS[350]).resize((56, 56))
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


NUMBER = number(DIGITS[[350, 120, 0]], DIGITS[[60, 200]], scale=2)
NUMBERS = [
    encode(NUMBER),
    encode(NUMBER, "JPEG", quality=80),
    encode(NUMBER.convert("RGB"), "WEBP"),
    encode(NUMBER.convert("P"), "GIF"),
    encode(NUMBER, "BMP"),
    encode(NUMBER, "TIFF"),
    encode(NUMBER.convert("RGB"), "HEIF"),
]

BOXES = (
    b"ftyp meta iinf infe iloc iref dimg pitm iprp ipco ipma ispe irot imir clap pixi hvcC av1C hvc1 av01 mdat".split()
)


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Generate real files with bytes flipped, cut out, repeated or copied from another, or with a changed HEIF box."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(["flip", "set", "cut", "repeat", "graft", "end", "box"])):
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
                other = draw(st.sampled_from(originals))
                place = draw(st.integers(0, len(other) - 1))
                data[start : start + length] = other[place : place + length]
            case "end":
                del data[start:]
            case "box":  # its length precedes its name; references and sizes follow
                if (box := data.find(draw(st.sampled_from(BOXES)))) > 3:
                    place = box + draw(st.integers(-4, 24))
                    data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
    return bytes(data)


@pytest.fixture(scope="module")
def reader() -> Iterator[tuple[asyncio.Runner, Reader]]:
    """A reader like the service's, and its event loop."""
    with asyncio.Runner() as runner, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warnings, as in the service
        decoders = Decoders((MODEL, LINES_MODEL), 1, MAX_PIXELS, MEMORY_BYTES, 5.0, on_kill=lambda: None)
        reader = Reader(Classifier(MODEL), LineNetwork(LINES_MODEL), decoders)
        yield runner, reader
        reader.close()


@pytest.fixture(scope="module")
def read(reader) -> Callable[[bytes], np.ndarray]:
    """Read a picture's digit; return its frame or an error."""
    runner, reader = reader

    async def frame_of(data: bytes) -> np.ndarray:
        return (await reader.read_small(data) or await reader.read_large(data)).frame

    return lambda data: runner.run(frame_of(data))


@pytest.fixture(scope="module")
def read_text(reader) -> Callable[[bytes], Text]:
    """Read what is written in a picture; return a text or an error."""
    runner, reader = reader
    return lambda data: runner.run(reader.read_text(data))


@FUZZ
@given(data=damaged(REAL))
def test_a_damaged_picture_is_read_or_refused(data, read):
    started = time.perf_counter()
    try:
        frame = read(data)
    except PreprocessError:
        return
    finally:
        assert time.perf_counter() - started < 6
    assert frame.shape == (28, 28)
    assert frame.dtype == np.float32
    assert np.isfinite(frame).all()
    assert frame.min() >= 0
    assert frame.max() == pytest.approx(1)


@FUZZ_FEWER
@given(data=damaged(REAL + NUMBERS))
def test_a_damaged_picture_is_read_as_a_number_or_refused(data, read_text):
    started = time.perf_counter()
    try:
        text = read_text(data)
    except PreprocessError:
        return
    finally:
        assert time.perf_counter() - started < 8
    assert 0 <= text.confidence <= 1
    assert len(text.lines) <= 32
    for line in text.lines:
        assert line.digits or line.marks
        for digit in line.digits:
            assert digit.frame.shape == (28, 28)
            assert np.isfinite(digit.frame).all()
            assert digit.probabilities.sum() == pytest.approx(1, abs=1e-4)


def form(*parts: bytes) -> bytes:
    return b"".join(b"--X\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--X--\r\n"


FORMS = [
    form(b'name="file"; filename="7.png"\r\nContent-Type: image/png\r\n\r\n' + REAL[0]),
    form(b'name="a"\r\n\r\nb', b'name="file"; filename="7.png"\r\n\r\n' + REAL[0], b'name="c"\r\n\r\nd'),
    form(b"name=\"file\"; filename*=UTF-8''%C3%BC.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + REAL[0]),
]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with serving(DIGITS_CLIENT_TIMEOUT_SECONDS="1", DIGITS_BODY_TIMEOUT_SECONDS="1") as (_, url):
        yield url


def answers(url: str, sent: bytes) -> bytes:
    """Send bytes, close the sending side, and return everything that the service answers."""
    host, port = url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=6) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                answer += data
        except ConnectionError:  # closed by the service, as for requests that are not HTTP
            pass
    return answer


def head(length: int, *lines: bytes, path: bytes = b"/predict") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (path, length) + b"".join(lines) + b"\r\n"


@FUZZ_FEWER
@given(body=damaged(FORMS))
def test_a_damaged_form_is_read_or_refused(body, service):
    answer = answers(service, head(len(body), b"Content-Type: multipart/form-data; boundary=X\r\n") + body)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4"))


def inference(request: dict, behind: bytes = b"") -> bytes:
    """Build a body of the Open Inference Protocol, preceded by the length of its JSON in eight digits."""
    content = json.dumps(request).encode()
    return b"%08d" % len(content) + content + behind


PICTURE = {"name": "picture", "shape": [2], "datatype": "BYTES"}
TWO = b"".join(len(each).to_bytes(4, "little") + each for each in (REAL[0], REAL[4]))
FRAME = (DIGITS[350].ravel() / 255).astype("<f4")
PIXELS = {"name": "pixels", "shape": [1, 784], "datatype": "FP32"}
INFERENCES = [
    inference({"inputs": [PICTURE | {"parameters": {"binary_data_size": len(TWO)}}]}, TWO),
    inference(
        {
            "id": "1",
            "parameters": {"binary_data_output": True},
            "inputs": [PIXELS | {"parameters": {"binary_data_size": 3136}}],
            "outputs": [{"name": "digit", "parameters": {"binary_data": False}}, {"name": "legibility"}],
        },
        FRAME.tobytes(),
    ),
    inference({"inputs": [PIXELS | {"data": [round(float(value), 2) for value in FRAME]}]}),
    inference(
        {
            "inputs": [
                PICTURE
                | {
                    "parameters": {"content_type": "base64"},
                    "data": [base64.b64encode(each).decode() for each in (REAL[0], REAL[1])],
                }
            ]
        }
    ),
]
COMPRESS = {b"identity": bytes, b"gzip": gzip.compress, b"deflate": zlib.compress}


@FUZZ
@given(body=damaged(INFERENCES), encoding=st.sampled_from(sorted(COMPRESS)), data=st.data())
def test_a_damaged_inference_request_is_answered_or_refused(body, encoding, data, service):
    """The body is damaged before compression, and sometimes after it."""
    length, sent = bytes(filter(b"0123456789".__contains__, body[:8])), COMPRESS[encoding](body[8:])
    if sent and data.draw(st.booleans()):
        sent = data.draw(damaged([sent]))
    lines = b"Inference-Header-Content-Length: %b\r\nContent-Encoding: %b\r\n" % (length, encoding)
    answer = answers(service, head(len(sent), lines, path=b"/v2/models/digits/infer") + sent)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.1 503"))


CONNECTIONS = [
    head(len(REAL[0]), b"Content-Type: image/png\r\n") + REAL[0] + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    head(len(FORMS[0]), b"Content-Type: multipart/form-data; boundary=X\r\nExpect: 100-continue\r\n") + FORMS[0],
    b"POST /predict?frame=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    b"5\r\n" + REAL[0][:5] + b"\r\n%x\r\n" % (len(REAL[0]) - 5) + REAL[0][5:] + b"\r\n0\r\nX-A: b\r\n\r\n",
    head(len(REAL[4]), b"Content-Type: image/jpeg\r\n", path=b"/explain") + REAL[4],
    b"POST /read?length=2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(NUMBERS[1]) + NUMBERS[1],
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n\r\n",
    b"HEAD /openapi.json HTTP/1.0\r\nX-Request-ID: a\r\nX-API-Key: b\r\n\r\n",
]


@FUZZ_FEWER
@given(sent=damaged(CONNECTIONS))
def test_a_damaged_connection_is_answered_or_closed(sent, service):
    assert b"HTTP/1.1 5" not in answers(service, sent)


def test_the_service_still_works_afterwards(service):
    picture = encode(DIGIT)
    assert b'"digit":7' in answers(service, head(len(picture)) + picture)
