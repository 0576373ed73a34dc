"""Request → the picture's bytes, whether they came as a form's field or as the body itself.

The body is counted as it arrives and kept in memory; nothing is written to disk. The declared type only
tells a form from a raw body. Ignores: what the bytes are.

    UploadError
    ├── UploadTooLarge      the body is larger than allowed
    ├── MalformedMultipart  the form cannot be taken apart
    ├── NoFile              there is no field `file`, or it is not a file
    └── SeveralFiles        there is more than one field `file`
"""

from collections.abc import AsyncGenerator

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

FIELD = "file"
MAX_PARTS = 16


class UploadError(Exception):
    """The request carries no picture; the message says why and what to do."""


class UploadTooLarge(UploadError):
    """The body is larger than allowed."""


class MalformedMultipart(UploadError):
    """The form cannot be taken apart."""


class NoFile(UploadError):
    """There is no field `file`, or it is not a file."""


class SeveralFiles(UploadError):
    """There is more than one field `file`."""


async def read_picture(request: Request, max_bytes: int) -> bytes:
    """The bytes of the one picture that a request carries; an UploadError where there is none."""
    body = await read_body(request, max_bytes)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        return await file_field(request.headers, body)
    if not body:
        raise NoFile(f"The request has no body: send a picture as the form field '{FIELD}', or as the body itself.")
    return body


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, given up as soon as it is or declares itself larger than `max_bytes`."""
    too_large = UploadTooLarge(f"The request is larger than {max_bytes:,} bytes: send a smaller picture.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


async def file_field(headers: Headers, body: bytes) -> bytes:
    """The content of the field `file` of a multipart form."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=MAX_PARTS, max_fields=MAX_PARTS)
    parser.spool_max_size = len(body) + 1  # larger than any part: stays in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedMultipart(f"The multipart form is damaged: {error.message.rstrip('.')}.") from error
    try:
        files = form.getlist(FIELD)
        if len(files) > 1:
            raise SeveralFiles(f"The form has {len(files)} fields '{FIELD}': send one picture a request.")
        if not files or not isinstance(files[0], UploadFile):
            raise NoFile(f"The form has no file in its field '{FIELD}': with curl, write -F {FIELD}=@picture.png.")
        return await files[0].read()
    finally:
        await form.close()
