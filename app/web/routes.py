"""The endpoints and what they answer; no logic of their own."""

import base64
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from PIL import Image
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from pydantic_core import to_json

from app.web import problems, uploads
from app.inference.classifier import Classifier, as_answered
from app.web.draining import Draining
from app.web.auth import Keys, Unauthorized
from app.web.admission import Budget, Share
from app.metrics import Metrics
from app.preprocess.maps import Map
from app.inference.reader import Reader, Reading
from app.settings import Settings

guarded = APIRouter()  # its endpoints ask for an API key, where there are any
unguarded = APIRouter()


@dataclass(frozen=True)
class Service:
    """What the endpoints work with, made once at start-up."""

    settings: Settings
    classifier: Classifier
    reader: Reader
    metrics: Metrics
    keys: Keys
    draining: Draining
    bodies: Budget


class Prediction(BaseModel):
    """The digit on a picture."""

    digit: int = Field(ge=0, le=9, description="The most probable digit.")
    confidence: float = Field(ge=0, le=1, description="Its probability.")
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, in that order; they sum to 1."
    )
    model: str = Field(description="The model's version: the first 12 hex digits of its file's SHA-256.")
    frame: str | None = Field(None, description="With ?frame=true: the 28×28 picture that the network saw, a PNG.")


class Health(BaseModel):
    """The service is ready."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="The service's version.")
    model: dict[str, str] = Field(description="The model's version and all that its file says of itself.")


EXAMPLE = {
    "digit": 7,
    "confidence": 0.9991,
    "probabilities": [0.0, 0.0001, 0.0003, 0.0002, 0.0, 0.0, 0.0, 0.9991, 0.0, 0.0003],
    "model": "1f0c2a9b7d3e",
}
FRAME: dict[str, Any] = {
    "name": "frame",
    "in": "query",
    "description": "Also send what the network saw.",
    "schema": {"type": "boolean", "default": False},
}
PICTURE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": [uploads.FIELD],
        "properties": {uploads.FIELD: {"type": "string", "format": "binary", "description": "The picture."}},
    }
}


@guarded.post(
    "/predict",
    summary="Read the handwritten digit on a picture",
    response_model=Prediction,
    responses={
        200: {"content": {"application/json": {"example": EXAMPLE}}},
        **problems.documentation(*(problems.KINDS.keys() - {problems.ShuttingDown})),
    },
    openapi_extra={
        "parameters": [FRAME],
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": FORM, "image/*": PICTURE, "application/octet-stream": PICTURE},
        },
    },
)
async def predict(request: Request) -> Response:
    """Send the picture as the form field `file`, or as the request's body."""
    service: Service = request.state.service
    settings = service.settings
    service.keys.check(request)
    with_frame = wants_frame(request)
    with Share(service.bodies) as memory:
        picture = await uploads.read_picture(request, settings.max_upload_bytes, settings.body_timeout_seconds, memory)
        reading = await service.reader(picture, gone=partial(uploads.hung_up, request))
    answer = prediction(reading, service.classifier.version, service.metrics)
    if with_frame:
        answer["frame"] = data_uri(reading.frame)
    return Response(to_json(answer), media_type="application/json")


def wants_frame(request: Request) -> bool:
    """The parameter `frame`."""
    value = request.query_params.get("frame", "false") if request.scope["query_string"] else "false"
    if value.lower() not in ("true", "false", "1", "0"):
        raise problems.InvalidParameter(f"frame is {value!r}: write true or false.")
    return value.lower() in ("true", "1")


def prediction(reading: Reading, model: str, metrics: Metrics) -> dict[str, Any]:
    """A Prediction, as a dict: it is ours, and need not be validated."""
    shares = as_answered(reading.probabilities)
    digit = int(reading.probabilities.argmax())
    metrics.predictions[digit].inc()
    metrics.confidence.observe(shares[digit])
    return {"digit": digit, "confidence": shares[digit], "probabilities": shares, "model": model}


@unguarded.get(
    "/health",
    summary="Whether the service is ready, and with which model",
    responses=problems.documentation(problems.ShuttingDown),
)
async def health(request: Request) -> Health:
    """Answers as soon as pictures can be sent, and until the service is told to stop."""
    service: Service = request.state.service
    if service.draining.begun:
        raise problems.ShuttingDown("The service finishes what it has begun, and stops: ask another one.")
    model = {"version": service.classifier.version, **service.classifier.metadata}
    return Health(version=request.app.version, model=model)


@guarded.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE_LATEST: {}}},
        **problems.documentation(Unauthorized),
    },
)
async def metrics(request: Request) -> Response:
    """Of all workers together, in Prometheus's text format."""
    service: Service = request.state.service
    service.keys.check(request)
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def data_uri(frame: Map) -> str:
    """A frame as a PNG in a data URI, ink black on white as people draw it."""
    png = BytesIO()
    Image.fromarray(np.uint8(255 * (1 - frame) + 0.5)).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
