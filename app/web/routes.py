"""The endpoints, without logic of their own."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST

from app.answers import conversion, errors, problems, responses
from app.answers.problems import OF_BODY, OF_PICTURE, OF_UPLOAD
from app.digit.inside import weights_in_colour
from app.digit.reading import NotADigit
from app.form.form import InvalidForm, NotThisForm
from app.picture.errors import BlankImage, OutsidePicture
from app.text.field import InvalidField
from app.text.limits import TooMuchWriting
from app.text.reading import ImpossibleLength
from app.text.transcription import Transcription
from app.web import results
from app.web.documents import Document
from app.web.forms import answer_with_sheets, forms_of
from app.web.pages import answers_to_pages, in_turn, pages_of
from app.web.parameters import (
    DigitParameters,
    OfDigit,
    OfText,
    PictureParameters,
    TextParameters,
)
from app.web.results import sure
from app.web.service import Service, Serving
from app.web.several import AT_ONCE, Deadline, read_several
from app.web.uploads import OneSent, SeveralSent, Upload, Uploads

guarded = APIRouter()  # its endpoints require an API key if any are set
unguarded = APIRouter()
post = partial(guarded.post, tags=["pictures"])

OF_ONE_PICTURE = OF_BODY | OF_UPLOAD | OF_PICTURE
OF_REGION = {OutsidePicture, InvalidField}
OF_EXPLAIN = OF_ONE_PICTURE | OF_REGION | {BlankImage, NotADigit}
OF_PREDICT = OF_EXPLAIN | {errors.NotSure}
OF_BATCH = OF_BODY | {
    errors.MalformedMultipart,
    errors.NoFile,
    errors.TooManyPictures,
    InvalidField,
}
OF_READ = (
    OF_ONE_PICTURE
    | OF_REGION
    | {
        TooMuchWriting,
        ImpossibleLength,
        errors.NotSure,
        errors.TooManyPages,
        errors.UnknownForm,
        errors.NoPageNetwork,
        InvalidForm,
        NotThisForm,
    }
)


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
    deadline = Deadline(service.seconds)
    answer = partial(answer_with_digit, request, service, parameters, deadline=deadline)
    return results.respond(request, read_several(request, pictures, answer, AT_ONCE))


async def answer_with_digit(
    request: Request,
    service: Service,
    parameters: OfDigit,
    picture: bytes,
    deadline: Deadline | None = None,
) -> responses.Prediction:
    """Answer with the digit in a picture, which may be one of several."""
    options = parameters.options()
    reading = await service.read_digit(request, picture, options, deadline)
    answer = conversion.prediction_of(reading, parameters.frame)
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
    options = parameters.options(with_ink=True)
    reading = await service.read_digit(request, picture, options)
    # In a thread, since encoding the ink as a PNG may take 10 ms.
    return await run_in_threadpool(
        conversion.explanation_of, reading, service.reader.networks.digits
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
    "/read",
    summary="Read numbers",
    response_model=responses.Text
    | responses.Document
    | responses.FilledSheet
    | responses.Sheets,
    responses=problems.documentation("/read", *OF_READ),
)
async def read(
    request: Request, service: Serving, parameters: TextParameters, sent: OneSent
) -> responses.Text | responses.FilledSheet | Response:
    """Read the handwritten numbers in a picture as they are written, line by line;
    without any, the text is empty. With a form, read the fields of a filled sheet.

    Of a PDF or TIFF with several pages, all are read, unless `page` chooses some. With
    `Accept: application/x-ndjson`, each page is a line of JSON, sent as soon as it is
    read. With `Accept: text/plain`, the answer for a picture is its text alone.
    """
    parameters = parameters.with_values(sent.values)
    parameters.field.require_possible(service.reader.networks.lines.spec)
    forms = await forms_of(service, parameters, sent)
    if forms:
        sheets = await answer_with_sheets(
            request, service, parameters, sent.picture, forms
        )
        return results.respond_with(request, sheets)
    answer = await answer_with_text(request, service, parameters, sent.picture)
    return results.respond_with(request, answer)


@post(
    "/read/batch",
    summary="Read numbers in each of several pictures",
    response_model=responses.Texts,
    responses=problems.documentation("/read/batch", *OF_BATCH),
)
async def read_batch(
    request: Request, service: Serving, parameters: TextParameters, sent: SeveralSent
) -> Response:
    """Read the handwritten numbers in each of up to 256 pictures, sent as form fields
    `files`, in the order sent.

    With `Accept: application/x-ndjson`, each result is a line of JSON, sent as soon as
    it is known.
    """
    parameters = parameters.with_values(sent.values)
    parameters.field.require_possible(service.reader.networks.lines.spec)
    if parameters.form or sent.forms:
        raise InvalidField("form is for /read: send it one sheet, or a document.")

    async def answer(picture: bytes) -> responses.Text | Document:
        read = partial(answer_with_text, request, service, parameters, picture)
        return await service.admission.patiently(read)

    return results.respond(request, read_several(request, sent.pictures, answer))


async def answer_with_text(
    request: Request, service: Service, parameters: OfText, picture: bytes
) -> responses.Text | Document:
    """Answer with what is written in a picture, which may be one of several, or on each
    page of a document.
    """
    answer = partial(answer_to_page, request, service, parameters, picture)
    pages = await pages_of(request, service, parameters, picture)
    if pages is None:
        return await answer(parameters.only_page)

    async def answer_in_turn(page: int) -> responses.Text:
        return await in_turn(service, page, partial(answer, page))

    answers = answers_to_pages(
        request, pages.listed, answer_in_turn, conversion.page_of
    )
    model = service.reader.networks.text_model
    return Document(answers, pages.total, model, parameters.characters)


async def answer_to_page(
    request: Request,
    service: Service,
    parameters: OfText,
    picture: bytes,
    page: int | None,
) -> responses.Text:
    """Answer with what is written in a picture, or on a page of a document."""
    options = parameters.options(page)
    text = await service.read_text(request, picture, options)
    answer = await answer_of(text, service, parameters)
    return sure(answer, parameters.min_confidence)


async def answer_of(
    text: Transcription, service: Service, parameters: OfText
) -> responses.Text:
    """Convert a text, in a thread: there may be two thousand frames to encode."""
    shown = text if parameters.marks else text.digits_only()
    return await run_in_threadpool(
        conversion.text_of, shown, parameters.frame, parameters.characters
    )


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
        models=responses.Models.model_validate(service.reader.networks.about),
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
