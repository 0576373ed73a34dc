"""Request bodies → the picture's bytes, whatever the form contains and however it arrives."""

import asyncio
import base64
import gc
import gzip
import json
import os
import tracemalloc
import zlib
from contextlib import closing, suppress
from time import perf_counter, thread_time

import pytest
from fastapi import Request
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.metrics import Metrics
from app.settings import Settings
from app.web.admission import Admission
from app.web.bodies import WINDOW_BITS, Body, Inflation
from app.web.errors import (
    MalformedJson,
    MalformedMultipart,
    NoFile,
    NotBase64,
    SeveralFiles,
    UnsupportedEncoding,
    UploadTooLarge,
    WebError,
)
from app.web.uploads import MAX_PARTS, read_picture

SETTINGS = Settings()
METRICS = Metrics({})
ADMISSION = Admission(SETTINGS, METRICS.queue_depth)
FORM = "multipart/form-data; boundary=X"
NAMED = b'Content-Disposition: form-data; name="%s"; filename="a;\\"b.png"\r\nContent-Type: image/png'
# Contents that almost contain the delimiter, and unusual headers.
TRICKY = st.lists(st.sampled_from([b"\r\n", b"--", b"X", b"\r", b"\n", b"-", b"file", b"\x00", b" "]), max_size=8)
CONTENTS = TRICKY.map(b"".join).filter(lambda content: b"\r\n--X" not in b"\r\n" + content)


def part(content: bytes, headers: bytes = NAMED % b"file") -> bytes:
    return b"--X\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def picture_in(*chunks: bytes, content_type: str = FORM, encoding: str = "identity") -> bytes:
    """Read the picture of a request whose body arrives in these chunks."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    async def read() -> bytes:
        headers = [(b"content-type", content_type.encode("latin-1")), (b"content-encoding", encoding.encode())]
        with closing(Body(Request({"type": "http", "headers": headers}, receive), 30, ADMISSION)) as body:
            return await read_picture(body)

    return asyncio.run(read())


@given(CONTENTS, st.lists(CONTENTS, max_size=3), st.data())
@example(b"", [], None)
@example(b"\r\n--", [b"--X"], None)
def test_the_file_is_found_among_other_fields_however_the_body_is_cut(content, others, data):
    body = b"".join(part(other, NAMED % b"field") for other in others) + part(content) + b"--X--\r\n"
    cut = data.draw(st.integers(0, len(body))) if data else 1
    assert picture_in(body[:cut], body[cut:]) == content


@pytest.mark.slow
@pytest.mark.parametrize(("name", "end"), [(b"file", b"--X--\r\n"), (b"other", b"--X--\r\n"), (b"file", b"")])
def test_a_form_is_freed_without_a_garbage_collection(name, end):
    body = part(bytes(5_000_000), NAMED % name) + end
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(2):
            with suppress(WebError):
                picture_in(body)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
        gc.enable()


@given(CONTENTS, st.data())
def test_a_form_that_is_cut_off_is_refused(content, data):
    body = part(content) + b"--X--"
    with pytest.raises(WebError):
        picture_in(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    "headers",
    [
        b'Content-Disposition: form-data; name="file"; filename="7.png"',
        b'content-type: image/png\r\nCONTENT-DISPOSITION:form-data;name=file;filename="\xc3\xa9.png"',
        b"Content-Disposition: form-data; name=file; filename*=UTF-8''7.png; filename=7.png",
        b"Content-Disposition: form-data; filename=7.png; NAME = file",
        b'Content-Disposition: form-data; filename="; name=\\"not\\"; name=that"; name="file"',
    ],
)
def test_the_file_is_found_however_its_headers_are_written(headers):
    assert picture_in(part(b"picture", headers) + b"--X--\r\n") == b"picture"


def test_data_after_the_last_part_is_ignored():
    assert picture_in(part(b"x") + b"--X--\r\nBye.") == b"x"


def test_a_body_that_is_no_form_is_taken_as_the_picture():
    assert picture_in(b"pic", b"ture", content_type="image/png") == b"picture"
    assert picture_in(part(b"x"), content_type="application/x-www-form-urlencoded") == part(b"x")


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"--X--\r\n", NoFile, "no file in its field 'file'"),
        (part(b"x", NAMED % b"picture") + b"--X--", NoFile, "no file in its field 'file'"),
        (part(b"x", b'Content-Disposition: form-data; name="file"') + b"--X--", NoFile, "no file"),
        (part(b"x") * 2 + b"--X--", SeveralFiles, "2 fields 'file'"),
        (part(b"x", NAMED % b"a") * (MAX_PARTS + 1) + b"--X--", MalformedMultipart, "more than 16 parts"),
        (part(b"x", b"Content-Type: image/png") + b"--X--", MalformedMultipart, "damaged .Field name not found"),
        (b"--X\r\n\r\nx\r\n--X--", MalformedMultipart, "damaged"),
        (b"--Y\r\n\r\nx\r\n--Y--", MalformedMultipart, "damaged"),
        (part(b"x"), MalformedMultipart, "is incomplete"),
        (part(b"x", NAMED % b"file" + b"\r\nX-Long: " + b"a" * 1100) + b"--X--", MalformedMultipart, "damaged"),
        (
            part(b"x", NAMED % b"file" + b"\r\nContent-Transfer-Encoding: x") + b"--X--",
            MalformedMultipart,
            "Unknown Co",
        ),
        (part(b"x", NAMED % b"file" + b"\r\nX-A: b" * 20) + b"--X--", MalformedMultipart, "damaged"),
    ],
)
def test_a_form_without_one_picture_is_refused(body, error, message):
    with pytest.raises(error, match=message):
        picture_in(body)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_a_form_whose_boundary_is_missing_or_too_long_is_refused(content_type):
    with pytest.raises(MalformedMultipart):
        picture_in(part(b"x") + b"--X--", content_type=content_type)


def test_a_long_content_type_takes_little_time():
    started = thread_time()
    with pytest.raises(MalformedMultipart):
        picture_in(content_type="multipart/form-data" + ";" * 30_000)
    assert thread_time() - started < 0.01


@pytest.mark.parametrize(
    "body",
    [
        b"--X\r\n" + b"A" * 19_000_000,
        b"--X\r\n" + b"A: b\r\n" * 3_000_000,
        b"--X\r\n" + NAMED % b"file" + b"\r\n\r\n" + b"\r\n--" * 4_000_000,
        b"\r\n--" * 4_000_000,
        b"--X\r\n" + NAMED % b"file" + b"\r\n\r\n" + b"\r\n--Xa" * 3_000_000,
    ],
    ids=[
        "a header without an end",
        "headers without an end",
        "nearly delimiters",
        "nearly delimiters at the start",
        "delimiters that go on",
    ],
)
def test_a_malicious_form_does_not_block_the_event_loop(body):
    chunks = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    started = perf_counter()
    with pytest.raises(MalformedMultipart):
        picture_in(*chunks)
    assert (perf_counter() - started) / len(chunks) < 0.1


JSON = "application/json; charset=utf-8"
ENCODED = base64.b64encode(bytes(range(256)))


@pytest.mark.parametrize(
    "image",
    [ENCODED, b"data:image/png;base64," + ENCODED, b"data:;base64," + ENCODED, base64.encodebytes(bytes(range(256)))],
    ids=["base64", "data URI", "data URI without a type", "lines"],
)
def test_a_picture_may_be_sent_in_json(image):
    body = json.dumps({"name": "7.png", "image": image.decode()}).encode()
    assert picture_in(body[:50], body[50:], content_type=JSON) == bytes(range(256))


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", NoFile, "no body"),
        (b"{}", NoFile, "no member 'image': send {\"image\": "),
        (b'{"image": "https://digits.example/7.png"}', NotBase64, "URLs are not fetched"),
        (b'{"image": "data:image/svg+xml,<svg/>"}', NotBase64, "not in base64"),
        (b'{"image": "AAA"}', NotBase64, "not in base64"),
        (b'{"image": "AA-_"}', NotBase64, "not in base64"),
        (b'{"image": "\xc3\xbc"}', NotBase64, "not in base64"),
        (b'{"image": "\\ud800"}', MalformedJson, "not JSON"),
        (b'{"image": null}', NotBase64, "not in base64"),
        (b'{"image": ["AAAA"]}', NotBase64, "not in base64"),
        (b'"AAAA"', MalformedJson, "not an object"),
        (b"image=AAAA", MalformedJson, "not JSON"),
        (b'{"image": "AAAA"', MalformedJson, "not JSON"),
        (b"\xff\xfe\xfd", MalformedJson, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", MalformedJson, "not JSON"),
        (b"[" * 999, MalformedJson, "not JSON"),
        (b'{"image": "AAAA", "a": [' + b"0," * 1000 + b"0]}", MalformedJson, "more than 1,000 values"),
        (b'{"image": "AAAA", "a": ' + b"[" * 500 + b"]" * 500 + b"}", MalformedJson, "not JSON"),
    ],
)
def test_json_without_a_picture_is_refused(body, error, message):
    with pytest.raises(error, match=message):
        picture_in(body, content_type=JSON)


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"",', b"[", b'{"a":'])
def test_json_of_many_values_takes_little_memory(unit):
    body = b"[" + unit * (19_000_000 // len(unit))
    tracemalloc.start()
    with pytest.raises(MalformedJson, match="more than 1,000 values"):
        picture_in(body, content_type=JSON)
    assert tracemalloc.get_traced_memory()[1] < 3 * len(body)
    tracemalloc.stop()


@pytest.mark.parametrize("character", ["\N{BUG}".encode(), b"\\ud83d\\udc1b"])
def test_large_json_beyond_ascii_is_refused_before_it_is_parsed(character):
    body = b'{"image": "' + b"A" * 1_000_000 + character + b'"}'
    tracemalloc.start()
    with pytest.raises(MalformedJson, match="must be ASCII"):
        picture_in(body, content_type=JSON)
    assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
    tracemalloc.stop()


def test_large_json_may_have_escapes_of_ascii():
    body = b'{"image": "\\u002B' + b"A" * 999_999 + b'"}'  # + as .NET writes it
    assert len(picture_in(body, content_type=JSON)) == 750_000


def test_base64_of_many_words_takes_little_memory():
    body = b'{"image": "' + b"AAAA " * 200_000 + b'"}'
    tracemalloc.start()
    assert picture_in(body, content_type=JSON) == bytes(600_000)
    assert tracemalloc.get_traced_memory()[1] < 7 * len(body)
    tracemalloc.stop()


COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", COMPRESS)
@settings(deadline=None)
@given(content=st.binary(max_size=100) | st.binary(max_size=10).map(lambda some: some * 20_000), data=st.data())
def test_a_compressed_body_is_inflated_however_it_is_cut(encoding, content, data):
    body = COMPRESS[encoding](b"x" + content)
    cut = data.draw(st.integers(0, len(body)))
    assert picture_in(body[:cut], body[cut:], content_type="image/png", encoding=encoding) == b"x" + content


def test_a_compressed_form_is_parsed():
    assert picture_in(gzip.compress(part(b"x") + b"--X--\r\n"), encoding="GZip") == b"x"


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"x", "br", "unknown"),
        (b"x", "gzip, gzip", "unknown"),
        (b"no gzip", "gzip", "damaged"),
        (b"", "gzip", "cut off"),
        (gzip.compress(b"x", mtime=0)[:-1], "gzip", "cut off"),
        (gzip.compress(b"x", mtime=0) + b"x", "gzip", "Something follows"),
        (gzip.compress(b"x", mtime=0)[:-8] + bytes(8), "gzip", "damaged"),
        (zlib.compress(b"x"), "gzip", "damaged"),
        (gzip.compress(b"x", mtime=0), "deflate", "damaged"),
    ],
)
def test_a_body_that_cannot_be_inflated_is_refused(body, encoding, message):
    with pytest.raises(UnsupportedEncoding, match=message):
        picture_in(body, content_type="image/png", encoding=encoding)


def test_what_follows_a_compressed_body_is_not_collected():
    inflation = Inflation(WINDOW_BITS["gzip"])
    with pytest.raises(UnsupportedEncoding, match="Something follows"):
        list(inflation.pieces(gzip.compress(b"x") + b"y"))


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(part(bytes(100_000_000)), compresslevel=1)


@pytest.mark.parametrize("content_type", ["image/png", JSON, FORM])
def test_a_bomb_is_refused_before_it_is_inflated(bomb, content_type):
    assert len(bomb) < 500_000
    tracemalloc.start()
    with pytest.raises(UploadTooLarge):
        picture_in(bomb, content_type=content_type, encoding="gzip")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_compressed_body_may_be_as_large_as_another():
    picture = os.urandom(SETTINGS.max_upload_bytes * 9 // 10)
    assert picture_in(gzip.compress(picture, compresslevel=1), content_type="image/png", encoding="gzip") == picture


def test_compressed_bodies_take_turns():
    """Otherwise, a piece of each would delay all other requests in every iteration of the event loop."""
    body, iteration, pieces = gzip.compress(bytes(1_000_000)), 0, []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def inflate() -> None:
        request = Request({"type": "http", "headers": [(b"content-encoding", b"gzip")]}, receive)
        with closing(Body(request, 30, ADMISSION)) as body:
            await body.read(lambda piece: pieces.append(iteration))

    async def inflate_several() -> None:
        nonlocal iteration
        work = asyncio.gather(*(inflate() for _ in range(4)))
        while not work.done():
            iteration += 1
            await asyncio.sleep(0)

    asyncio.run(inflate_several())
    assert len(pieces) == 4 * 16
    assert len(set(pieces)) == len(pieces)
