"""Fuzzing: damaged pictures, forms and connections always get a timely answer, and
nothing breaks.

`make fuzz` tries 100,000 pictures, 100,000 inference requests, 20,000 numbers, forms
and connections.
"""

import base64
import gzip
import json
import os
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.picture.file_formats import FILE_FORMATS
from pictures import encode, levels_of, load_sheet, number, turned_jpeg
from services import connect, received, serving

pytestmark = [pytest.mark.slow, pytest.mark.alone]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 100))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=EXAMPLES < 1000,
)
FUZZ_FEWER = settings(FUZZ, max_examples=EXAMPLES // 5)

DIGITS = load_sheet()[0]
DIGIT = Image.fromarray(DIGITS[350]).resize((56, 56))
COLOURFUL = Image.merge("RGBA", (DIGIT, DIGIT.rotate(90), DIGIT.rotate(180), DIGIT))
RGB = COLOURFUL.convert("RGB")
PNG = encode(DIGIT)
JPEG = turned_jpeg(RGB, quality=80)
DIGIT_FILES = [
    PNG,
    JPEG,
    encode(COLOURFUL),
    encode(COLOURFUL.convert("P", palette=Image.Palette.ADAPTIVE)),
    encode(np.asarray(DIGIT).astype(np.uint16) * 256),
    encode(RGB, "JPEG", progressive=True),
    encode(COLOURFUL.convert("CMYK"), "JPEG"),
    encode(COLOURFUL, "WEBP", lossless=True),
    *[encode(RGB, format) for format in ("WEBP", "AVIF", "HEIF")],
    encode(DIGIT, "GIF", save_all=True, append_images=[DIGIT.rotate(90)]),
    encode(DIGIT, "BMP"),
    encode(COLOURFUL, "TIFF"),
    encode(DIGIT, "TIFF", compression="tiff_lzw"),
    encode(RGB, "TIFF", compression="jpeg"),
]
NUMBER = number(DIGITS[[350, 120, 0]], DIGITS[[60, 200]], scale=2)
NUMBER_FILES = [encode(NUMBER.convert("RGB"), format) for format in FILE_FORMATS]

DAMAGES = "flip set cut repeat graft end box".split()
BOXES = (
    b"ftyp meta iinf infe iloc iref dimg pitm iprp ipco ipma ispe irot imir clap "
    b"pixi hvcC av1C hvc1 av01 mdat"
).split()


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Generate real files with bytes changed, cut out, repeated or copied."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(DAMAGES)):
            case "flip":
                if data:
                    data[start] ^= 1 << draw(st.integers(0, 7))
            case "set":
                byte = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"]))
                data[start : start + length] = byte * length
            case "cut":
                del data[start : start + length]
            case "repeat":
                times = draw(st.integers(1, 20))
                data[start:start] = data[start : start + length] * times
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
def service() -> Iterator[str]:
    settings = {
        "DIGITS_CLIENT_TIMEOUT_SECONDS": "1",
        "DIGITS_BODY_TIMEOUT_SECONDS": "1",
        "DIGITS_MAX_PIXELS": "1000000",
        "DIGITS_DECODERS": "1",
    }
    with serving(**settings) as (process, url):
        yield url
    # Libraries write nothing there.
    assert all(line.startswith("{") for line in process.log.splitlines())


def answers(url: str, sent: bytes) -> bytes:
    """Send bytes, close the sending side, and return all that the service answers."""
    with connect(url) as client:
        client.settimeout(6)
        # Closed by the service, as for requests that are not HTTP.
        with suppress(ConnectionError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        return received(client)


def head(length: int, *lines: bytes, path: bytes = b"/predict") -> bytes:
    request = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"
    return request % (path, length, b"".join(lines))


def read(url: str, path: bytes, data: bytes) -> dict | None:
    """Send a picture; return the answer, or None if it is refused."""
    answer = answers(url, head(len(data), path=path) + data)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 415", b"HTTP/1.1 422"))
    if not answer.startswith(b"HTTP/1.1 200"):
        return None
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def assert_valid(digit: dict) -> None:
    frame = levels_of(digit["frame"])
    assert frame.shape == (28, 28)
    assert frame.dtype == np.uint8
    assert frame.max() == 255
    assert sum(digit["probabilities"]) == pytest.approx(1, abs=0.001)


@FUZZ
@given(data=damaged(DIGIT_FILES))
def test_a_damaged_picture_is_read_or_refused(data, service):
    if digit := read(service, b"/predict?frame=true", data):
        assert_valid(digit)


@FUZZ_FEWER
@given(data=damaged(DIGIT_FILES + NUMBER_FILES))
def test_a_damaged_picture_is_read_as_a_number_or_refused(data, service):
    if text := read(service, b"/read?frame=true", data):
        assert 0 <= text["confidence"] <= 1
        assert len(text["lines"]) <= 32
        for line in text["lines"]:
            assert line["digits"] or line["marks"]
            for digit in line["digits"]:
                assert_valid(digit)


def form(*parts: bytes) -> bytes:
    delimiter = b"--X\r\nContent-Disposition: form-data; %b\r\n"
    return b"".join(delimiter % part for part in parts) + b"--X--\r\n"


FORM = b"Content-Type: multipart/form-data; boundary=X\r\n"
FORMS = [
    form(b'name="file"; filename="7.png"\r\nContent-Type: image/png\r\n\r\n' + PNG),
    form(
        b'name="a"\r\n\r\nb',
        b'name="file"; filename="7.png"\r\n\r\n' + PNG,
        b'name="c"\r\n\r\nd',
    ),
    form(
        b"name=\"file\"; filename*=UTF-8''%C3%BC.png\r\nContent-Transfer-Encoding: "
        b"base64\r\n\r\n" + PNG
    ),
]


@FUZZ_FEWER
@given(body=damaged(FORMS))
def test_a_damaged_form_is_read_or_refused(body, service):
    answer = answers(service, head(len(body), FORM) + body)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4"))


def inference(*inputs: dict, behind: bytes = b"", **others: object) -> bytes:
    """Build a body of the protocol, preceded by the length of its JSON in 8 digits."""
    content = json.dumps({"inputs": inputs, **others}).encode()
    return b"%08d" % len(content) + content + behind


PICTURE = {"name": "picture", "shape": [2], "datatype": "BYTES"}
TWO = b"".join(len(each).to_bytes(4, "little") + each for each in (PNG, JPEG))
IN_BASE64 = [base64.b64encode(each).decode() for each in (PNG, JPEG)]
PIXELS = {"name": "pixels", "shape": [1, 784], "datatype": "FP32"}
FRAME = (DIGITS[350].ravel() / 255).astype("<f4")
BINARY_OUTPUT = {
    "parameters": {"binary_data_output": True},
    "outputs": [
        {"name": "digit", "parameters": {"binary_data": False}},
        {"name": "legibility"},
    ],
}
INFERENCES = [
    inference(PICTURE | {"parameters": {"binary_data_size": len(TWO)}}, behind=TWO),
    inference(
        PIXELS | {"parameters": {"binary_data_size": 3136}},
        behind=FRAME.tobytes(),
        id="1",
        **BINARY_OUTPUT,
    ),
    inference(PIXELS | {"data": [round(float(value), 2) for value in FRAME]}),
    inference(PICTURE | {"parameters": {"content_type": "base64"}, "data": IN_BASE64}),
]
COMPRESS = {b"identity": bytes, b"gzip": gzip.compress, b"deflate": zlib.compress}


@FUZZ
@given(
    body=damaged(INFERENCES), encoding=st.sampled_from(sorted(COMPRESS)), data=st.data()
)
def test_a_damaged_inference_request_is_answered_or_refused(
    body, encoding, data, service
):
    """The body is damaged before compression, and sometimes after it."""
    length = re.sub(rb"\D", b"", body[:8])
    sent = COMPRESS[encoding](body[8:])
    if sent and data.draw(st.booleans()):
        sent = data.draw(damaged([sent]))
    lines = b"Inference-Header-Content-Length: %b\r\nContent-Encoding: %b\r\n"
    path = b"/v2/models/digits/infer"
    before = head(len(sent), lines % (length, encoding), path=path)
    answer = answers(service, before + sent)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.1 503"))


CONNECTIONS = [
    head(len(PNG), b"Content-Type: image/png\r\n")
    + PNG
    + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    head(len(FORMS[0]), FORM, b"Expect: 100-continue\r\n") + FORMS[0],
    b"POST /predict?frame=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
    b"chunked\r\nConnection: close\r\n\r\n"
    b"5\r\n"
    + PNG[:5]
    + b"\r\n%x\r\n" % (len(PNG) - 5)
    + PNG[5:]
    + b"\r\n0\r\nX-A: b\r\n\r\n",
    head(len(JPEG), b"Content-Type: image/jpeg\r\n", path=b"/explain") + JPEG,
    head(len(NUMBER_FILES[1]), path=b"/read?length=2") + NUMBER_FILES[1],
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
    b"h2c\r\nHTTP2-Settings: AAEA\r\n\r\n",
    b"HEAD /openapi.json HTTP/1.0\r\nX-Request-ID: a\r\nX-API-Key: b\r\n\r\n",
]


@FUZZ_FEWER
@given(sent=damaged(CONNECTIONS))
def test_a_damaged_connection_is_answered_or_closed(sent, service):
    assert b"HTTP/1.1 5" not in answers(service, sent)


def test_the_service_still_works_afterwards(service):
    damaged = bytearray(
        encode(COLOURFUL.resize((1000, 1000)), "TIFF", compression="tiff_lzw")
    )
    damaged[1000:1100] = bytes(100)  # libtiff would write a warning to standard error
    assert read(service, b"/predict", bytes(damaged)) is None
    assert b'"digit":7' in answers(service, head(len(PNG)) + PNG)
