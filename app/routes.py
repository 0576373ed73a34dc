"""The endpoints and what they answer; no logic of their own."""

import base64
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Request
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from app import problems, uploads
from app.classifier import Classifier
from app.preprocess.maps import Map
from app.preprocess.pipeline import frame_from_bytes
from app.settings import Settings

router = APIRouter()


@dataclass(frozen=True)
class Service:
    """What the endpoints work with, made once at start-up."""

    settings: Settings
    classifier: Classifier
    threads: CapacityLimiter

    def read(self, picture: bytes) -> tuple[Map, NDArray[np.float32]]:
        """A picture's frame (28, 28) and the probabilities (10,) of the digits; blocks."""
        frame = frame_from_bytes(picture, self.settings.max_pixels)
        return frame, self.classifier(frame[None])[0]


async def service(request: Request) -> Service:
    """The running application's service."""
    found: Service = request.state.service
    return found


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
PICTURE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": [uploads.FIELD],
        "properties": {uploads.FIELD: {"type": "string", "format": "binary", "description": "The picture."}},
    }
}


@router.post(
    "/predict",
    summary="Read the handwritten digit on a picture",
    response_model_exclude_none=True,
    responses={
        200: {"content": {"application/json": {"example": EXAMPLE}}},
        **problems.documentation(*problems.KINDS),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": FORM, "image/*": PICTURE, "application/octet-stream": PICTURE},
        }
    },
)
async def predict(
    request: Request,
    service: Annotated[Service, Depends(service)],
    frame: Annotated[bool, Query(description="Also send what the network saw.")] = False,
) -> Prediction:
    """Send the picture as the form field `file`, or as the request's body."""
    picture = await uploads.read_picture(request, service.settings.max_upload_bytes)
    seen, probabilities = await to_thread.run_sync(partial(service.read, picture), limiter=service.threads)
    shares = [round(share, 6) for share in probabilities.tolist()]
    digit = int(probabilities.argmax())
    return Prediction(
        digit=digit,
        confidence=shares[digit],
        probabilities=shares,
        model=service.classifier.version,
        frame=data_uri(seen) if frame else None,
    )


@router.get("/health", summary="Whether the service is ready, and with which model")
async def health(request: Request, service: Annotated[Service, Depends(service)]) -> Health:
    """Answers as soon as pictures can be sent."""
    model = {"version": service.classifier.version, **service.classifier.metadata}
    return Health(version=request.app.version, model=model)


def data_uri(frame: Map) -> str:
    """A frame as a PNG in a data URI, ink black on white as people draw it."""
    png = BytesIO()
    Image.fromarray(np.uint8(255 * (1 - frame) + 0.5)).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
