"""`POST /corrections`: a picture and its correct label → the folder of corrections."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from app.answers import conversion, errors, problems, responses
from app.corrections import LABEL, Corrections, NotStored
from app.digit.reading import DigitOptions
from app.labels import NOTHING
from app.picture.errors import BlankImage
from app.settings import Settings
from app.text.field import InvalidField, require_readable
from app.text.formats import DIGITS
from app.text.limits import TooMuchWriting
from app.text.reading import TextOptions
from app.web.parameters import OfOnePage
from app.web.routes import OF_ONE_PICTURE
from app.web.service import Service, Serving
from app.web.uploads import Upload

OF_CORRECTIONS = OF_ONE_PICTURE | {
    BlankImage,
    TooMuchWriting,
    InvalidField,
    errors.CorrectionsOff,
    errors.CrossOrigin,
    NotStored,
}


class OfCorrection(OfOnePage):
    """What is in the picture."""

    label: str = Field(pattern=LABEL)
    """The digit in the picture, the number as it is written, with newlines between
    lines, or `none`, also for a picture on which nothing is written.
    """


guarded = APIRouter()  # as in `app.web.routes`


def corrections_of(settings: Settings) -> Corrections | None:
    """Return the folder of corrections; None if they are off."""
    if not settings.corrections_dir:
        return None
    return Corrections(
        settings.corrections_dir,
        settings.max_corrections,
        settings.max_corrections_bytes,
        settings.queue_seconds,
    )


async def folder_of(request: Request, service: Serving) -> Corrections:
    """Return the folder of corrections; raise CorrectionsOff or CrossOrigin."""
    if service.corrections is None:
        raise errors.CorrectionsOff(
            "This service stores no corrections: the operator can set "
            "DIGITS_CORRECTIONS_DIR."
        )
    origin = request.headers.get("origin")
    is_allowed = {origin, "*"} & {*service.settings.cors_origins}
    if is_from_elsewhere(request) and not is_allowed:
        raise errors.CrossOrigin(
            f"Pages of {origin} may not send corrections: the operator can set "
            "DIGITS_CORS_ORIGINS."
        )
    return service.corrections


def is_from_elsewhere(request: Request) -> bool:
    """Return whether a page of another origin sends a request.

    Browsers send it even if CORS hides the response.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site not in ("none", "same-origin")
    # Without TLS, browsers send that header to localhost only. Programs send neither.
    origin = request.headers.get("origin")
    host = request.headers.get("host")
    return origin not in (None, f"http://{host}", f"https://{host}")


@guarded.post(
    "/corrections",
    summary="Store a correction",
    tags=["pictures"],
    status_code=201,
    responses={
        200: {
            "description": "The picture is already stored with this label",
            "model": responses.Stored,
        },
        **problems.documentation("/corrections", *OF_CORRECTIONS),
    },
)
async def correct(
    request: Request,
    response: Response,
    service: Serving,
    # Before the picture, so that its body is not read if corrections are off.
    corrections: Annotated[Corrections, Depends(folder_of)],
    picture: Upload,
    parameters: Annotated[OfCorrection, Query()],
) -> responses.Stored:
    """Store a picture with its correct label and the service's answer; a new label
    replaces an earlier one.
    """
    label = parameters.label
    page = parameters.page
    if label != NOTHING:
        require_readable(label, service.reader.networks.lines.spec)
    is_number = label not in {NOTHING, *DIGITS}
    answer_to = answer_to_number if is_number else answer_to_digit
    try:
        answer = await answer_to(request, service, picture, page)
    except BlankImage:
        if label != NOTHING:
            raise
        answer = await answer_to_number(request, service, picture, page)
    stored = await corrections.add(picture, label, answer, page or 1)
    if stored:
        service.metrics.corrections.labels("number" if is_number else label).inc()
    else:
        response.status_code = 200
    return responses.Stored(stored=stored)


async def answer_to_digit(
    request: Request, service: Service, picture: bytes, page: int | None
) -> dict[str, Any]:
    """Return the service's answer to a picture of one digit, or of none."""
    options = DigitOptions(page, must_be_legible=False)
    reading = await service.read_uncounted(request, picture, options)
    answer = conversion.prediction_of(reading, with_frame=False)
    return answer.model_dump()


async def answer_to_number(
    request: Request, service: Service, picture: bytes, page: int | None
) -> dict[str, Any]:
    """Return the service's answer to a picture of a number, without its parts."""
    text = await service.read_text(request, picture, TextOptions(page=page))
    return {
        "text": text.text,
        "confidence": round(text.confidence, 6),
        "model": text.model,
    }
