"""Request → the pictures' bytes, whether they come as a form's fields or as the body itself.

The body is kept in memory; nothing is written to disk. The declared type only tells a form from a raw body.
"""

import math
from typing import Annotated

from fastapi import Depends, Request
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header

from app.web.bodies import read_body
from app.web.errors import MalformedMultipart, NoFile, SeveralFiles, TooManyPictures

FIELD, SEVERAL = "file", "files"  # of a form with one picture, and with several
MAX_PARTS = 16  # beside the pictures, where there may be several
MAX_PICTURES = 256


class Form:
    """The files in one field of a multipart form, parsed as the form arrives, in memory."""

    def __init__(self, boundary: bytes | None, field: str, max_parts: int) -> None:
        self.field = field
        self.max_parts = max_parts
        self.parts = 0
        self.files: list[File] = []
        self.is_complete = False
        config = {"MAX_MEMORY_FILE_SIZE": math.inf}  # else what is larger than 1 MB goes to disk
        self.parser = FormParser("multipart/form-data", self.add, self.add, self.end, boundary, config=config)

    def add(self, part: Field | File) -> None:
        """Note a part that has arrived."""
        self.parts += 1
        if isinstance(part, File) and part.field_name == self.field.encode():
            self.files.append(part)
        check_count(len(self.files))
        if self.parts > self.max_parts:
            raise MalformedMultipart(f"The multipart form has more than {self.max_parts} parts.")

    def end(self) -> None:
        """Note that the last boundary has arrived."""
        self.is_complete = True

    def pictures(self) -> list[bytes]:
        """The content of each file; an UploadError where there is none."""
        if not self.is_complete:
            raise MalformedMultipart("The multipart form does not end: send all of it.")
        if not self.files:
            example = f"-F {self.field}=@picture.png"
            raise NoFile(f"The form has no file in its field '{self.field}': with curl, write {example}.")
        for file in self.files:
            file.file_object.seek(0)
        return [file.file_object.read() for file in self.files]


def check_count(pictures: int) -> None:
    """Raise TooManyPictures where a request has more of them than allowed."""
    if pictures > MAX_PICTURES:
        raise TooManyPictures(f"The request has more than {MAX_PICTURES} pictures: send the others in another one.")


async def read_picture(request: Request) -> bytes:
    """The bytes of the one picture that a request carries; see `read_body` for what it raises."""
    if is_form(request):
        pictures = await read_form(request, FIELD, MAX_PARTS)
        if len(pictures) > 1:
            raise SeveralFiles(f"The form has {len(pictures)} fields '{FIELD}': send one picture a request.")
        return pictures[0]
    body = bytearray()
    await read_body(request, body.extend)
    if not body:
        raise NoFile(f"The request has no body: send a picture as the form field '{FIELD}', or as the body itself.")
    return bytes(body)


async def read_pictures(request: Request) -> list[bytes]:
    """The bytes of all pictures that a form carries; see `read_body` for what it raises."""
    if not is_form(request):
        raise NoFile(f"The request has no form: send the pictures in its field '{SEVERAL}', as curl -F does.")
    return await read_form(request, SEVERAL, MAX_PICTURES + MAX_PARTS)


def is_form(request: Request) -> bool:
    """Whether the body is said to be a form."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    return kind.startswith(b"multipart/")


async def read_form(request: Request, field: str, max_parts: int) -> list[bytes]:
    """The files in one field of a form, at least one."""
    _, options = parse_options_header(request.headers.get("content-type"))
    try:
        form = Form(options.get(b"boundary"), field, max_parts)
        await read_body(request, form.parser.write)
    except FormParserError as error:
        raise MalformedMultipart(f"The multipart form is damaged ({error}): send it as curl -F does.") from error
    return form.pictures()


Picture = Annotated[bytes, Depends(read_picture)]
Pictures = Annotated[list[bytes], Depends(read_pictures)]
