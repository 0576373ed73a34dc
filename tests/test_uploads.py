"""Request bodies → the picture's bytes, whatever they contain."""

import asyncio
import base64
import gc
import gzip
import json
import os
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import perf_counter, thread_time
from types import SimpleNamespace

import pytest
from fastapi import Request
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.answers import errors
from app.metrics import Metrics
from app.settings import Settings
from app.web.admission import Admission
from app.web.payloads import EncodedPicture, PictureForm, PicturesForm
from app.web.uploads import read_picture

SETTINGS = Settings()
ADMISSION = Admission(SETTINGS, Metrics({}).queue_depth)
SERVICE = SimpleNamespace(settings=SETTINGS, admission=ADMISSION)
MULTIPART = "multipart/form-data"
FORM = f"{MULTIPART}; boundary=X"
JSON = "application/json; charset=utf-8"
RAW = "image/png"
NAMED = (
    b'Content-Disposition: form-data; name="%s"; '
    b'filename="a;\\"b.png"\r\nContent-Type: image/png'
)
END = b"--X--\r\n"
# Contents that almost contain the delimiter, and unusual headers.
TRICKY = st.lists(
    st.sampled_from([b"\r\n", b"--", b"X", b"\r", b"\n", b"-", b"file", b"\x00", b" "]),
    max_size=8,
)
CONTENTS = TRICKY.map(b"".join).filter(
    lambda content: b"\r\n--X" not in b"\r\n" + content
)


def part(content: bytes, headers: bytes = NAMED % b"file") -> bytes:
    return b"--X\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def picture_in(
    *chunks: bytes, content_type: str = FORM, encoding: str = "identity"
) -> bytes:
    """Read the picture of a request whose body arrives in these chunks."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    async def read() -> bytes:
        headers = [
            (b"content-type", content_type.encode("latin-1")),
            (b"content-encoding", encoding.encode()),
        ]
        with ExitStack() as until_sent:
            state = {"service": SERVICE, "until_sent": until_sent}
            scope = {"type": "http", "headers": headers, "state": state}
            return await read_picture(Request(scope, receive))

    return asyncio.run(read())


@pytest.mark.parametrize("model", [EncodedPicture, PictureForm, PicturesForm])
def test_a_picture_is_expected_where_the_openapi_document_says(client, model):
    media_type = "application/json" if model is EncodedPicture else FORM
    path = "/predict/batch" if model is PicturesForm else "/predict"
    answer = client.post(
        path,
        content=b"{}" if media_type != FORM else END,
        headers={"content-type": media_type},
    )
    (name,) = model.model_json_schema()["required"]
    assert f" '{name}'" in answer.json()["detail"]


@given(CONTENTS, st.lists(CONTENTS, max_size=3), st.data())
@example(b"", [], None)
@example(b"\r\n--", [b"--X"], None)
def test_the_file_is_found_among_other_fields_however_the_body_is_cut(
    content, others, data
):
    before = b"".join(part(other, NAMED % b"field") for other in others)
    body = before + part(content) + END
    cut = data.draw(st.integers(0, len(body))) if data else 1
    assert picture_in(body[:cut], body[cut:]) == content


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
@settings(deadline=None)
@given(
    content=st.binary(max_size=100)
    | st.binary(max_size=10).map(lambda some: some * 20_000),
    data=st.data(),
)
def test_a_compressed_body_is_inflated_however_it_is_cut(
    encoding, compress, content, data
):
    body = compress(b"x" + content)
    cut = data.draw(st.integers(0, len(body)))
    picture = picture_in(body[:cut], body[cut:], content_type=RAW, encoding=encoding)
    assert picture == b"x" + content


@given(CONTENTS, st.data())
def test_a_form_that_is_cut_off_is_refused(content, data):
    body = part(content) + b"--X--"
    with pytest.raises(errors.WebError):
        picture_in(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    "headers",
    [
        b'Content-Disposition: form-data; name="file"; filename="7.png"',
        b"content-type: "
        b'image/png\r\nCONTENT-DISPOSITION:form-data;name=file;filename="\xc3\xa9.png"',
        b"Content-Disposition: form-data; name=file; filename*=UTF-8''7.png; "
        b"filename=7.png",
        b"Content-Disposition: form-data; filename=7.png; NAME = file",
        b'Content-Disposition: form-data; filename="; name=\\"not\\"; name=that"; '
        b'name="file"',
    ],
)
def test_the_file_is_found_however_its_headers_are_written(headers):
    assert picture_in(part(b"picture", headers) + END + b"Bye.") == b"picture"


BYTES = bytes(range(256))
ENCODED = base64.b64encode(BYTES).decode()


@pytest.mark.parametrize(
    "image",
    [
        ENCODED,
        "data:image/png;base64," + ENCODED,
        "data:;base64," + ENCODED,
        base64.encodebytes(BYTES).decode(),
    ],
)
def test_a_picture_in_json_may_be_base64_or_a_data_uri(image):
    body = json.dumps({"name": "7.png", "image": image}).encode()
    assert picture_in(body[:50], body[50:], content_type=JSON) == BYTES


def pieces(body: bytes) -> list[bytes]:
    """Cut a body as a server does."""
    return [body[start : start + 65_536] for start in range(0, len(body), 65_536)]


def test_what_is_as_large_as_allowed_is_read():
    picture = os.urandom(SETTINGS.max_upload_bytes * 9 // 10)
    sent = pieces(gzip.compress(picture, compresslevel=0))
    assert picture_in(*sent, content_type=RAW, encoding="gzip") == picture
    assert picture_in(gzip.compress(part(b"x") + END), encoding="GZip") == b"x"
    escaped = b'{"image": "\\u002B' + b"A" * 999_999 + b'"}'  # + as .NET writes it
    assert len(picture_in(escaped, content_type=JSON)) == 750_000


GZIPPED = gzip.compress(b"x", mtime=0)
ENCODED_AS = b"\r\nContent-Transfer-Encoding: %b"
REFUSED = {
    errors.NoFile: [
        (FORM, END, "no file in its field 'file'"),
        (FORM, part(b"x", NAMED % b"picture") + END, "no file in its field 'file'"),
        (
            FORM,
            part(b"x", b'Content-Disposition: form-data; name="file"') + END,
            "no file",
        ),
        (RAW, b"", "no body"),
        (JSON, b"{}", "no member 'image': send {\"image\": "),
    ],
    errors.SeveralFiles: [(FORM, part(b"x") * 2 + END, "2 fields 'file'")],
    errors.MalformedMultipart: [
        (FORM, part(b"x", NAMED % b"a") * 17 + END, "more than 16 parts"),
        (
            FORM,
            part(b"x", b"Content-Type: image/png") + END,
            "damaged .Field name not found",
        ),
        (FORM, b"--X\r\n\r\nx\r\n--X--", "damaged"),
        (FORM, b"--Y\r\n\r\nx\r\n--Y--", "damaged"),
        (FORM, part(b"x"), "is incomplete"),
        (
            FORM,
            part(b"x", NAMED % b"file" + b"\r\nX-Long: " + b"a" * 1100) + END,
            "damaged",
        ),
        (FORM, part(b"x", NAMED % b"file" + b"\r\nX-A: b" * 20) + END, "damaged"),
        (FORM, part(b"x", NAMED % b"file" + ENCODED_AS % b"x") + END, "Unknown Co"),
        (MULTIPART, part(b"x") + END, "damaged"),
        (f"{MULTIPART}; boundary={'x' * 300}", part(b"x") + END, "damaged"),
    ],
    errors.NotBase64: [
        (JSON, b'{"image": "https://digits.example/7.png"}', "URLs are not fetched"),
        (JSON, b'{"image": "data:image/svg+xml,<svg/>"}', "not in base64"),
        (JSON, b'{"image": "AA-_"}', "not in base64"),
        (JSON, b'{"image": "\xc3\xbc"}', "not in base64"),
        (JSON, b'{"image": null}', "not in base64"),
        (JSON, b'{"image": ["AAAA"]}', "not in base64"),
    ],
    errors.MalformedJson: [
        (JSON, b'{"image": "\\ud800"}', "not JSON"),
        (JSON, b'{"image": "AAAA"', "not JSON"),
        (JSON, b'"AAAA"', "not an object"),
        (JSON, b"\xff\xfe\xfd", "not JSON"),
        (JSON, b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (
            JSON,
            b'{"image": "AAAA", "a": [' + b"0," * 1000 + b"0]}",
            "more than 1,000 values",
        ),
        (JSON, b'{"image": "AAAA", "a": ' + b"[" * 500 + b"]" * 500 + b"}", "not JSON"),
    ],
    errors.UnsupportedEncoding: [
        ("br", b"x", "unknown"),
        ("gzip, gzip", b"x", "unknown"),
        ("gzip", b"no gzip", "damaged"),
        ("gzip", b"", "cut off"),
        ("gzip", GZIPPED[:-1], "cut off"),
        ("gzip", GZIPPED + b"x", "Something follows"),
        ("gzip", GZIPPED[:-8] + bytes(8), "damaged"),
        ("deflate", GZIPPED, "damaged"),
    ],
}


@pytest.mark.parametrize("error", REFUSED)
def test_a_body_without_one_picture_is_refused(error):
    for kind, body, message in REFUSED[error]:
        sent = {"content_type": kind}
        if "/" not in kind:
            sent = {"content_type": RAW, "encoding": kind}
        with pytest.raises(error, match=message):
            picture_in(body, **sent)


PART_START = b"--X\r\n" + NAMED % b"file" + b"\r\n\r\n"
NEARLY = {
    "a header without an end": b"--X\r\n" + b"A" * 19_000_000,
    "headers without an end": b"--X\r\n" + b"A: b\r\n" * 3_000_000,
    "nearly delimiters": PART_START + b"\r\n--" * 4_000_000,
    "nearly delimiters at the start": b"\r\n--" * 4_000_000,
    "delimiters that go on": PART_START + b"\r\n--Xa" * 3_000_000,
}


@pytest.mark.parametrize("name", NEARLY)
def test_a_malicious_form_does_not_block_the_event_loop(name):
    chunks = pieces(NEARLY[name])
    started = perf_counter()
    with pytest.raises(errors.MalformedMultipart):
        picture_in(*chunks)
    assert (perf_counter() - started) / len(chunks) < 0.1


def test_a_long_content_type_takes_little_time():
    started = thread_time()
    with pytest.raises(errors.MalformedMultipart):
        picture_in(content_type=MULTIPART + ";" * 30_000)
    assert thread_time() - started < 0.01


@contextmanager
def taking_less_than(limit: int) -> Iterator[None]:
    """Check how much memory is taken, in bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("start", "unit", "end", "message", "times"),
    [
        (b"[", b"[],", b"", "more than 1,000 values", 3),
        (b"[", b"{},", b"", "more than 1,000 values", 3),
        (b"[", b'"",', b"", "more than 1,000 values", 3),
        (b"[", b"[", b"", "more than 1,000 values", 3),
        (b"[", b'{"a":', b"", "more than 1,000 values", 3),
        (b'{"image": "', b"A", '🐛"}'.encode(), "must be ASCII", 2),
        (b'{"image": "', b"A", b'\\ud83d\\udc1b"}', "must be ASCII", 2),
    ],
)
def test_large_json_without_a_picture_is_refused_before_it_takes_memory(
    start, unit, end, message, times
):
    body = start + unit * (19_000_000 // len(unit)) + end
    with (
        taking_less_than(times * len(body)),
        pytest.raises(errors.MalformedJson, match=message),
    ):
        picture_in(body, content_type=JSON)


def test_a_form_is_freed_without_a_garbage_collection():
    large = bytes(2_000_000)
    gc.disable()
    try:
        with taking_less_than(20_000_000):
            other = part(large, NAMED % b"other") + END
            for body in [part(large) + END, other, part(large)] * 10:
                with suppress(errors.WebError):
                    picture_in(body)
    finally:
        gc.enable()
