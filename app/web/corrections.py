"""`POST /corrections`: a picture and its correct label → the folder of corrections, if there is one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from app.corrections import Corrections, Label, NotStored
from app.preprocess.errors import BlankImage
from app.settings import Settings
from app.web import answers, conversion, errors, problems
from app.web.parameters import Parameters
from app.web.readings import read_one
from app.web.routes import OF_ONE_PICTURE, REQUEST
from app.web.service import Serving
from app.web.uploads import Upload

OF_CORRECTIONS = OF_ONE_PICTURE | {
    BlankImage,
    RequestValidationError,
    errors.CorrectionsOff,
    errors.CrossOrigin,
    NotStored,
}


class OfCorrection(Parameters):
    """What is in the picture."""

    label: Label = Field(description="The digit in the picture, or `none` if it shows no digit.")


guarded = APIRouter()  # as in `app.web.routes`


def corrections_of(settings: Settings) -> Corrections | None:
    """Return the folder of corrections; None if they are off."""
    folder = settings.corrections_dir
    limits = settings.max_corrections, settings.max_corrections_bytes, settings.queue_seconds
    return Corrections(folder, *limits) if folder else None


async def folder_of(request: Request, service: Serving) -> Corrections:
    """Return the folder of corrections; raise CorrectionsOff if there is none, CrossOrigin for a foreign page."""
    if service.corrections is None:
        raise errors.CorrectionsOff("This service stores no corrections: the operator can set DIGITS_CORRECTIONS_DIR.")
    origin = request.headers.get("origin")
    if is_from_elsewhere(request) and not {origin, "*"} & set(service.settings.cors_origins):
        raise errors.CrossOrigin(
            f"Pages of {origin} may not send corrections: the operator can set DIGITS_CORS_ORIGINS."
        )
    return service.corrections


def is_from_elsewhere(request: Request) -> bool:
    """Return whether a page of another origin sends a request; browsers send it even if CORS hides the response."""
    if site := request.headers.get("sec-fetch-site"):
        return site not in ("none", "same-origin")
    # Without TLS, browsers send that header to localhost only. Programs send neither header.
    host = request.headers.get("host")
    return request.headers.get("origin") not in (None, f"http://{host}", f"https://{host}")


@guarded.post(
    "/corrections",
    summary="Store a correction",
    tags=["pictures"],
    status_code=201,
    responses={
        201: {"content": {"application/json": {"example": {"stored": True}}}},
        200: {
            "description": "The picture is already stored with this label",
            "model": answers.Stored,
            "content": {"application/json": {"example": {"stored": False}}},
        },
        **problems.documentation("/corrections", *OF_CORRECTIONS),
    },
    openapi_extra=REQUEST,
)
async def correct(
    request: Request,
    response: Response,
    service: Serving,
    # Before the picture, so that its body is not read if corrections are off.
    corrections: Annotated[Corrections, Depends(folder_of)],
    picture: Upload,
    parameters: Annotated[OfCorrection, Query()],
) -> answers.Stored:
    """Store a picture with its correct label and the service's answer; a new label replaces an earlier one."""
    reading = await read_one(request, service, picture)
    answer = conversion.prediction_of(reading, service.reader.classifier.version, with_frame=False)
    label = parameters.label
    stored = await corrections.add(picture, label, answer.model_dump(exclude_unset=True))
    if stored:
        service.metrics.corrections.labels(label).inc()
    else:
        response.status_code = 200
    return answers.Stored(stored=stored)
