"""Exceptions → RFC 9457 problems, in one table. The message of an exception becomes the
problem's `detail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.answers import errors as web
from app.answers.responses import (
    REQUEST_ID_EXAMPLE,
    Document,
    Prediction,
    Problem,
    Text,
)
from app.corrections import NotStored
from app.digit.reading import NotADigit
from app.picture import errors as picture
from app.serving.decoders import Busy, Interrupted
from app.text.field import InvalidField
from app.text.text import ImpossibleLength

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    """The properties that all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def problem(
        self,
        detail: str,
        instance: str,
        request_id: str,
        reading: Prediction | Text | Document | None = None,
    ) -> Problem:
        """Return a problem of this type for a request."""
        problem = Problem(
            type=f"/problems/{self.name}",
            title=self.title,
            status=self.status,
            detail=detail,
            instance=instance,
            request_id=request_id,
        )
        if "/v2" in instance:  # a root path may precede it
            problem.error = detail
        if reading:
            problem.reading = reading
        return problem

    def example(self, path: str) -> dict[str, Any]:
        """Return an example of OpenAPI's: a problem with a request for a path."""
        problem = self.problem(
            "What happened, and what to do.", path, REQUEST_ID_EXAMPLE
        )
        return {"value": problem.model_dump(exclude_unset=True)}


INVALID_PARAMETER = ProblemType(422, "invalid-parameter", "A parameter is invalid")
OVERLOADED = ProblemType(503, "overloaded", "The service is overloaded")
TYPES: dict[type[Exception], ProblemType] = {
    web.AmbiguousLength: ProblemType(
        400,
        "ambiguous-length",
        "The length of the body is ambiguous",
        {"Connection": "close"},
    ),
    web.MalformedMultipart: ProblemType(
        400, "malformed-multipart", "The multipart form is malformed"
    ),
    web.MalformedJson: ProblemType(400, "malformed-json", "The JSON is malformed"),
    web.InvalidInference: ProblemType(
        400, "invalid-inference", "The inference request is invalid"
    ),
    web.Unauthorized: ProblemType(
        401, "unauthorized", "An API key is required", {"WWW-Authenticate": "Bearer"}
    ),
    web.CrossOrigin: ProblemType(
        403, "cross-origin", "The request comes from a page of another origin"
    ),
    web.UnknownUnit: ProblemType(404, "unknown-unit", "The network has no such unit"),
    web.UnknownVersion: ProblemType(
        404, "unknown-version", "The model has another version"
    ),
    web.CorrectionsOff: ProblemType(
        404, "corrections-off", "The service stores no corrections"
    ),
    web.UploadTooSlow: ProblemType(408, "upload-too-slow", "The upload took too long"),
    web.UploadTooLarge: ProblemType(413, "upload-too-large", "The upload is too large"),
    web.UnsupportedEncoding: ProblemType(
        415, "unsupported-encoding", "The body cannot be decompressed"
    ),
    picture.NotAnImage: ProblemType(
        415, "not-an-image", "The file is not a picture in a supported format"
    ),
    web.NoFile: ProblemType(422, "no-file", "The request contains no picture"),
    web.NotBase64: ProblemType(422, "not-base64", "The picture is not in base64"),
    web.SeveralFiles: ProblemType(
        422, "several-files", "The request contains more than one picture"
    ),
    web.TooManyPictures: ProblemType(
        422, "too-many-pictures", "The request contains too many pictures"
    ),
    web.TooManyPages: ProblemType(
        422, "too-many-pages", "The document has too many pages"
    ),
    picture.EmptyFile: ProblemType(422, "empty-file", "The file is empty"),
    picture.NoSuchPage: ProblemType(422, "no-such-page", "A page has to be chosen"),
    picture.TooManyPixels: ProblemType(
        422, "too-many-pixels", "The picture has too many pixels"
    ),
    picture.TooComplex: ProblemType(
        422, "too-complex", "The picture takes too much memory or time to decode"
    ),
    picture.CorruptImage: ProblemType(422, "corrupt-image", "The picture is damaged"),
    picture.BlankImage: ProblemType(422, "blank-image", "The picture is blank"),
    picture.TooMuchWriting: ProblemType(
        422, "too-much-writing", "There is too much writing in the picture"
    ),
    web.NotSure: ProblemType(422, "not-sure", "The answer is not sure enough"),
    NotADigit: ProblemType(
        422, "not-a-digit", "The picture does not show one whole digit"
    ),
    ImpossibleLength: ProblemType(
        422,
        "impossible-length",
        "The picture cannot be read as a number of this length",
    ),
    InvalidField: INVALID_PARAMETER,
    web.QueryTooLong: INVALID_PARAMETER,
    Exception: ProblemType(500, "internal-error", "An unexpected error occurred"),
    web.Overloaded: OVERLOADED,
    Busy: OVERLOADED,
    Interrupted: ProblemType(
        503, "interrupted", "The picture could not be read to its end"
    ),
    web.ShuttingDown: ProblemType(
        503, "shutting-down", "The service is shutting down", {"Retry-After": "1"}
    ),
    NotStored: ProblemType(
        507, "correction-not-stored", "The correction could not be stored"
    ),
}

# The errors of requests with a body, with one picture in it, and of the picture itself.
OF_BODY = {
    web.AmbiguousLength,
    web.ShuttingDown,
    web.Unauthorized,
    web.UploadTooSlow,
    web.UploadTooLarge,
    web.UnsupportedEncoding,
    web.Overloaded,
    Exception,
}
OF_UPLOAD = {
    web.MalformedMultipart,
    web.MalformedJson,
    web.NoFile,
    web.NotBase64,
    web.SeveralFiles,
}
OF_PICTURE = {
    picture.NotAnImage,
    picture.EmptyFile,
    picture.NoSuchPage,
    picture.TooManyPixels,
    picture.TooComplex,
    picture.CorruptImage,
    Interrupted,
}


def documentation(
    path: str, *errors: type[Exception]
) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that may raise these errors."""
    responses: dict[int | str, dict[str, Any]] = {}
    schema = {"$ref": "#/components/schemas/Problem"}
    types = [each for error, each in TYPES.items() if error in errors]
    for status in dict.fromkeys(each.status for each in types):
        titles = dict.fromkeys(each.title for each in types if each.status == status)
        examples = {
            each.name: each.example(path) for each in types if each.status == status
        }
        responses[status] = {
            "description": "; ".join(titles),
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
    return responses
