"""Forms, taken apart as the library that parses them byte by byte does."""

from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from app.web.uploads import MAX_PARTS, MalformedMultipart, file_field, form_parts, parameters

TYPE = "multipart/form-data; boundary=X"
NAMED = b'Content-Disposition: form-data; name="%s"; filename="a;\\"b.png"\r\nContent-Type: image/png'
# Contents that are nearly delimiters, and headers that are nearly none.
TRICKY = st.lists(st.sampled_from([b"\r\n", b"--", b"X", b"\r", b"\n", b"-", b"file", b"\x00", b" "]), max_size=8)
CONTENTS = TRICKY.map(b"".join).filter(lambda content: b"\r\n--X" not in b"\r\n" + content)


def form(contents: list[bytes], preamble: bytes = b"") -> bytes:
    parts = (b"--X\r\n" + NAMED % b"field" + b"\r\n\r\n" + content + b"\r\n" for content in contents)
    return preamble + b"".join(parts) + b"--X--\r\n"


def parsed_by_the_library(body: bytes) -> list[bytes]:
    contents: list[bytearray] = []
    callbacks = {
        "on_part_begin": lambda: contents.append(bytearray()),
        "on_part_data": lambda data, start, end: contents[-1].extend(data[start:end]),
    }
    MultipartParser(b"X", callbacks).write(body)
    return [bytes(content) for content in contents]


@given(st.lists(CONTENTS, max_size=MAX_PARTS))
@example([b"", b"\r\n", b"\r\n--"])
def test_parts_are_those_of_the_library(contents):
    parts = form_parts(TYPE, form(contents))
    assert [part.content for part in parts] == contents == parsed_by_the_library(form(contents))
    assert all(part.disposition.startswith(b'form-data; name="field"') for part in parts)


@given(st.lists(CONTENTS, min_size=1, max_size=3), st.data())
def test_a_cut_form_is_damaged_or_a_shorter_one(contents, data):
    body = form(contents)
    cut = body[: data.draw(st.integers(0, len(body) - 4))]  # two bytes of "--X--" and its end of line are enough
    with pytest.raises(MalformedMultipart):
        form_parts(TYPE, cut)


def test_what_stands_before_the_first_part_is_passed_over():
    assert [part.content for part in form_parts(TYPE, form([b"x"], preamble=b"Sent by a mail program.\r\n"))] == [b"x"]


@pytest.mark.parametrize(
    "headers",
    [
        b'Content-Disposition: form-data; name="file"; filename="7.png"',
        b'content-type: image/png\r\nCONTENT-DISPOSITION:form-data;name=file;filename="\xc3\xa9.png"',
        b"Content-Disposition: form-data; name=file; filename*=UTF-8''7.png; filename=7.png",
        b"Content-Disposition: form-data; filename*=UTF-8''7.png; NAME = file",
        b'Content-Disposition: form-data; filename="; name=\\"not\\"; name=that"; name="file"',
    ],
)
def test_the_file_is_found_however_its_headers_are_written(headers):
    assert file_field(TYPE, b"--X\r\n" + headers + b"\r\n\r\npicture\r\n--X--") == b"picture"


@pytest.mark.parametrize("body", [b"--X\r\n\r\nx\r\n--X--", b"--X\r\n\r\n--X--"])
def test_a_part_without_headers_has_no_name(body):
    with pytest.raises(MalformedMultipart, match="no name"):
        file_field(TYPE, body)


def test_headers_end_before_the_next_part():
    with pytest.raises(MalformedMultipart):
        form_parts(TYPE, b"--X\r\nContent-Type: a\r\n--X\r\n" + NAMED % b"file" + b"\r\n\r\nx\r\n--X--")


NAMES = st.text("abcxyz-", min_size=1)
VALUES = st.text("ab;= ,-") | st.text("ab-", min_size=1)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_parameters_are_those_of_the_library(given_ones):
    header = "form-data" + "".join(
        f'; {name}="{value}"' if set(value) & set(";= ,") or not value else f";{name.upper()}={value}"
        for name, value in given_ones.items()
    )
    expected = {name.encode(): value.encode() for name, value in given_ones.items()}
    assert parameters(header.encode()) == expected == parse_options_header(header)[1]


@pytest.mark.parametrize("value", [b';a="', b"; ", b";a ", b';a="' + b"\\" * 99, b";a=" + b" " * 999])
def test_a_header_as_long_as_an_upload_takes_no_time(value):
    started = perf_counter()
    parameters(value * (1_000_000 // len(value)))
    assert perf_counter() - started < 1
