"""Exceptions → RFC 9457 problems, in one table. The message of an exception becomes the problem's `detail`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.corrections import NotStored
from app.inference.decoders import Busy, Interrupted
from app.inference.field import InvalidField
from app.inference.reading import NotADigit
from app.inference.text import ImpossibleLength
from app.preprocess import errors as picture
from app.web import errors as web
from app.web.answers import REQUEST_ID_EXAMPLE, Problem
from app.web.parameters import in_words

MEDIA_TYPE = "application/problem+json"
LOG = structlog.get_logger()


@dataclass(frozen=True)
class ProblemType:
    """The properties that all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def problem(self, detail: str, instance: str, request_id: str, **others: Any) -> Problem:  # noqa: ANN401 - members
        """Return a problem of this type for a request."""
        if "/v2" in instance:  # a root path may precede it
            others["error"] = detail
        return Problem(
            type=f"/problems/{self.name}",
            title=self.title,
            status=self.status,
            detail=detail,
            instance=instance,
            request_id=request_id,
            **others,
        )


INVALID_PARAMETER = ProblemType(422, "invalid-parameter", "A parameter is invalid")
OVERLOADED = ProblemType(503, "overloaded", "The service is overloaded")
TYPES: dict[type[Exception], ProblemType] = {
    web.AmbiguousLength: ProblemType(
        400, "ambiguous-length", "The length of the body is ambiguous", {"Connection": "close"}
    ),
    web.MalformedMultipart: ProblemType(400, "malformed-multipart", "The multipart form is malformed"),
    web.MalformedJson: ProblemType(400, "malformed-json", "The JSON is malformed"),
    web.InvalidInference: ProblemType(400, "invalid-inference", "The inference request is invalid"),
    web.Unauthorized: ProblemType(401, "unauthorized", "An API key is required", {"WWW-Authenticate": "Bearer"}),
    web.CrossOrigin: ProblemType(403, "cross-origin", "The request comes from a page of another origin"),
    web.UnknownUnit: ProblemType(404, "unknown-unit", "The network has no such unit"),
    web.UnknownVersion: ProblemType(404, "unknown-version", "The model has another version"),
    web.CorrectionsOff: ProblemType(404, "corrections-off", "The service stores no corrections"),
    web.UploadTooSlow: ProblemType(408, "upload-too-slow", "The upload took too long"),
    web.UploadTooLarge: ProblemType(413, "upload-too-large", "The upload is too large"),
    web.UnsupportedEncoding: ProblemType(415, "unsupported-encoding", "The body cannot be decompressed"),
    picture.NotAnImage: ProblemType(415, "not-an-image", "The file is not a picture in a supported format"),
    web.NoFile: ProblemType(422, "no-file", "The request contains no picture"),
    web.NotBase64: ProblemType(422, "not-base64", "The picture is not in base64"),
    web.SeveralFiles: ProblemType(422, "several-files", "The request contains more than one picture"),
    web.TooManyPictures: ProblemType(422, "too-many-pictures", "The request contains too many pictures"),
    web.TooManyPages: ProblemType(422, "too-many-pages", "The document has too many pages"),
    picture.EmptyFile: ProblemType(422, "empty-file", "The file is empty"),
    picture.NoSuchPage: ProblemType(422, "no-such-page", "A page has to be chosen"),
    picture.TooManyPixels: ProblemType(422, "too-many-pixels", "The picture has too many pixels"),
    picture.TooComplex: ProblemType(422, "too-complex", "The picture takes too much memory or time to decode"),
    picture.CorruptImage: ProblemType(422, "corrupt-image", "The picture is damaged"),
    picture.BlankImage: ProblemType(422, "blank-image", "The picture is blank"),
    picture.TooMuchWriting: ProblemType(422, "too-much-writing", "There is too much writing in the picture"),
    web.NotSure: ProblemType(422, "not-sure", "The answer is not sure enough"),
    NotADigit: ProblemType(422, "not-a-digit", "The picture does not show one whole digit"),
    ImpossibleLength: ProblemType(422, "impossible-length", "The picture cannot be read as a number of this length"),
    RequestValidationError: INVALID_PARAMETER,
    InvalidField: INVALID_PARAMETER,
    web.QueryTooLong: INVALID_PARAMETER,
    Exception: ProblemType(500, "internal-error", "An unexpected error occurred"),
    web.Overloaded: OVERLOADED,
    Busy: OVERLOADED,
    Interrupted: ProblemType(503, "interrupted", "The picture could not be read to its end"),
    web.ShuttingDown: ProblemType(503, "shutting-down", "The service is shutting down", {"Retry-After": "1"}),
    NotStored: ProblemType(507, "correction-not-stored", "The correction could not be stored"),
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
OF_UPLOAD = {web.MalformedMultipart, web.MalformedJson, web.NoFile, web.NotBase64, web.SeveralFiles}
OF_PICTURE = {
    picture.NotAnImage,
    picture.EmptyFile,
    picture.NoSuchPage,
    picture.TooManyPixels,
    picture.TooComplex,
    picture.CorruptImage,
    Interrupted,
}


def type_and_detail(request: Request, error: Exception) -> tuple[ProblemType, str]:
    """Return the problem type of an exception, and the detail for the client."""
    if isinstance(error, HTTPException):  # raised by the framework, as for an unknown path or method
        status = HTTPStatus(error.status_code)
        problem_type = ProblemType(status, status.phrase.lower().replace(" ", "-"), status.phrase, error.headers or {})
        allowed = (error.headers or {}).get("Allow")
        advice = f"send {allowed}" if allowed else "/docs lists what there is"
        return problem_type, f"There is no {request.method} {request.scope['path']}: {advice}."
    if isinstance(error, RequestValidationError):
        return TYPES[RequestValidationError], in_words(error.errors())
    if type(error) in TYPES:
        return TYPES[type(error)], str(error)
    return TYPES[Exception], f"The error was logged under request id {request.state.request_id}. Please report it."


def problem_of(request: Request, error: Exception) -> tuple[Problem, Mapping[str, str]]:
    """Count an exception; return its problem and headers. For an unforeseen one, reveal only the request id."""
    problem_type, detail = type_and_detail(request, error)
    request.state.service.metrics.rejected.labels(problem_type.name).inc()
    waits = {"Retry-After": str(error.seconds)} if isinstance(error, web.Overloaded | Busy) else {}
    others = {"reading": error.reading} if isinstance(error, web.NotSure) else {}
    problem = problem_type.problem(detail, request.scope["path"], request.state.request_id, **others)
    return problem, {**problem_type.headers, **waits}


async def respond(request: Request, error: Exception) -> Response:
    """Answer a request that raised an exception."""
    problem, headers = problem_of(request, error)
    return Response(problem.model_dump_json(exclude_unset=True), problem.status, headers, MEDIA_TYPE)


def log_unforeseen(request: Request, error: Exception) -> Exception:
    """Return the error of one picture of several without its traceback; log it if it is unforeseen.

    The traceback would keep the picture in memory until all have been read.
    """
    if type(error) not in TYPES:
        LOG.error("unforeseen error", exc_info=error, request_id=request.state.request_id)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def install(app: FastAPI) -> None:
    """Let FastAPI answer each exception in the table, except unforeseen ones, which the middleware answers."""
    for error in TYPES.keys() - {Exception} | {HTTPException}:
        app.add_exception_handler(error, respond)


def documentation(path: str, *errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that may raise these errors, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    types = {problem_type.name: problem_type for error, problem_type in TYPES.items() if error in errors}
    for name, problem_type in types.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}}
        entry = responses.setdefault(problem_type.status, {"description": "", "content": content})
        entry["description"] = "; ".join(filter(None, [entry["description"], problem_type.title]))
        example = problem_type.problem("What happened, and what to do.", path, REQUEST_ID_EXAMPLE)
        entry["content"][MEDIA_TYPE]["examples"][name] = {"value": example.model_dump(exclude_unset=True)}
    return responses
