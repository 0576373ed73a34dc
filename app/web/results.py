"""Outcomes of several pictures → JSON, or a line of JSON for each, sent as soon as they
are known.

The answer may be larger than all pictures together, so it is not held in memory.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.datastructures import Headers

from app.answers.responses import Failure
from app.web import problems

# From the most specific to the least.
JSON_KINDS = "application/json", "application/*", "*/*"
LINES_KIND = "application/x-ndjson"
WEIGHT = re.compile(r"\bq=([01](\.\d*)?)")


def respond(
    request: Request, outcomes: AsyncIterator[BaseModel | Exception]
) -> StreamingResponse:
    """Answer with the results, in order, in the format that the client prefers; stop
    the work if it leaves.
    """
    results = results_of(request, outcomes)
    if not prefers_lines(request.headers):
        return StreamingResponse(in_one_object(results), media_type="application/json")
    unbuffered = {"X-Accel-Buffering": "no"}  # or nginx would collect the lines
    return StreamingResponse(
        in_lines(results), headers=unbuffered, media_type=LINES_KIND
    )


async def results_of(
    request: Request, outcomes: AsyncIterator[BaseModel | Exception]
) -> AsyncGenerator[str]:
    """Convert each outcome to JSON, an error to a failure."""
    async for outcome in outcomes:
        if isinstance(outcome, Exception):
            outcome = Failure(error=problems.problem_of(request, outcome)[0])
        yield outcome.model_dump_json(exclude_unset=True)


async def in_one_object(results: AsyncIterator[str]) -> AsyncGenerator[str]:
    """Put the results, at least one, into a list in an object."""
    before = '{"results":['
    async for result in results:
        yield before + result
        before = ","
    yield "]}"


async def in_lines(results: AsyncIterator[str]) -> AsyncGenerator[str]:
    """Put each result on a line."""
    async for result in results:
        yield result + "\n"


def prefers_lines(headers: Headers) -> bool:
    """Return whether a client names JSON lines among what it accepts, and accepts JSON
    no more than them.
    """
    ranges = ",".join(headers.getlist("accept")).lower().split(",")
    weights = {
        kind.strip(): weight_of(rest)
        for kind, _, rest in (each.partition(";") for each in ranges)
    }
    json = next((weights[kind] for kind in JSON_KINDS if kind in weights), 0)
    return 0 < weights.get(LINES_KIND, 0) >= json


def weight_of(parameters: str) -> float:
    """Return the weight among the parameters of a media range, by default 1."""
    found = WEIGHT.search(parameters.replace(" ", ""))
    return float(found[1]) if found else 1
