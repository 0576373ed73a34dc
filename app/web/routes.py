"""The endpoints, without logic of their own."""

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST

from app.answers import conversion, errors, problems, responses
from app.answers.problems import OF_BODY, OF_PICTURE, OF_UPLOAD
from app.digit.inside import weights_in_colour
from app.digit.reading import DigitOptions, NotADigit
from app.picture.errors import BlankImage, TooMuchWriting
from app.text.field import InvalidField
from app.text.text import ImpossibleLength, Text
from app.web import results
from app.web.admission import unless_gone
from app.web.parameters import (
    DigitParameters,
    OfDigit,
    OfText,
    PictureParameters,
    TextParameters,
)
from app.web.problems import problem_of
from app.web.service import AT_ONCE, Service, Serving, Turns, read_several
from app.web.uploads import Upload, Uploads

Answer = TypeVar("Answer", responses.Prediction, responses.Text, responses.Document)
guarded = APIRouter()  # its endpoints require an API key if any are set
unguarded = APIRouter()
post = partial(guarded.post, tags=["pictures"], response_model_exclude_unset=True)

OF_ONE_PICTURE = OF_BODY | OF_UPLOAD | OF_PICTURE
OF_EXPLAIN = OF_ONE_PICTURE | {BlankImage, NotADigit, InvalidField}
OF_PREDICT = OF_EXPLAIN | {errors.NotSure}
OF_BATCH = OF_BODY | {
    errors.MalformedMultipart,
    errors.NoFile,
    errors.TooManyPictures,
    InvalidField,
}
OF_READ = OF_ONE_PICTURE | {
    TooMuchWriting,
    ImpossibleLength,
    InvalidField,
    errors.NotSure,
    errors.TooManyPages,
}


@post(
    "/predict",
    summary="Read a digit",
    responses=problems.documentation("/predict", *OF_PREDICT),
)
async def predict(
    request: Request, service: Serving, parameters: DigitParameters, picture: Upload
) -> responses.Prediction:
    """Read the handwritten digit in a picture, sent as the form field `file`, in JSON,
    or as the raw body.
    """
    return await answer_with_digit(request, service, parameters, picture)


@post(
    "/predict/batch",
    summary="Read a digit in each of several pictures",
    response_model=responses.Predictions,
    responses=problems.documentation("/predict/batch", *OF_BATCH),
)
async def predict_batch(
    request: Request, service: Serving, parameters: DigitParameters, pictures: Uploads
) -> Response:
    """Read the handwritten digit in each of up to 256 pictures, sent as form fields
    `files`, in the order sent.

    With `Accept: application/x-ndjson`, each result is a line of JSON, sent as soon as
    it is known.
    """
    turns = Turns(monotonic() + service.seconds)
    answer = partial(answer_with_digit, request, service, parameters, turns=turns)
    return results.respond(request, read_several(request, pictures, answer, AT_ONCE))


async def answer_with_digit(
    request: Request,
    service: Service,
    parameters: OfDigit,
    picture: bytes,
    turns: Turns | None = None,
) -> responses.Prediction:
    """Answer with the digit in a picture, which may be one of several."""
    options = DigitOptions(parameters.page, parameters.opinion)
    reading = await service.read_digit(request, picture, options, turns)
    service.accept(reading)
    model = service.reader.digit_models[parameters.opinion]
    answer = conversion.prediction_of(reading, model, parameters.frame)
    return sure(answer, parameters.min_confidence)


@post(
    "/explain",
    summary="Explain how a digit is read",
    responses=problems.documentation("/explain", *OF_EXPLAIN),
)
async def explain(
    request: Request, service: Serving, parameters: PictureParameters, picture: Upload
) -> responses.Explanation:
    """Read the digit as `/predict` does, and return the ink, the frame, and the
    evidence in it for the digit.
    """
    options = DigitOptions(parameters.page, parameters.opinion, with_ink=True)
    reading = await service.read_digit(request, picture, options)
    service.accept(reading)
    # In a thread, since encoding the ink as a PNG may take 10 ms.
    return await run_in_threadpool(
        conversion.explanation_of,
        reading,
        service.reader.networks.digits,
        service.reader.digit_models[parameters.opinion],
    )


@guarded.get(
    "/explain/units/{unit}",
    summary="The weights of a unit of the first layer",
    tags=["pictures"],
    responses=problems.documentation(
        "/explain/units/{unit}", errors.UnknownUnit, errors.Unauthorized, InvalidField
    ),
)
def unit_weights(service: Serving, unit: int) -> responses.Unit:
    """Draw the weights of a unit of the first layer, 28×28: ink on blue raises its sum,
    ink on orange lowers it.
    """
    pixels = weights_in_colour(service.reader.networks.digits, unit)
    if pixels is None:
        raise errors.UnknownUnit(
            f"The first layer has no unit {unit}, or the model file does not say its "
            "weights."
        )
    return responses.Unit(unit=unit, weights=conversion.data_uri(pixels))


@post(
    "/read", summary="Read numbers", responses=problems.documentation("/read", *OF_READ)
)
async def read(
    request: Request, service: Serving, parameters: TextParameters, picture: Upload
) -> responses.Text | responses.Document:
    """Read the handwritten numbers in a picture as they are written, line by line;
    without any, the text is empty.

    Of a PDF or TIFF with several pages, all are read, unless `page` chooses one.
    """
    parameters.field.require_possible(service.reader.networks.lines.spec)
    turns = Turns(monotonic() + service.pages_seconds)
    return await answer_with_text(request, service, parameters, picture, turns)


@post(
    "/read/batch",
    summary="Read numbers in each of several pictures",
    response_model=responses.Texts,
    responses=problems.documentation("/read/batch", *OF_BATCH),
)
async def read_batch(
    request: Request, service: Serving, parameters: TextParameters, pictures: Uploads
) -> Response:
    """Read the handwritten numbers in each of up to 256 pictures, sent as form fields
    `files`, in the order sent.

    With `Accept: application/x-ndjson`, each result is a line of JSON, sent as soon as
    it is known.
    """
    parameters.field.require_possible(service.reader.networks.lines.spec)
    turns = Turns(monotonic() + service.pages_seconds)

    async def answer(picture: bytes) -> responses.Text | responses.Document:
        turns.check()
        return await answer_with_text(request, service, parameters, picture, turns)

    return results.respond(request, read_several(request, pictures, answer))


async def answer_with_text(
    request: Request, service: Service, parameters: OfText, picture: bytes, turns: Turns
) -> responses.Text | responses.Document:
    """Answer with what is written in a picture, which may be one of several, or on each
    page of a document.
    """

    async def text_of(page: int | None) -> Text:
        return await service.read_text(request, picture, parameters.options(page))

    async def text_in_turn(page: int) -> Text:
        async with service.admission.pages:
            turns.check(
                f"There was no time left for this page: ask for it with ?page={page}."
            )
            return await text_of(page)

    count = 1 if parameters.page else await service.page_count(picture)
    if count == 1:
        text = await text_of(parameters.page)
        answer = await answer_of(text, service, parameters)
        return sure(answer, parameters.min_confidence)
    outcomes = read_several(request, range(1, count + 1), text_in_turn)
    document = document_of(request, service, parameters, outcomes)
    return sure(await unless_gone(request, document), parameters.min_confidence)


async def document_of(
    request: Request,
    service: Service,
    parameters: OfText,
    outcomes: AsyncIterator[Text | Exception],
) -> responses.Document:
    """Convert the pages of a document, as they are read."""
    pages = list[responses.Page | responses.FailedPage]()
    async for outcome in outcomes:
        page = len(pages) + 1
        if isinstance(outcome, Exception):
            pages.append(
                responses.FailedPage(page=page, error=problem_of(request, outcome)[0])
            )
        else:
            pages.append(
                conversion.page_of(await answer_of(outcome, service, parameters), page)
            )
    return conversion.document_of(
        pages, service.reader.networks.text_model, parameters.characters
    )


async def answer_of(text: Text, service: Service, parameters: OfText) -> responses.Text:
    """Convert a text, in a thread: there may be two thousand frames to encode."""
    shown = text if parameters.marks else text.digits_only()
    version = service.reader.networks.text_model
    return await run_in_threadpool(
        conversion.text_of, shown, version, parameters.frame, parameters.characters
    )


def sure(answer: Answer, least: float) -> Answer:
    """Return an answer; raise NotSure if its confidence, or its legibility if it has
    one, is lower.
    """
    for name in ("confidence", "legibility"):
        share = getattr(answer, name, 1)
        if share < least:
            # With all its digits: one that is rounded could be the least.
            in_full = f"{Decimal(str(share)):f}"
            raise errors.NotSure(
                f"The {name} is {in_full}: a person should look at the picture.", answer
            )
    return answer


@unguarded.head("/health", include_in_schema=False)
@unguarded.get(
    "/health",
    summary="Is the service ready?",
    tags=["service"],
    responses=problems.documentation("/health", errors.ShuttingDown),
)
async def health(request: Request, service: Serving) -> responses.Health:
    """Report whether the service is ready, and its models: 503 as soon as it is told to
    stop.
    """
    service.draining.check()
    return responses.Health(
        version=request.app.version,
        corrections=service.corrections is not None,
        models=request.app.state.networks.about,
    )


@unguarded.get("/health/live", summary="Does the service run?", tags=["service"])
async def live() -> responses.Live:
    """Report that the service runs, even if it is told to stop: for a liveness
    probe.
    """
    return responses.Live()


@guarded.get(
    "/metrics",
    summary="Prometheus metrics",
    tags=["service"],
    response_class=Response,
    responses={
        200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}},
        **problems.documentation("/metrics", errors.Unauthorized),
    },
)
async def metrics(service: Serving) -> Response:
    """Return the Prometheus metrics, summed over all workers."""
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
