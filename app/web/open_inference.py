"""The endpoints of the Open Inference Protocol V2."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, NonNegativeInt

from app.answers import errors, problems
from app.answers.problems import OF_BODY, OF_PICTURE
from app.digit.reading import DigitOptions, NotADigit, Reading
from app.picture.errors import BlankImage
from app.text.field import InvalidField
from app.web import tensors
from app.web.bodies import arriving
from app.web.infer import HEADER, Inference
from app.web.parameters import PictureParameters
from app.web.service import Service, Serving
from app.web.several import AT_ONCE, Deadline, read_several
from app.web.uploads import read_raw

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
MODEL = "/v2/models/digits"
OF_INFER = {
    *OF_BODY,
    *OF_PICTURE,
    errors.MalformedJson,
    errors.InvalidInference,
    errors.NotBase64,
    errors.TooManyPictures,
    BlankImage,
    NotADigit,
    InvalidField,
}

# As in `app.web.routes`.
guarded = APIRouter(tags=["inference"])
unguarded = APIRouter(tags=["inference"])


async def check_version(
    service: Serving, version: Annotated[str, Path(description="The model's version.")]
) -> None:
    """Raise UnknownVersion if the model has another version."""
    ours = service.reader.networks.digits.version
    if version != ours:
        raise errors.UnknownVersion(
            f"The model's version is {ours}: request that version, or none."
        )


def of_model(
    method: Callable[..., Callable[[Endpoint], Endpoint]],
    path: str,
    summary: str,
    response_model: type[BaseModel],
    *raised: type[Exception],
) -> Callable[[Endpoint], Endpoint]:
    """Add an endpoint of the model, with and without its version in the path."""
    described = problems.documentation(MODEL + path, *raised)
    unknown = problems.documentation(MODEL + path, errors.UnknownVersion, InvalidField)
    add = partial(method, response_model=response_model)

    def decorate(endpoint: Endpoint) -> Endpoint:
        add(MODEL + path, summary=summary, responses=described)(endpoint)
        add(
            f"{MODEL}/versions/{{version}}{path}",
            name=f"{endpoint.__name__}_of_version",
            summary=f"{summary}, by its version",
            responses=unknown | described,
            dependencies=[Depends(check_version)],
        )(endpoint)
        return endpoint

    return decorate


@unguarded.get("/v2", summary="The service's metadata")
async def server_metadata(request: Request) -> tensors.ServerMetadata:
    """Return the name and version of the service, and the protocol extensions it
    supports.
    """
    return tensors.ServerMetadata(version=request.app.version)


@unguarded.get("/v2/health/live", summary="Does the service run?")
async def server_live() -> tensors.ServerLive:
    """Report that the service is running."""
    return tensors.ServerLive()


@unguarded.get(
    "/v2/health/ready",
    summary="Is the service ready?",
    responses=problems.documentation("/v2/health/ready", errors.ShuttingDown),
)
async def server_ready(service: Serving) -> tensors.ServerReady:
    """Report whether the service is ready: 503 as soon as it is told to stop."""
    service.draining.check()
    return tensors.ServerReady()


@of_model(unguarded.get, "", "The model's metadata", tensors.ModelMetadata)
async def model_metadata(service: Serving) -> tensors.ModelMetadata:
    """Return the version, inputs and outputs of the model. A request has one of the
    inputs.
    """
    return tensors.ModelMetadata(versions=[service.reader.networks.digits.version])


@of_model(
    unguarded.get,
    "/ready",
    "Is the model ready?",
    tensors.ModelReady,
    errors.ShuttingDown,
)
async def model_ready(service: Serving) -> tensors.ModelReady:
    """Report whether the model is ready: 503 as soon as the service is told to stop."""
    service.draining.check()
    return tensors.ModelReady()


async def read_inference(
    request: Request,
    service: Serving,
    json_bytes: Annotated[
        NonNegativeInt | None,
        Header(
            alias=HEADER,
            description="Length of the JSON in bytes, if a tensor follows it.",
        ),
    ] = None,
) -> Inference:
    """Parse the body of a request; see `Body.read` and Inference for the errors."""
    raw = await read_raw(await arriving(request))
    async with service.admission.parsing:
        await asyncio.sleep(0)
        return Inference(raw, json_bytes)


@of_model(
    guarded.post,
    "/infer",
    "Read the digit in each picture, or frame",
    tensors.InferResponse,
    *OF_INFER,
)
async def infer(
    request: Request,
    service: Serving,
    parameters: PictureParameters,
    inference: Annotated[Inference, Depends(read_inference)],
) -> tensors.InferResponse | Response:
    """Read the digit on each of up to 256 pictures, or frames in the network's input
    format.
    """
    if inference.input.name == "pixels":
        readings = service.read_frames(inference.frames())
    else:
        options = DigitOptions(parameters.page, parameters.opinion)
        readings = await read_all(request, service, inference.pictures(), options)
    version = service.reader.networks.digits.version
    response, binary = inference.response(readings, version)
    if not binary:
        return response
    head = response.model_dump_json().encode()
    return Response(
        head + binary,
        headers={HEADER: str(len(head))},
        media_type="application/octet-stream",
    )


async def read_all(
    request: Request, service: Service, pictures: Sequence[bytes], options: DigitOptions
) -> list[Reading]:
    """Read the digit in each picture; an error says which picture cannot be read."""
    deadline = Deadline(service.seconds)

    async def read(picture: bytes) -> Reading:
        return await service.read_digit(request, picture, options, deadline)

    readings: list[Reading] = []
    error: Exception | None = None
    async for outcome in read_several(request, pictures, read, AT_ONCE):
        if isinstance(outcome, Reading):
            readings.append(outcome)
        elif error is None:
            error = outcome
            if len(pictures) > 1:
                error.add_note(f"Picture {len(readings) + 1} of {len(pictures)}")
    if error:
        raise error
    return readings
