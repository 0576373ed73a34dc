"""Exceptions → RFC 9457 problems: one table.

Ignores: why an exception was raised; its message becomes the problem's `detail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.web import auth as keys, admission as limits, uploads
from app.preprocess import errors

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """What all problems of one type share."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)


class InvalidParameter(Exception):
    """A parameter of the request is not valid."""


class ShuttingDown(Exception):
    """The service has been told to stop, and finishes what it has begun."""


CLOSE = {"Connection": "close"}  # the rest of the body is not waited for
RETRY = {"Retry-After": "1"}
KINDS: dict[type[Exception], Kind] = {
    uploads.MalformedMultipart: Kind(400, "malformed-multipart", "The form cannot be read"),
    keys.Unauthorized: Kind(401, "unauthorized", "A key is needed", {"WWW-Authenticate": "Bearer"}),
    uploads.UploadTooSlow: Kind(408, "upload-too-slow", "The upload takes too long", CLOSE),
    uploads.UploadTooLarge: Kind(413, "upload-too-large", "The upload is too large", CLOSE),
    uploads.NoFile: Kind(422, "no-file", "There is no picture in the request"),
    uploads.SeveralFiles: Kind(422, "several-files", "There is more than one picture in the request"),
    errors.EmptyFile: Kind(422, "empty-file", "The file is empty"),
    errors.NotAnImage: Kind(415, "not-an-image", "The file is not a picture of a known format"),
    errors.TooManyPixels: Kind(422, "too-many-pixels", "The picture has too many pixels"),
    errors.TooComplex: Kind(422, "too-complex", "The picture takes too long to decode"),
    errors.CorruptImage: Kind(422, "corrupt-image", "The picture is damaged"),
    errors.BlankImage: Kind(422, "blank-image", "There is no digit on the picture"),
    InvalidParameter: Kind(422, "invalid-parameter", "A parameter of the request is not valid"),
    Exception: Kind(500, "internal-error", "Something went wrong on our side"),
    limits.Overloaded: Kind(503, "overloaded", "The service has too much to do", RETRY),
    ShuttingDown: Kind(503, "shutting-down", "The service is about to stop", RETRY),
}


KNOWN = tuple(KINDS.keys() - {Exception})


class Problem(BaseModel):
    """Why a request got no answer (RFC 9457)."""

    type: str = Field(description="Which problem: stable, to be compared by programs.")
    title: str = Field(description="The problem in a few words; the same for every problem of its type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time, and what to do.")
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(description="The request's id, as in the X-Request-ID header and in the log.")


def response(request: Request, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as the answer to a request."""
    problem = Problem(
        type=f"/problems/{kind.name}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=request.url.path,
        request_id=request.state.request_id,
    )
    request.state.problem = kind.name
    return JSONResponse(problem.model_dump(), kind.status, {**kind.headers, **(headers or {})}, MEDIA_TYPE)


async def on_known(request: Request, error: Exception) -> JSONResponse:
    """Answer an exception that stands in the table; its message is meant for the client."""
    return response(request, KINDS[type(error)], str(error))


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework itself refuses, such as an unknown path or method."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    kind = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase)
    return response(request, kind, f"{request.method} {request.url.path}: {status.description}.", error.headers)


async def on_unforeseen(request: Request, _: Exception) -> JSONResponse:
    """Answer an error that nobody foresaw, and say nothing of it but the id to look for in the log."""
    detail = f"It is logged under the request id {request.state.request_id}; please report it."
    return response(request, KINDS[Exception], detail)


def install(app: FastAPI) -> None:
    """Let FastAPI answer each exception of the table as a problem."""
    for error in KNOWN:
        app.add_exception_handler(error, on_known)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_unforeseen)


def documentation(*errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of a route that may raise these, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (KINDS[error] for error in errors):
        entry = responses.setdefault(
            kind.status, {"model": Problem, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}}
        )
        entry["description"] = "; ".join(filter(None, [entry["description"], kind.title]))
        entry["content"][MEDIA_TYPE]["examples"][kind.name] = {
            "value": {
                "type": f"/problems/{kind.name}",
                "title": kind.title,
                "status": kind.status,
                "detail": "What happened, and what to do.",
                "instance": "/predict",
                "request_id": "5f0c6d2e9a7b4c1d8e3f2a1b0c9d8e7f",
            }
        }
    return responses
