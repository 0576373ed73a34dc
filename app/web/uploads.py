"""Request → the picture's bytes, whether they come as a form's field or as the body itself.

The body is counted as it arrives and kept in memory; nothing is written to disk. The declared type only tells a form
from a raw body.
"""

import asyncio
import math
from typing import Annotated

from fastapi import Depends, Request
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header

from app.settings import Settings
from app.web.admission import Holding
from app.web.errors import MalformedMultipart, NoFile, SeveralFiles, UploadTooSlow

FIELD = "file"
MAX_PARTS = 16


class Form:
    """The files in a multipart form's field `file`, parsed as the form arrives, in memory."""

    def __init__(self, boundary: bytes | None) -> None:
        self.parts = 0
        self.files: list[File] = []
        self.is_complete = False
        config = {"MAX_MEMORY_FILE_SIZE": math.inf}  # else what is larger than 1 MB goes to disk
        self.parser = FormParser("multipart/form-data", self.add, self.add, self.end, boundary, config=config)

    def add(self, part: Field | File) -> None:
        """Note a part that has arrived."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise MalformedMultipart(f"The multipart form has more than {MAX_PARTS} parts.")
        if isinstance(part, File) and part.field_name == FIELD.encode():
            self.files.append(part)

    def end(self) -> None:
        """Note that the last boundary has arrived."""
        self.is_complete = True

    def picture(self) -> bytes:
        """The content of the one file; an UploadError where there is not exactly one."""
        if not self.is_complete:
            raise MalformedMultipart("The multipart form does not end: send all of it.")
        if len(self.files) > 1:
            raise SeveralFiles(f"The form has {len(self.files)} fields '{FIELD}': send one picture a request.")
        if not self.files:
            raise NoFile(f"The form has no file in its field '{FIELD}': with curl, write -F {FIELD}=@picture.png.")
        self.files[0].file_object.seek(0)
        return self.files[0].file_object.read()


async def read_picture(request: Request) -> bytes:
    """The bytes of the one picture that a request carries.

    Raises UploadError where there is none, Overloaded where bodies take up all the memory that there is for them.
    """
    settings: Settings = request.state.settings
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            return await read_body(request, request.state.holding)
    except TimeoutError as error:
        raise UploadTooSlow(
            f"The request was not complete within {settings.body_timeout_seconds:g} seconds: "
            "send it again, or a smaller picture."
        ) from error
    except FormParserError as error:
        raise MalformedMultipart(f"The multipart form is damaged ({error}): send it as curl -F does.") from error


async def read_body(request: Request, holding: Holding) -> bytes:
    """The body, or the picture in it where it is a form."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    form = Form(options.get(b"boundary")) if kind.startswith(b"multipart/") else None
    body = bytearray()
    async for chunk in request.stream():
        holding.take_bytes(len(chunk))
        if form:
            form.parser.write(chunk)
        else:
            body += chunk
    if not form and not body:
        raise NoFile(f"The request has no body: send a picture as the form field '{FIELD}', or as the body itself.")
    return form.picture() if form else bytes(body)


Picture = Annotated[bytes, Depends(read_picture)]
