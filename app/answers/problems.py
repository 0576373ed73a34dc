"""Exceptions → RFC 9457 problems, in one table; their messages become the details."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.answers import errors as web
from app.answers.responses import Problem
from app.corrections import NotStored
from app.digit.reading import NotADigit
from app.picture import errors as picture
from app.serving.decoders import Busy, Interrupted
from app.text.field import InvalidField
from app.text.text import ImpossibleLength

MEDIA_TYPE = "application/problem+json"
SCHEMA = {"$ref": "#/components/schemas/Problem"}
# By status.
TITLES: dict[int, dict[type[Exception], str]] = {
    400: {
        web.AmbiguousLength: "The length of the body is ambiguous",
        web.MalformedMultipart: "The multipart form is malformed",
        web.MalformedJson: "The JSON is malformed",
        web.InvalidInference: "The inference request is invalid",
    },
    401: {web.Unauthorized: "An API key is required"},
    403: {web.CrossOrigin: "The request comes from a page of another origin"},
    404: {
        web.UnknownUnit: "The network has no such unit",
        web.UnknownVersion: "The model has another version",
        web.CorrectionsOff: "The service stores no corrections",
    },
    408: {web.UploadTooSlow: "The upload took too long"},
    413: {web.UploadTooLarge: "The upload is too large"},
    415: {
        web.UnsupportedEncoding: "The body cannot be decompressed",
        picture.NotAnImage: "The file is not a picture in a supported format",
    },
    422: {
        web.NoFile: "The request contains no picture",
        web.NotBase64: "The picture is not in base64",
        web.SeveralFiles: "The request contains more than one picture",
        web.TooManyPictures: "The request contains too many pictures",
        web.TooManyPages: "The document has too many pages",
        picture.EmptyFile: "The file is empty",
        picture.NoSuchPage: "A page has to be chosen",
        picture.TooManyPixels: "The picture has too many pixels",
        picture.TooComplex: "The picture takes too much memory or time to decode",
        picture.CorruptImage: "The picture is damaged",
        picture.BlankImage: "The picture is blank",
        picture.TooMuchWriting: "There is too much writing in the picture",
        web.NotSure: "The answer is not sure enough",
        NotADigit: "The picture does not show one whole digit",
        ImpossibleLength: "The picture cannot be read as a number of this length",
        InvalidField: "A parameter is invalid",
        web.QueryTooLong: "A parameter is invalid",
    },
    500: {Exception: "An unexpected error occurred"},
    503: {
        web.Overloaded: "The service is overloaded",
        Busy: "The service is overloaded",
        Interrupted: "The picture could not be read to its end",
        web.ShuttingDown: "The service is shutting down",
    },
    507: {NotStored: "The correction could not be stored"},
}
# By default, a problem has the name of its exception, which clients compare.
NAMES: dict[type[Exception], str] = {
    InvalidField: "invalid-parameter",
    web.QueryTooLong: "invalid-parameter",
    Exception: "internal-error",
    Busy: "overloaded",
    NotStored: "correction-not-stored",
}
HEADERS: dict[type[Exception], dict[str, str]] = {
    web.AmbiguousLength: {"Connection": "close"},
    web.Unauthorized: {"WWW-Authenticate": "Bearer"},
    web.ShuttingDown: {"Retry-After": "1"},
}
CAPITAL = re.compile(r"(?<=.)(?=[A-Z])")


class ProblemType(NamedTuple):
    """The properties that all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str]

    def problem(self, detail: str, instance: str, request_id: str) -> Problem:
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
        return problem

    def example(self, path: str) -> dict[str, Any]:
        """Return an example of OpenAPI's: a problem with a request for a path."""
        detail = "What happened, and what to do."
        problem = self.problem(detail, path, "5f0c6d2e9a7b4c1d8e3f2a1b0c9d8e7f")
        return {"value": problem.model_dump(exclude_unset=True)}


TYPES: dict[type[Exception], ProblemType] = {}
for status, titles in TITLES.items():
    for error, title in titles.items():
        name = NAMES.get(error) or CAPITAL.sub("-", error.__name__).lower()
        TYPES[error] = ProblemType(status, name, title, HEADERS.get(error, {}))

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
    for status, titles in TITLES.items():
        types = [TYPES[error] for error in titles if error in errors]
        if types:
            examples = {each.name: each.example(path) for each in types}
            responses[status] = {
                "description": "; ".join(each.title for each in types),
                "content": {MEDIA_TYPE: {"schema": SCHEMA, "examples": examples}},
            }
    return responses
