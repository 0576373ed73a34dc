"""The endpoints and what they answer; no logic of their own."""

import base64
from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from PIL import Image
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from app.inference.classifier import Classifier, rounded
from app.inference.reader import Reader
from app.inference.reading import Reading
from app.preprocess import maps
from app.web import errors, problems
from app.web.admission import Resource
from app.web.legibility import check_legibility
from app.web.telemetry import record, record_answer
from app.web.uploads import FIELD, Picture

guarded = APIRouter()  # its endpoints ask for an API key, where there are any
unguarded = APIRouter()


class Box(BaseModel):
    """A part of the upright picture, in its pixels."""

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Prediction(BaseModel):
    """The digit on a picture."""

    digit: int = Field(ge=0, le=9, description="The most probable digit.")
    confidence: float = Field(ge=0, le=1, description="Its probability.")
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, in that order; they sum to 1."
    )
    legibility: float = Field(
        ge=0, le=1, description="How probably the picture shows one whole digit, and no other beside it."
    )
    model: str = Field(description="The model's version: the first 12 hex digits of its file's SHA-256.")
    frame: str | None = Field(
        default=None, description="With ?frame=true: the 28×28 picture that the network saw, a PNG as a data URI."
    )
    box: Box | None = Field(default=None, description="With ?frame=true: where the digit is on the upright picture.")


class Health(BaseModel):
    """The service is ready."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="The service's version.")
    model: dict[str, str] = Field(description="The model's version and all that its file says of itself.")


EXAMPLE = {
    "digit": 7,
    "confidence": 0.999,
    "probabilities": [0.0] * 7 + [0.999, 0.0, 0.001],
    "legibility": 0.998,
    "model": "1f0c2a9b7d3e",
}
MODEL_EXAMPLE = {"version": "1f0c2a9b7d3e", "architecture": "784-1280-1280-864-256-11"}
HEALTH_EXAMPLE = {"status": "ok", "version": "0.1.0", "model": MODEL_EXAMPLE}
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY["schema"]}}}
BODY: dict[str, Any] = {"multipart/form-data": FORM, "application/octet-stream": BINARY}
BODY_RULES = "The picture's format is recognised by its content; the type that a raw body declares does not matter."


@guarded.post(
    "/predict",
    tags=["pictures"],
    response_model_exclude_unset=True,
    responses={
        200: {"content": {"application/json": {"example": EXAMPLE}}},
        **problems.documentation("/predict", *(problems.KINDS.keys() - {errors.ShuttingDown})),
    },
    openapi_extra={"requestBody": {"required": True, "description": BODY_RULES, "content": BODY}},
)
async def predict(
    request: Request,
    picture: Picture,
    frame: Annotated[bool, Query(description="Also send what the network saw, and where on the picture.")] = False,
) -> Prediction:
    """Read the handwritten digit on a picture, sent as the form field `file` or as the request's body."""
    reader: Reader = request.state.reader
    small = reader.open_if_small(picture)
    queue = Resource.SMALL if small else Resource.LARGE
    request.state.holding.take(queue)
    reading = await (reader.read_small(small) if small else reader.read_large(picture))
    record(reading, queue, request.state.metrics)
    check_legibility(reading, request.state.settings.min_legibility)
    record_answer(reading, request.state.metrics)
    prediction = prediction_of(reading, reader.classifier.version)
    if frame:
        prediction.frame = data_uri(reading.frame)
        prediction.box = box_of(reading.box)
    return prediction


@unguarded.get(
    "/health",
    tags=["service"],
    responses={
        200: {"content": {"application/json": {"example": HEALTH_EXAMPLE}}},
        **problems.documentation("/health", errors.ShuttingDown),
    },
)
async def health(request: Request) -> Health:
    """Whether the service is ready, and with which model; 503 as soon as it is told to stop."""
    if request.state.draining.has_begun:
        raise errors.ShuttingDown("The service finishes what it has begun, and stops: ask another one.")
    classifier: Classifier = request.state.reader.classifier
    return Health(version=request.app.version, model={"version": classifier.version, **classifier.metadata})


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


def prediction_of(reading: Reading, model: str) -> Prediction:
    """What every answer says of a reading."""
    probabilities = rounded(reading.probabilities)
    return Prediction(
        digit=reading.digit,
        confidence=probabilities[reading.digit],
        probabilities=probabilities,
        legibility=round(reading.legibility, 6),
        model=model,
    )


def box_of(box: maps.Box) -> Box:
    """A box as it is answered; rounding may have left it without a pixel."""
    top, bottom, left, right = box
    return Box(left=left, top=top, width=max(1, right - left), height=max(1, bottom - top))


def data_uri(frame: maps.Map) -> str:
    """A frame as a PNG in a data URI, ink black on white as people draw it."""
    png = BytesIO()
    Image.fromarray(np.uint8(255 * (1 - frame) + 0.5)).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
