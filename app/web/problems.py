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
from app.inference.decoders import Busy
from app.inference.text_reading import ImpossibleLength
from app.preprocess import errors as picture
from app.web import errors as web
from app.web.answers import Problem

MEDIA_TYPE = "application/problem+json"
LOG = structlog.get_logger()


@dataclass(frozen=True)
class Kind:
    """The properties that all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def problem(self, detail: str, instance: str, request_id: str) -> Problem:
        """Return a problem of this kind for a request."""
        of_v2 = {"error": detail} if instance.startswith("/v2") else {}
        return Problem(
            type=f"/problems/{self.name}",
            title=self.title,
            status=self.status,
            detail=detail,
            instance=instance,
            request_id=request_id,
            **of_v2,
        )


RETRY = {"Retry-After": "1"}
OVERLOADED = Kind(503, "overloaded", "The service is overloaded", RETRY)
KINDS: dict[type[Exception], Kind] = {
    web.MalformedMultipart: Kind(400, "malformed-multipart", "The multipart form is malformed"),
    web.MalformedJson: Kind(400, "malformed-json", "The JSON is malformed"),
    web.InvalidInference: Kind(400, "invalid-inference", "The inference request is invalid"),
    web.Unauthorized: Kind(401, "unauthorized", "An API key is required", {"WWW-Authenticate": "Bearer"}),
    web.UnknownVersion: Kind(404, "unknown-version", "The model has another version"),
    web.CorrectionsOff: Kind(404, "corrections-off", "The service stores no corrections"),
    web.UploadTooSlow: Kind(408, "upload-too-slow", "The upload took too long"),
    web.UploadTooLarge: Kind(413, "upload-too-large", "The upload is too large"),
    web.UnsupportedEncoding: Kind(415, "unsupported-encoding", "The body cannot be decompressed"),
    picture.NotAnImage: Kind(415, "not-an-image", "The file is not a picture in a supported format"),
    web.NoFile: Kind(422, "no-file", "The request contains no picture"),
    web.NotBase64: Kind(422, "not-base64", "The picture is not in base64"),
    web.SeveralFiles: Kind(422, "several-files", "The request contains more than one picture"),
    web.TooManyPictures: Kind(422, "too-many-pictures", "The request contains too many pictures"),
    picture.EmptyFile: Kind(422, "empty-file", "The file is empty"),
    picture.TooManyPixels: Kind(422, "too-many-pixels", "The picture has too many pixels"),
    picture.TooComplex: Kind(422, "too-complex", "The picture takes too much memory or time to decode"),
    picture.CorruptImage: Kind(422, "corrupt-image", "The picture is damaged"),
    picture.BlankImage: Kind(422, "blank-image", "The picture is blank"),
    picture.TooMuchWriting: Kind(422, "too-much-writing", "There is too much writing in the picture"),
    web.NotADigit: Kind(422, "not-a-digit", "The picture does not show one whole digit"),
    ImpossibleLength: Kind(422, "impossible-length", "The picture cannot be read as a number of this length"),
    RequestValidationError: Kind(422, "invalid-parameter", "A query parameter is invalid"),
    Exception: Kind(500, "internal-error", "An unexpected error occurred"),
    web.Overloaded: OVERLOADED,
    Busy: OVERLOADED,
    web.ShuttingDown: Kind(503, "shutting-down", "The service is shutting down", RETRY),
    NotStored: Kind(507, "correction-not-stored", "The correction could not be stored"),
}


def kind_and_detail(request: Request, error: Exception) -> tuple[Kind, str]:
    """Return the kind of problem of an exception, and the detail for the client."""
    if isinstance(error, HTTPException):  # raised by the framework, as for an unknown path or method
        status = HTTPStatus(error.status_code)
        kind = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase, error.headers or {})
        return kind, f"{request.method} {request.scope['path']}: {status.description}."
    if isinstance(error, RequestValidationError):
        return KINDS[RequestValidationError], "; ".join(
            f"{each['loc'][-1]}: {each['msg']}, not {each['input']!r}" for each in error.errors()
        ) + "."
    if type(error) in KINDS:
        return KINDS[type(error)], str(error)
    return KINDS[Exception], f"The error was logged under request id {request.state.request_id}. Please report it."


async def respond(request: Request, error: Exception) -> Response:
    """Answer a request that raised an exception; for an unforeseen one, reveal only the request id."""
    kind, detail = kind_and_detail(request, error)
    problem = kind.problem(detail, request.scope["path"], request.state.request_id)
    request.state.problem = kind.name
    return Response(problem.model_dump_json(exclude_unset=True), kind.status, kind.headers, MEDIA_TYPE)


def noted(request: Request, error: Exception) -> Exception:
    """Return the error of one picture of several without its traceback; log it if it is unforeseen.

    The traceback would keep the picture in memory until all have been read.
    """
    if type(error) not in KINDS:
        LOG.error("unforeseen error", exc_info=error, request_id=request.state.request_id)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def problem_of_one(request: Request, error: Exception) -> Problem:
    """Return and count the problem of one picture of several."""
    kind, detail = kind_and_detail(request, error)
    request.state.metrics.rejected.labels(kind.name).inc()
    return kind.problem(detail, request.scope["path"], request.state.request_id)


def install(app: FastAPI) -> None:
    """Let FastAPI answer each exception in the table, except unforeseen ones, which the middleware answers."""
    for error in KINDS.keys() - {Exception} | {HTTPException}:
        app.add_exception_handler(error, respond)


def documentation(path: str, *errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that may raise these errors, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in {kind.name: kind for error, kind in KINDS.items() if error in errors}.values():
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}}
        entry = responses.setdefault(kind.status, {"description": "", "content": content})
        entry["description"] = "; ".join(filter(None, [entry["description"], kind.title]))
        example = kind.problem("What happened, and what to do.", path, "5f0c6d2e9a7b4c1d8e3f2a1b0c9d8e7f")
        entry["content"][MEDIA_TYPE]["examples"][kind.name] = {"value": example.model_dump(exclude_unset=True)}
    return responses
