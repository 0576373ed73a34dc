"""Request → the picture's bytes, whether they came as a form's field or as the body itself.

The body is counted as it arrives and kept in memory; nothing is written to disk. The declared type only
tells a form from a raw body. Ignores: what the bytes are.

    UploadError
    ├── UploadTooLarge      the body is larger than allowed
    ├── UploadTooSlow       the body is not complete in time
    ├── MalformedMultipart  the form cannot be taken apart
    ├── NoFile              there is no field `file`, or it is not a file
    └── SeveralFiles        there is more than one field `file`
"""

import asyncio
import re
from typing import NamedTuple

from starlette.requests import Request

from app.web.admission import Share

FIELD = "file"
MAX_PARTS = 16
# ;name=token or ;name="quoted string", as in RFC 9110, sections 5.6.4 and 5.6.6
PARAMETER = re.compile(rb';[ \t]*([^=;\s]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*+)"|([^";\s]*))', re.DOTALL)


class UploadError(Exception):
    """The request carries no picture; the message says why and what to do."""


class UploadTooLarge(UploadError):
    """The body is larger than allowed."""


class UploadTooSlow(UploadError):
    """The body is not complete in time."""


class MalformedMultipart(UploadError):
    """The form cannot be taken apart."""


class NoFile(UploadError):
    """There is no field `file`, or it is not a file."""


class SeveralFiles(UploadError):
    """There is more than one field `file`."""


async def read_picture(request: Request, max_bytes: int, timeout_seconds: float, memory: Share) -> bytes:
    """The bytes of the one picture that a request carries; an UploadError where there is none.

    What arrives is taken of `memory`, which raises Overloaded where bodies take up all there is for them.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            body = await read_body(request, max_bytes, memory)
    except TimeoutError as error:
        raise UploadTooSlow(
            f"The request was not complete within {timeout_seconds:g} seconds: send it again, or a smaller picture."
        ) from error
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        return file_field(content_type, body)
    if not body:
        raise NoFile(f"The request has no body: send a picture as the form field '{FIELD}', or as the body itself.")
    return body


async def hung_up(request: Request) -> None:
    """Return when the client of a request whose body was read has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request, max_bytes: int, memory: Share) -> bytes:
    """The whole body, given up as soon as it is or declares itself larger than `max_bytes`."""
    too_large = UploadTooLarge(f"The request is larger than {max_bytes:,} bytes: send a smaller picture.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        memory.take(len(chunk))
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


class Part(NamedTuple):
    """A part of a form: its header Content-Disposition, and what is in it."""

    disposition: bytes
    content: bytes


def file_field(content_type: str, body: bytes) -> bytes:
    """The content of the field `file` of a multipart form."""
    files = []
    for part in form_parts(content_type, body):
        given = parameters(part.disposition)
        if b"name" not in given:
            raise MalformedMultipart("The multipart form is damaged: a part has no name.")
        if given[b"name"] == FIELD.encode():
            files.append((part.content, b"filename" in given or b"filename*" in given))
    if len(files) > 1:
        raise SeveralFiles(f"The form has {len(files)} fields '{FIELD}': send one picture a request.")
    if not files or not files[0][1]:
        raise NoFile(f"The form has no file in its field '{FIELD}': with curl, write -F {FIELD}=@picture.png.")
    return files[0][0]


def form_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart form (RFC 2046, section 5.1.1), at most MAX_PARTS of them.

    The whole body is there, so delimiters are searched for; a parser of bytes as they come takes five times as long.
    """
    boundary = parameters(content_type.encode("latin-1")).get(b"boundary")
    if not boundary:
        raise MalformedMultipart("The multipart form is damaged: its Content-Type has no boundary.")
    delimiter = b"\r\n--" + boundary
    at = -2 if body.startswith(delimiter[2:]) else body.find(delimiter)
    parts: list[Part] = []
    while at != -1:
        begin = at + len(delimiter)
        if body.startswith(b"--", begin):
            return parts
        if len(parts) == MAX_PARTS:
            raise MalformedMultipart(f"The multipart form has more than {MAX_PARTS} parts.")
        head_end = body.find(b"\r\n\r\n", begin)
        at = body.find(delimiter, begin)
        if head_end == -1 or at < head_end + 2:
            break
        parts.append(Part(disposition(body[begin:head_end]), body[head_end + 4 : at]))
    raise MalformedMultipart("The multipart form is damaged: it does not end, or a part has no headers.")


def disposition(headers: bytes) -> bytes:
    """The value of the header Content-Disposition, empty where there is none."""
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            return value.strip()
    return b""


def parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters of a header's value, their names in lower case; what is escaped in them stays so."""
    return {name.lower(): quoted or token for name, quoted, token in PARAMETER.findall(value)}
