"""Request → the pictures' bytes, whether they come as a form's fields, in JSON or as the body itself.

The body is kept in memory; nothing is written to disk. The declared type only tells forms and JSON from a raw body.
"""

import base64
import math
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic_core import from_json
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header

from app.web.bodies import read_body
from app.web.errors import MalformedJson, MalformedMultipart, NoFile, NotBase64, SeveralFiles, TooManyPictures

MULTIPART, JSON = b"multipart/", b"application/json"  # the beginning of a type, and a type
FIELD, SEVERAL = "file", "files"  # of a form with one picture, and with several
MAX_PARTS = 16  # beside the pictures, where there may be several
MAX_PICTURES = 256
IMAGE = "image"  # of a JSON object with one picture
MAX_VALUES = 1000  # in that object; each may take a hundred times its length in memory


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
        raise TooManyPictures(f"The request has more than {MAX_PICTURES} pictures: send the rest in another request.")


async def read_picture(request: Request) -> bytes:
    """The bytes of the one picture that a request carries; see `read_body` for what it raises."""
    if kind_of(request).startswith(MULTIPART):
        pictures = await read_form(request, FIELD, MAX_PARTS)
        if len(pictures) > 1:
            raise SeveralFiles(f"The form has {len(pictures)} fields '{FIELD}': send one picture per request.")
        return pictures[0]
    body = await read_raw(request)
    if not body:
        raise NoFile(f"The request has no body: send a picture as the form field '{FIELD}', or as the body itself.")
    return picture_in_json(body) if kind_of(request) == JSON else body


async def read_pictures(request: Request) -> list[bytes]:
    """The bytes of all pictures that a form carries; see `read_body` for what it raises."""
    if not kind_of(request).startswith(MULTIPART):
        raise NoFile(f"The request has no form: send the pictures in its field '{SEVERAL}', as curl -F does.")
    return await read_form(request, SEVERAL, MAX_PICTURES + MAX_PARTS)


async def read_raw(request: Request) -> bytes:
    """The body as it is; see `read_body` for what it raises."""
    body = bytearray()
    await read_body(request, body.extend)
    return bytes(body)


def kind_of(request: Request) -> bytes:
    """The type that the body is said to have."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    return kind


async def read_form(request: Request, field: str, max_parts: int) -> list[bytes]:
    """The files in one field of a form, at least one."""
    _, options = parse_options_header(request.headers.get("content-type"))
    try:
        form = Form(options.get(b"boundary"), field, max_parts)
        await read_body(request, form.parser.write)
    except FormParserError as error:
        raise MalformedMultipart(f"The multipart form is damaged ({error}): send it as curl -F does.") from error
    return form.pictures()


def picture_in_json(body: bytes) -> bytes:
    """The one picture in a JSON object."""
    content = json_object(body, MAX_VALUES)
    if IMAGE not in content:
        raise NoFile(f'The JSON has no member \'{IMAGE}\': send {{"{IMAGE}": "the picture in base64, or a data URI"}}.')
    return bytes_of(content[IMAGE])


def json_object(body: bytes, max_values: int) -> dict[str, Any]:
    """The object that a body of JSON is; MalformedJson where it is none, or has more values than that."""
    if sum(map(body.count, (b",", b"[", b"{"))) > max_values:
        raise MalformedJson(f"The JSON has more than {max_values:,} values: send fewer.")
    try:
        content = from_json(body)  # in a third of the time of json.loads, and of many numbers in a tenth
    except ValueError as error:
        raise MalformedJson(f"The body is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise MalformedJson("The JSON is not an object: put it in braces.")
    return content


def bytes_of(text: object) -> bytes:
    """The bytes that are written in base64, or as a data URI; white space in it does not matter."""
    try:
        if not isinstance(text, str):
            raise ValueError
        encoded = "".join(text.split())
        if encoded.startswith("data:"):
            start, _, encoded = encoded.partition(",")
            if not start.endswith(";base64"):
                raise ValueError
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise NotBase64(
            "The picture is not in base64: send its bytes so, or as a data URI; URLs are not fetched."
        ) from error


Picture = Annotated[bytes, Depends(read_picture)]
Pictures = Annotated[list[bytes], Depends(read_pictures)]
