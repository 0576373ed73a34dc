"""Request → the bytes of its pictures, from form fields, JSON or the raw body; and the
list of values and the printed forms beside them.

The body is kept in memory; nothing is written to disk. The declared type only tells
forms and JSON from a raw body.
"""

import base64
import math
import re
import string
from collections.abc import Sequence
from io import BytesIO
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from pydantic_core import from_json
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from app.answers.errors import (
    MalformedJson,
    MalformedMultipart,
    NoFile,
    NotBase64,
    SeveralFiles,
    TooManyPictures,
)
from app.text.field import InvalidField
from app.web.bodies import MAX_HEADER_BYTES, Body, arriving
from app.web.payloads import MAX_PICTURES, EncodedPicture, PictureForm, PicturesForm

MULTIPART = b"multipart/"  # how the media types of forms begin
JSON = b"application/json"
# The form fields for one picture and for several, and the member of a JSON object.
(FIELD,) = PictureForm.model_fields
(SEVERAL,) = PicturesForm.model_fields
(IMAGE,) = EncodedPicture.model_fields
VALUES = b"values"  # the field of `TextForm` with a list
FORM = b"form"  # the field of `TextForm` with a printed form
MAX_PARTS = 16  # per form; for several pictures, besides the pictures
# In a JSON object with a picture; each may take a hundred times its length in memory.
MAX_VALUES = 1000
MAX_NESTED = 10_000  # lists and objects in JSON; 200,000 take 0.2 s
# Above this, in bytes, JSON has to be ASCII: with one character beyond it, Python takes
# up to 4 bytes for each.
MAX_TEXT_BYTES = 1_000_000
BEYOND_ASCII = re.compile(rb"\\u(?!00[0-7])")  # an escape of such a character
WHITESPACE = string.whitespace.encode()  # ignored in base64
# By default, files over 1 MB go to disk, headers may have 4 kB, and unknown encodings
# are ignored.
FORM_CONFIG = {
    "MAX_MEMORY_FILE_SIZE": math.inf,
    "MAX_HEADER_SIZE": MAX_HEADER_BYTES,
    "UPLOAD_ERROR_ON_BAD_CTE": True,
}


class Sent(NamedTuple):
    """The pictures in a request, the list of values, a value a line, if any, and the
    printed forms, in JSON.
    """

    pictures: list[bytes]
    values: str | None = None
    forms: Sequence[bytes] = ()

    @property
    def picture(self) -> bytes:
        """The only picture."""
        (picture,) = self.pictures
        return picture


class Form:
    """The files in one field of a multipart form, a list of values and printed forms,
    which are added as they arrive.
    """

    def __init__(self, field: str, max_parts: int) -> None:
        self.field = field
        self.max_parts = max_parts
        self.parts = 0
        self.files: list[File] = []
        self.values: Field | File | None = None
        self.forms: list[bytes] = []
        self.is_complete = False

    def add(self, part: Field | File) -> None:
        """Add a part that has arrived."""
        self.parts += 1
        if isinstance(part, File) and part.field_name == self.field.encode():
            self.files.append(part)
        elif part.field_name == VALUES:
            self.values = part
        elif part.field_name == FORM:
            self.forms.append(content_of(part))
        check_count(len(self.files))
        self.check_parts(self.parts)

    def check_parts(self, count: int) -> None:
        """Raise MalformedMultipart if there are more parts than allowed."""
        if count > self.max_parts:
            raise MalformedMultipart(
                f"The multipart form has more than {self.max_parts} parts."
            )

    def end(self) -> None:
        """Note that the closing boundary has arrived."""
        self.is_complete = True

    def sent(self) -> Sent:
        """Return the content; raise MalformedMultipart, NoFile or InvalidField."""
        if not self.is_complete:
            raise MalformedMultipart(
                "The multipart form is incomplete: send all of it."
            )
        if not self.files:
            raise NoFile(
                f"The form has no file in its field '{self.field}': with curl, use -F "
                f"{self.field}=@picture.png."
            )
        values = None if self.values is None else text_of(self.values)
        return Sent([*map(content_of, self.files)], values, self.forms)


def content_of(part: Field | File) -> bytes:
    """Return the content of a part of a form."""
    if isinstance(part, File):
        return part.file_object.getvalue()  # type: ignore[union-attr]  # it is a BytesIO
    return part.value or b""


def text_of(part: Field | File) -> str:
    """Return a list of values; raise InvalidField if it is no text."""
    try:
        return content_of(part).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidField(
            f"values must be a text in UTF-8, a value a line ({error.reason})."
        ) from error


def check_count(pictures: int) -> None:
    """Raise TooManyPictures if a request has more of them than allowed."""
    if pictures > MAX_PICTURES:
        raise TooManyPictures(
            f"The request has more than {MAX_PICTURES} pictures: send the rest in "
            "another request."
        )


async def read_one(request: Request) -> Sent:
    """Return the only picture of a request, and what is beside it; see `Body.read` for
    the errors.
    """
    body = await arriving(request)
    if body.media_type.startswith(MULTIPART):
        return await read_form_of_one(body)
    raw = await read_raw(body)
    if not raw:
        raise NoFile(
            f"The request has no body: send a picture as the form field '{FIELD}', or "
            "as the body itself."
        )
    return Sent([picture_in_json(raw) if body.media_type == JSON else raw])


async def read_form_of_one(body: Body) -> Sent:
    """Return the only file of a form, and what is beside it; see `Body.read`."""
    sent = await read_form(body, FIELD, MAX_PARTS)
    if len(sent.pictures) > 1:
        raise SeveralFiles(
            f"The form has {len(sent.pictures)} fields '{FIELD}': send one picture per "
            "request."
        )
    return sent


async def read_several(request: Request) -> Sent:
    """Return all pictures in a form, and values; see `Body.read` for the errors."""
    body = await arriving(request)
    if not body.media_type.startswith(MULTIPART):
        raise NoFile(
            "The request is not a form: send the pictures as form fields "
            f"'{SEVERAL}', as curl -F does."
        )
    return await read_form(body, SEVERAL, MAX_PICTURES + MAX_PARTS)


async def read_picture(request: Request) -> bytes:
    """Return the bytes of a request's only picture; see `Body.read` for the errors."""
    return (await read_one(request)).picture


async def read_pictures(request: Request) -> list[bytes]:
    """Return the bytes of all pictures in a form; see `Body.read` for the errors."""
    return (await read_several(request)).pictures


async def read_raw(body: Body) -> bytes:
    """Return the raw body; see `Body.read` for the errors."""
    content = BytesIO()
    await body.read(content.write)
    return content.getvalue()  # without a copy


async def read_form(body: Body, field: str, max_parts: int) -> Sent:
    """Return the files in one field of a form, at least one, and what is beside."""
    boundary = body.options.get(b"boundary")
    form = Form(field, max_parts)
    delimiters = 0
    try:
        parser = FormParser(
            "multipart/form-data",
            form.add,
            form.add,
            form.end,
            boundary,
            config=FORM_CONFIG,
        )

        def write(data: bytes) -> None:
            nonlocal delimiters
            parser.write(data)
            # Also those on longer lines: the parser takes 7 µs for each.
            delimiters += data.count(b"\r\n--" + (boundary or b""))
            form.check_parts(delimiters)

        try:
            await body.read(write)
        finally:
            # The two refer to each other, and would stay until a garbage collection.
            parser.parser = None
    except FormParserError as error:
        raise MalformedMultipart(
            f"The multipart form is damaged ({error}): send it as curl -F does."
        ) from error
    return form.sent()


def picture_in_json(body: bytes) -> bytes:
    """Return the only picture in a JSON object."""
    content = json_object(body, MAX_VALUES)
    if IMAGE not in content:
        raise NoFile(
            f'The JSON has no member \'{IMAGE}\': send {{"{IMAGE}": "the picture in '
            f'base64, or a data URI"}}.'
        )
    return bytes_of(content[IMAGE])


def json_object(body: bytes, max_values: int) -> dict[str, Any]:
    """Parse a JSON object with at most so many values; raise MalformedJson."""
    nested = body.count(b"[") + body.count(b"{")
    if nested > MAX_NESTED or nested + body.count(b",") > max_values:
        raise MalformedJson(
            f"The JSON has more than {max_values:,} values: send fewer."
        )
    if len(body) > MAX_TEXT_BYTES and (not body.isascii() or BEYOND_ASCII.search(body)):
        raise MalformedJson(
            f"JSON of more than {MAX_TEXT_BYTES:,} bytes must be ASCII: leave other "
            "characters out."
        )
    try:
        # Takes a third of the time of json.loads, and a tenth for many numbers.
        content = from_json(body)
    except ValueError as error:
        raise MalformedJson(f"The body is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise MalformedJson("The JSON is not an object: put it in braces.")
    return content


def bytes_of(text: object) -> bytes:
    """Decode base64 or a data URI; whitespace is ignored."""
    try:
        if not isinstance(text, str):
            raise ValueError
        # split() may take 20 times its length in memory.
        encoded = text.encode("ascii").translate(None, WHITESPACE)
        if encoded.startswith(b"data:"):
            start, _, encoded = encoded.partition(b",")
            if not start.endswith(b";base64"):
                raise ValueError
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise NotBase64(
            "The picture is not in base64: send it in base64 or as a data URI. URLs "
            "are not fetched."
        ) from error


Upload = Annotated[bytes, Depends(read_picture)]
Uploads = Annotated[list[bytes], Depends(read_pictures)]
OneSent = Annotated[Sent, Depends(read_one)]
SeveralSent = Annotated[Sent, Depends(read_several)]
