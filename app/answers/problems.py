"""Exceptions → RFC 9457 problems; their messages become the details."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.answers import errors as web
from app.answers.responses import Problem
from app.corrections import NotStored
from app.digit.reading import NotADigit
from app.form.form import InvalidForm, NotThisForm
from app.picture import errors as picture
from app.serving.decoders import Busy, Interrupted
from app.text.field import InvalidField
from app.text.limits import TooMuchWriting
from app.text.reading import ImpossibleLength

MEDIA_TYPE = "application/problem+json"
SCHEMA = {"$ref": "#/components/schemas/Problem"}
# Status, name and title of each error of the domain, which knows nothing of HTTP.
DOMAIN: dict[type[Exception], tuple[int, str, str]] = {
    picture.NotAnImage: (
        415,
        "not-an-image",
        "The file is not a picture in a supported format",
    ),
    picture.EmptyFile: (422, "empty-file", "The file is empty"),
    picture.NoSuchPage: (422, "no-such-page", "A page has to be chosen"),
    picture.TooManyPixels: (422, "too-many-pixels", "The picture has too many pixels"),
    picture.TooComplex: (
        422,
        "too-complex",
        "The picture takes too much memory or time to decode",
    ),
    picture.CorruptImage: (422, "corrupt-image", "The picture is damaged"),
    picture.OutsidePicture: (
        422,
        "outside-picture",
        "The region does not lie in the picture",
    ),
    picture.BlankImage: (422, "blank-image", "The picture is blank"),
    TooMuchWriting: (
        422,
        "too-much-writing",
        "There is too much writing in the picture",
    ),
    NotADigit: (422, "not-a-digit", "The picture does not show one whole digit"),
    ImpossibleLength: (
        422,
        "impossible-length",
        "No line of the picture can be read as a number of this length",
    ),
    InvalidForm: (422, "invalid-form", "The form is invalid"),
    NotThisForm: (422, "not-this-form", "The picture shows no sheet of the form"),
    InvalidField: (422, "invalid-parameter", "A parameter is invalid"),
    Exception: (500, "internal-error", "An unexpected error occurred"),
    Busy: (503, "overloaded", "The service is overloaded"),
    Interrupted: (503, "interrupted", "The picture could not be read to its end"),
    NotStored: (507, "correction-not-stored", "The correction could not be stored"),
}
CAPITAL = re.compile(r"(?<=.)(?=[A-Z])")


class ProblemType(NamedTuple):
    """The properties that all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = {}

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
        return {"value": problem.model_dump()}


def type_of(error: type[web.WebError]) -> ProblemType:
    """Return the type of the problems that an error of the web becomes."""
    name = CAPITAL.sub("-", error.__name__).lower()
    return ProblemType(error.status, name, error.title, error.headers)


TYPES: dict[type[Exception], ProblemType] = {
    **{error: type_of(error) for error in web.WebError.__subclasses__()},
    **{error: ProblemType(*row) for error, row in DOMAIN.items()},
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
    by_status = defaultdict[int, list[ProblemType]](list)
    for error, problem_type in TYPES.items():
        if error in errors:
            by_status[problem_type.status].append(problem_type)
    responses: dict[int | str, dict[str, Any]] = {}
    for status, types in sorted(by_status.items()):
        examples = {each.name: each.example(path) for each in types}
        responses[status] = {
            "description": "; ".join(each.title for each in types),
            "content": {MEDIA_TYPE: {"schema": SCHEMA, "examples": examples}},
        }
    return responses
