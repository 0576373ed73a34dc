"""The endpoints; no logic of their own."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST

from app.inference.classifier import Classifier
from app.inference.reader import Reader
from app.inference.text import MOST_DIGITS
from app.inference.text_reading import ImpossibleLength
from app.preprocess.errors import BlankImage, TooMuchWriting
from app.web import answers, errors, problems
from app.web.admission import Resource
from app.web.legibility import check_legibility
from app.web.telemetry import record, record_answer, record_reading, record_text
from app.web.uploads import FIELD, Picture

guarded = APIRouter()  # its endpoints ask for an API key, where there are any
unguarded = APIRouter()


BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY["schema"]}}}
BODY: dict[str, Any] = {"multipart/form-data": FORM, "application/octet-stream": BINARY}
BODY_RULES = "The picture's format is recognised by its content; the type that a raw body declares does not matter."
REQUEST: dict[str, Any] = {"requestBody": {"required": True, "description": BODY_RULES, "content": BODY}}
NOT_OF_PREDICT = {errors.ShuttingDown, TooMuchWriting, ImpossibleLength}
NOT_OF_READ = {errors.ShuttingDown, errors.NotADigit, BlankImage}


@guarded.post(
    "/predict",
    tags=["pictures"],
    response_model_exclude_unset=True,
    responses={
        200: {"content": {"application/json": {"example": answers.PREDICTION_EXAMPLE}}},
        **problems.documentation("/predict", *(problems.KINDS.keys() - NOT_OF_PREDICT)),
    },
    openapi_extra=REQUEST,
)
async def predict(
    request: Request,
    picture: Picture,
    frame: Annotated[bool, Query(description="Also send what the network saw, and where on the picture.")] = False,
) -> answers.Prediction:
    """Read the handwritten digit on a picture, sent as the form field `file` or as the request's body."""
    reader: Reader = request.state.reader
    small = reader.open_if_small(picture)
    queue = Resource.SMALL if small else Resource.LARGE
    request.state.holding.take(queue)
    reading = await (reader.read_small(small) if small else reader.read_large(picture))
    record(reading.stages, queue, request.state.metrics)
    record_reading(reading, request.state.metrics)
    check_legibility(reading, request.state.settings.min_legibility)
    record_answer(reading, request.state.metrics)
    return answers.prediction_of(reading, reader.classifier.version, frame)


@guarded.post(
    "/read",
    tags=["pictures"],
    response_model_exclude_unset=True,
    responses={
        200: {"content": {"application/json": {"example": answers.TEXT_EXAMPLE}}},
        **problems.documentation("/read", *(problems.KINDS.keys() - NOT_OF_READ)),
    },
    openapi_extra=REQUEST,
)
async def read(
    request: Request,
    picture: Picture,
    length: Annotated[
        int | None, Query(ge=1, le=MOST_DIGITS, description="Number of digits on the picture, where it is known.")
    ] = None,
    frame: Annotated[bool, Query(description="Also send what the network saw of each digit.")] = False,
) -> answers.Text:
    """Read all handwritten digits on a picture, line by line; one without any has an empty text."""
    reader: Reader = request.state.reader
    request.state.holding.take(Resource.LARGE)
    text = await reader.read_text(picture, length)
    record(text.stages, Resource.LARGE, request.state.metrics)
    record_text(text, request.state.metrics)
    # In a thread, since it may have two thousand frames to write as PNGs.
    return await run_in_threadpool(answers.text_of, text, reader.classifier.version, frame)


@unguarded.get(
    "/health",
    tags=["service"],
    responses={
        200: {"content": {"application/json": {"example": answers.HEALTH_EXAMPLE}}},
        **problems.documentation("/health", errors.ShuttingDown),
    },
)
async def health(request: Request) -> answers.Health:
    """Whether the service is ready, and with which model; 503 as soon as it is told to stop."""
    if request.state.draining.has_begun:
        raise errors.ShuttingDown("The service finishes what it has begun, and stops: ask another one.")
    classifier: Classifier = request.state.reader.classifier
    return answers.Health(version=request.app.version, model={"version": classifier.version, **classifier.metadata})


@guarded.get(
    "/metrics",
    tags=["service"],
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}},
        **problems.documentation("/metrics", errors.Unauthorized),
    },
)
async def metrics(request: Request) -> Response:
    """Numbers for Prometheus, of all workers together."""
    return Response(request.state.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
