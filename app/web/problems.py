"""FastAPI's handlers of errors: exceptions of a request → responses with problems."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.answers.errors import NotSure, Overloaded
from app.answers.problems import MEDIA_TYPE, TYPES, ProblemType
from app.answers.responses import Problem
from app.serving.decoders import TryAgain
from app.text.field import InvalidField
from app.web.parameters import in_words

LOG = structlog.get_logger()


def type_and_detail(request: Request, error: Exception) -> tuple[ProblemType, str]:
    """Return the problem type of an exception, and the detail for the client."""
    # Raised by the framework, as for an unknown path or method.
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        name = status.phrase.lower().replace(" ", "-")
        headers = error.headers or {}
        allowed = headers.get("Allow")
        advice = f"send {allowed}" if allowed else "/docs lists what there is"
        return (
            ProblemType(status, name, status.phrase, headers),
            f"There is no {request.method} {request.scope['path']}: {advice}.",
        )
    if isinstance(error, RequestValidationError):
        return TYPES[InvalidField], in_words(error.errors())
    if type(error) in TYPES:
        notes = getattr(error, "__notes__", [])  # of which picture it is
        return TYPES[type(error)], ": ".join([*notes, str(error)])
    return (
        TYPES[Exception],
        f"The error was logged under request id {request.state.request_id}. Please "
        "report it.",
    )


def problem_of(request: Request, error: Exception) -> tuple[Problem, dict[str, str]]:
    """Count an exception, and return its problem and headers.

    The problem of an unforeseen one reveals only the request id.
    """
    problem_type, detail = type_and_detail(request, error)
    request.state.service.metrics.rejected.labels(problem_type.name).inc()
    problem = problem_type.problem(
        detail, request.scope["path"], request.state.request_id
    )
    if isinstance(error, NotSure):
        problem.reading = error.reading
    headers = dict(problem_type.headers)
    if isinstance(error, Overloaded | TryAgain):
        headers["Retry-After"] = str(error.seconds)
    return problem, headers


async def respond(request: Request, error: Exception) -> Response:
    """Answer a request that raised an exception."""
    problem, headers = problem_of(request, error)
    content = problem.model_dump_json()
    return Response(content, problem.status, headers, MEDIA_TYPE)


def log_unforeseen(request: Request, error: Exception) -> Exception:
    """Return the error of one picture of several, without its traceback; log it if it
    is unforeseen.

    The traceback would keep the picture in memory until all have been read.
    """
    if type(error) not in TYPES:
        LOG.error(
            "unforeseen error", exc_info=error, request_id=request.state.request_id
        )
    error.__cause__ = None
    error.__context__ = None
    return error.with_traceback(None)


def install(app: FastAPI) -> None:
    """Let FastAPI answer all exceptions but unforeseen ones, as the middleware does."""
    for error in TYPES.keys() - {Exception} | {HTTPException, RequestValidationError}:
        app.add_exception_handler(error, respond)
