"""What the endpoints answer: response models, an example of each, and how they are made of what was read."""

import base64
from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field

from app.inference import text
from app.inference.classifier import Classifier, rounded
from app.inference.occlusion import PATCHES, evidence
from app.inference.reading import Reading
from app.preprocess import maps

Share = Annotated[float, Field(ge=0, le=1)]
Frame = Annotated[
    str | None, Field(description="With ?frame=true: what the network saw, 28×28, white on black, a PNG as a data URI.")
]
Model = Annotated[str, Field(description="The model's version: the first 12 hex digits of its file's SHA-256.")]


class Box(BaseModel):
    """A part of the upright picture, in its pixels."""

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Classification(BaseModel):
    """The most probable digit, and how probable all of them are."""

    digit: int = Field(ge=0, le=9, description="The most probable digit.")
    confidence: Share = Field(description="Its probability.")
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, in that order; they sum to 1."
    )


class Prediction(Classification):
    """The digit on a picture."""

    legibility: Share = Field(description="How probably the picture shows one whole digit, and no other beside it.")
    model: Model
    frame: Frame = None
    box: Box | None = Field(default=None, description="With ?frame=true: where the digit is on the upright picture.")


class Explanation(Prediction):
    """The digit on a picture, and how it was found and recognised."""

    frame: str = Field(description="What the network saw, 28×28, white on black, a PNG as a data URI.")
    box: Box = Field(description="Where the digit is on the upright picture.")
    ink: str = Field(
        description="All ink on the upright picture, at the size at which it was searched, white on black, a PNG as a "
        "data URI."
    )
    runner_up: int = Field(ge=0, le=9, description="The second most probable digit.")
    evidence: list[Annotated[list[float], Field(min_length=PATCHES, max_length=PATCHES)]] = Field(
        min_length=PATCHES,
        max_length=PATCHES,
        description="By row and column of the frame: by how much the logarithm of the odds of the digit against the "
        "runner-up falls without the 4×4 patch there. Positive: the patch speaks for the digit.",
    )


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(description="The type of problem. Stable: programs can compare it.")
    title: str = Field(description="A short summary, the same for every problem of this type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(
        description="The id of the request, which is also in the X-Request-ID header and in the log."
    )
    error: str | None = Field(
        default=None, description="Below /v2: the detail, where the protocol's clients expect it."
    )


class Failure(BaseModel):
    """Why one picture of several has no answer."""

    error: Problem


class Predictions(BaseModel):
    """The digit on each of several pictures."""

    results: list[Prediction | Failure] = Field(description="In the order of the pictures.")


class Digit(Classification):
    """A digit of a text."""

    legibility: Share = Field(description="How probably it is one whole digit.")
    box: Box
    frame: Frame = None


class Line(BaseModel):
    """A line of a text."""

    text: str = Field(description="Its digits.")
    confidence: Share = Field(description="The probability that this is how the line reads.")
    box: Box
    digits: list[Digit] = Field(description="From left to right, at least one and at most 64.")


class Text(BaseModel):
    """All digits on a picture."""

    text: str = Field(description="The lines, separated by newlines; empty where there are no digits.")
    confidence: Share = Field(description="The probability that this is all that the picture says.")
    lines: list[Line] = Field(description="From top to bottom, at most 32; none where there are no digits.")
    model: Model


class Stored(BaseModel):
    """What became of a correction."""

    stored: bool = Field(description="Whether it is new: false where the picture is there already, with this label.")


class Health(BaseModel):
    """The service is ready."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="The service's version.")
    corrections: bool = Field(description="Whether `/corrections` stores pictures.")
    model: dict[str, str] = Field(description="The model's version and all that its file says of itself.")


MODEL_EXAMPLE = {"version": "1f0c2a9b7d3e", "architecture": "784-1280-1280-864-256-11"}
SEVEN = {"digit": 7, "confidence": 0.999, "probabilities": [0.0] * 7 + [0.999, 0.0, 0.001], "legibility": 0.998}
ONE = {"digit": 1, "confidence": 0.98, "probabilities": [0.0, 0.98] + [0.0] * 5 + [0.02, 0.0, 0.0], "legibility": 0.95}
SEVENTY_ONE = {
    "text": "71",
    "confidence": 0.97,
    "box": {"left": 40, "top": 30, "width": 105, "height": 92},
    "digits": [
        {**SEVEN, "box": {"left": 40, "top": 32, "width": 60, "height": 90}},
        {**ONE, "box": {"left": 120, "top": 30, "width": 25, "height": 88}},
    ],
}
PREDICTION_EXAMPLE = {**SEVEN, "model": MODEL_EXAMPLE["version"]}
PNG_EXAMPLE = "data:image/png;base64,iVBORw0KGgo…"
EXPLANATION_EXAMPLE = {
    **PREDICTION_EXAMPLE,
    "frame": PNG_EXAMPLE,
    "box": {"left": 40, "top": 32, "width": 60, "height": 90},
    "ink": PNG_EXAMPLE,
    "runner_up": 9,
    "evidence": [[0.0] * 7] + [[0.0, 0.12, 0.4, 0.31, 1.08, -0.2, 0.0]] * 5 + [[0.0] * 7],
}
CORRUPT_IMAGE = {
    "type": "/problems/corrupt-image",
    "title": "The picture is damaged",
    "status": 422,
    "detail": "The picture is cut off or damaged: image file is truncated.",
    "instance": "/predict/batch",
    "request_id": "5f0c6d2e9a7b4c1d8e3f2a1b0c9d8e7f",
}
PREDICTIONS_EXAMPLE = {"results": [PREDICTION_EXAMPLE, {"error": CORRUPT_IMAGE}]}
TEXT_EXAMPLE = {"text": "71", "confidence": 0.96, "lines": [SEVENTY_ONE], "model": MODEL_EXAMPLE["version"]}
HEALTH_EXAMPLE = {"status": "ok", "version": "0.1.0", "corrections": False, "model": MODEL_EXAMPLE}


def values_of(read: Reading | text.Digit) -> dict[str, Any]:
    """The digit that was read, its probabilities and its legibility, rounded as they are answered."""
    digit, shares = read.digit, rounded(read.probabilities)
    legibility = round(read.legibility, 6)
    return {"digit": digit, "confidence": shares[digit], "probabilities": shares, "legibility": legibility}


def prediction_of(reading: Reading, model: str, with_frame: bool) -> Prediction:
    """The answer of a reading."""
    prediction = Prediction(**values_of(reading), model=model)
    if with_frame:
        prediction.frame = data_uri(reading.frame)
        prediction.box = box_of(reading.box)
    return prediction


def explanation_of(reading: Reading, classifier: Classifier) -> Explanation:
    """The answer of a reading that was made with its ink, and the evidence for it."""
    assert reading.ink is not None
    digit, runner_up = reading.digit, reading.runner_up
    return Explanation(
        **values_of(reading),
        model=classifier.version,
        frame=data_uri(reading.frame),
        box=box_of(reading.box),
        ink=data_uri(reading.ink),
        runner_up=runner_up,
        evidence=evidence(classifier, reading.frame, digit, runner_up).round(4).tolist(),
    )


def text_of(read: text.Text, model: str, with_frames: bool) -> Text:
    """The answer of a text."""
    return Text(
        text=read.text,
        confidence=round(read.confidence, 6),
        lines=[line_of(line, with_frames) for line in read.lines],
        model=model,
    )


def line_of(line: text.Line, with_frames: bool) -> Line:
    """The answer of a line."""
    return Line(
        text=line.text,
        confidence=round(line.confidence, 6),
        box=box_of(line.box),
        digits=[digit_of(digit, with_frames) for digit in line.digits],
    )


def digit_of(digit: text.Digit, with_frame: bool) -> Digit:
    """The answer of a digit."""
    answer = Digit(**values_of(digit), box=box_of(digit.box))
    if with_frame:
        answer.frame = data_uri(digit.frame)
    return answer


def box_of(box: maps.Box) -> Box:
    """A box as it is answered; rounding may have left it without a pixel."""
    top, bottom, left, right = box
    return Box(left=left, top=top, width=max(1, right - left), height=max(1, bottom - top))


def data_uri(ink: maps.Map) -> str:
    """A map of ink as a PNG in a data URI, white on black as MNIST's images are."""
    png = BytesIO()
    Image.fromarray(np.uint8(255 * ink + 0.5)).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
