"""Outcomes of several pictures or pages → JSON, or lines of JSON, sent as soon as they
are known.

The answer may be larger than all pictures together, so it is not held in memory.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from decimal import Decimal
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.datastructures import Headers

from app.answers import errors, responses
from app.answers.responses import Failure
from app.web import problems
from app.web.documents import Document

Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer", responses.Prediction, responses.Text, responses.FilledSheet)
# From the most specific to the least.
JSON_KINDS = "application/json", "application/*", "*/*"
LINES_KIND = "application/x-ndjson"
TEXT_KIND = "text/plain"
WEIGHT = re.compile(r"\bq=([01](\.\d*)?)")


def respond(
    request: Request, outcomes: AsyncIterator[BaseModel | Document | Exception]
) -> Response:
    """Answer with the results of several pictures, in order."""
    return streamed(
        request, in_one_object(request, outcomes), in_lines(request, outcomes)
    )


def respond_with(request: Request, answer: Model | Document) -> Model | Response:
    """Answer with the only result, or with the pages of a document, in order; with the
    text of a picture alone if the client prefers that.
    """
    if isinstance(answer, Document):
        return streamed(request, answer.in_one_object(), answer.in_lines())
    if isinstance(answer, responses.Text) and prefers(request.headers, TEXT_KIND):
        return Response(answer.text + "\n", media_type=TEXT_KIND)
    if prefers(request.headers, LINES_KIND):
        line = answer.model_dump_json() + "\n"
        return Response(line, media_type=LINES_KIND)
    return answer


def streamed(
    request: Request, in_json: AsyncIterator[str], in_lines: AsyncIterator[str]
) -> Response:
    """Answer bit by bit in the format that the client prefers; stop if it leaves."""
    if not prefers(request.headers, LINES_KIND):
        return StreamingResponse(
            counted(request, in_json), media_type="application/json"
        )
    unbuffered = {"X-Accel-Buffering": "no"}  # or nginx would collect the lines
    lines = counted(request, in_lines)
    return StreamingResponse(lines, headers=unbuffered, media_type=LINES_KIND)


async def counted(request: Request, parts: AsyncIterator[str]) -> AsyncGenerator[str]:
    """Count each part as held in memory until it is sent."""
    admission = request.state.service.admission
    async for part in parts:
        with admission.holding(len(part)):
            yield part


async def in_one_object(
    request: Request, outcomes: AsyncIterator[BaseModel | Document | Exception]
) -> AsyncGenerator[str]:
    """Put the results, at least one, into a list in an object."""
    before = '{"results":['
    async for outcome in outcomes:
        async for part in parts_of(request, outcome):
            yield before + part
            before = ""
        before = ","
    yield "]}"


async def in_lines(
    request: Request, outcomes: AsyncIterator[BaseModel | Document | Exception]
) -> AsyncGenerator[str]:
    """Put each result on a line."""
    async for outcome in outcomes:
        async for part in parts_of(request, outcome, "\n"):
            yield part


async def parts_of(
    request: Request, outcome: BaseModel | Document | Exception, end: str = ""
) -> AsyncGenerator[str]:
    """Convert an outcome to JSON, an error to a failure; yield it, and what follows."""
    if isinstance(outcome, Document):
        async for part in outcome.in_one_object(end):
            yield part
        return
    if isinstance(outcome, Exception):
        outcome = Failure(error=problems.problem_of(request, outcome)[0])
    yield outcome.model_dump_json() + end


def prefers(headers: Headers, kind: str) -> bool:
    """Return whether a client names a media type among what it accepts, and accepts
    JSON no more than it.
    """
    ranges = ",".join(headers.getlist("accept")).lower().split(",")
    weights = {
        name.strip(): weight_of(rest)
        for name, _, rest in (each.partition(";") for each in ranges)
    }
    json = next((weights[name] for name in JSON_KINDS if name in weights), 0)
    return 0 < weights.get(kind, 0) >= json


def weight_of(parameters: str) -> float:
    """Return the weight among the parameters of a media range, by default 1."""
    found = WEIGHT.search(parameters.replace(" ", ""))
    return float(found[1]) if found else 1


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
