"""Bodies of requests with pictures, as models for the OpenAPI document: generated
clients have these classes.

`app.web.uploads` parses them, and takes the names of their fields from here.
"""

from typing import Annotated

from pydantic import BaseModel, Field, WithJsonSchema

MAX_PICTURES = 256
MAX_FORMS = 8
# Generators of clients know this better than OpenAPI 3.1's own.
File = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]


class PictureForm(BaseModel):
    """A form with a picture."""

    file: File


class PicturesForm(BaseModel):
    """A form with several pictures."""

    files: list[File] = Field(min_length=1, max_length=MAX_PICTURES)


class TextForm(PictureForm):
    """A form with a picture, and what may be written in it: a value a line; or the
    printed forms, as JSON, of one of which it shows a filled sheet.
    """

    values: File | None = None
    form: list[str] = Field(default=[], max_length=MAX_FORMS)


class TextsForm(PicturesForm):
    """A form with several pictures, and what may be written in them: a value a line."""

    values: File | None = None


class RowsForm(BaseModel):
    """A form with rows, and the printed form of whose sheets they are, as JSON."""

    file: File
    form: list[str] = Field(default=[], max_length=1)


class EncodedPicture(BaseModel):
    """A picture in JSON."""

    image: str = Field(
        description="In base64, or as a data URI.",
        json_schema_extra={"contentEncoding": "base64"},
    )
