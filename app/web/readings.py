"""Pictures of a request → readings, each in its turn; they are recorded in the metrics.

The small pictures of one request are read together, its large ones and the pages of a document one after another, so
that other requests get their turn.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from time import monotonic, perf_counter_ns, time_ns
from typing import Any

from fastapi import Request
from opentelemetry import trace
from starlette.requests import ClientDisconnect

from app.inference.decoders import Busy
from app.inference.reading import Reading
from app.inference.stage import Stage
from app.inference.text import Digit, Text
from app.metrics import Metrics
from app.preprocess.maps import Map
from app.web import problems
from app.web.admission import waiting
from app.web.errors import TooManyPages
from app.web.service import Service

# Per request with several pictures, and with several pages; those that have not started by then are refused. This is
# checked before each is opened, since 256 hostile headers take 5 s, and before it is read, since large pictures, and
# pages, wait for each other. 20 pages with much writing take 30 s.
SECONDS, PAGES_SECONDS = 20.0, 50.0
SHARE = 16  # small pictures of one request at once, so that those of other requests get their turn
TRACER = trace.get_tracer("digits")  # resolves its provider on first use


async def read_one(request: Request, service: Service, picture: bytes, **options: Any) -> Reading:  # noqa: ANN401
    """Read the digit in a picture; see `app.inference.reading.read_digit` for the options."""
    small = await read_small(request, service, picture, **options)
    return small or await read_large(request, service, picture, **options)


async def read_small(request: Request, service: Service, picture: bytes, **options: Any) -> Reading | None:  # noqa: ANN401
    """Read the digit in a picture that is small, or else return None."""
    reading = await waiting(request, service.admission.small, partial(service.reader.read_small, picture, **options))
    if reading:
        record_reading(reading, "small", service.metrics)
    return reading


async def read_large(request: Request, service: Service, picture: bytes, **options: Any) -> Reading:  # noqa: ANN401
    """Read the digit in a picture of any size."""
    reading = await waiting(request, service.admission.large, partial(service.reader.read_large, picture, **options))
    record_reading(reading, "large", service.metrics)
    return reading


async def read_text(request: Request, service: Service, picture: bytes, **options: Any) -> Text:  # noqa: ANN401
    """Read the text in a picture; see `app.inference.text.read_text`."""
    text = await waiting(request, service.admission.large, partial(service.reader.read_text, picture, **options))
    record_text(text, "large", service.metrics)
    return text


async def page_count(service: Service, document: bytes) -> int:
    """Count the pages of a file; raise TooManyPages if one request does not read so many."""
    with service.admission.large.place():
        count = await service.reader.page_count(document)
    if count > (most := service.settings.max_pages):
        raise TooManyPages(f"The file has {count:,} pages, more than {most:,}: ask for one at a time, with ?page=1.")
    return count


async def read_pages(
    request: Request, service: Service, count: int, read: Callable[[int], Awaitable[Text]]
) -> AsyncIterator[Text | Exception]:
    """Read each of the pages of a document with a function of its number, or yield why it cannot be read."""
    begin_by = monotonic() + PAGES_SECONDS
    for page in range(1, count + 1):
        try:
            async with service.admission.pages:
                check_time(begin_by, f"There was no time left for this page: ask for it with ?page={page}.")
                outcome: Text | Exception = await read(page)
        except ClientDisconnect:
            raise
        except Exception as error:  # one bad page must not affect the others
            outcome = problems.log_unforeseen(request, error)
        yield outcome


async def read_several(
    request: Request,
    service: Service,
    pictures: Sequence[bytes],
    **options: Any,  # noqa: ANN401
) -> list[Reading | Exception]:
    """Read the digit in each picture, or return why it cannot be read; the options are those of `read_one`."""
    begin_by = monotonic() + SECONDS
    alone = asyncio.Lock()  # for large pictures

    async def outcome(picture: bytes) -> Reading | Exception:
        try:
            check_time(begin_by)
            reading = await read_small(request, service, picture, **options)
            if not reading:
                async with alone:
                    check_time(begin_by)
                    reading = await read_large(request, service, picture, **options)
            return accept(service, reading)
        except Exception as error:  # one bad picture must not affect the others
            return problems.log_unforeseen(request, error)

    outcomes: list[Reading | Exception] = []
    for start in range(0, len(pictures), SHARE):
        outcomes += await asyncio.gather(*map(outcome, pictures[start : start + SHARE]))
    return outcomes


def check_time(begin_by: float, *message: str) -> None:
    """Raise Busy, with a message of its own if given, if the time is up."""
    if monotonic() > begin_by:
        raise Busy(*message)


async def read_all(request: Request, service: Service, pictures: Sequence[bytes], **options: Any) -> list[Reading]:  # noqa: ANN401
    """Read the digit in each picture; if one cannot be read, raise its error, which names the picture."""
    outcomes = await read_several(request, service, pictures, **options)
    for number, outcome in enumerate(outcomes, 1):
        if isinstance(outcome, Exception):
            if len(pictures) > 1:
                outcome.args = (f"Picture {number} of {len(pictures)}: {outcome}",)
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Reading)]


def read_frames(service: Service, frames: Map) -> list[Reading]:
    """Read the digit in each frame, whatever its legibility."""
    readings = service.reader.read_frames(frames)
    for reading in readings:
        record_reading(reading, "small", service.metrics)
        record_answer(reading, service.metrics)
    return readings


def accept(service: Service, reading: Reading) -> Reading:
    """Count and return a reading; raise NotADigit if its legibility is below the minimum."""
    record_answer(reading.require_legible(service.settings.min_legibility), service.metrics)
    return reading


def record_stages(stages: Sequence[Stage], queue: str, metrics: Metrics) -> None:
    """Record the stages of a picture as metrics, and as children of the request's span if FastAPI traces it."""
    seconds = Counter[str]()
    for stage in stages:
        if stage.name == "inference" and not seconds[stage.name]:
            metrics.batch_size.observe(stage.pictures)
        seconds[stage.name] += (stage.end - stage.begin) / 1e9  # type: ignore[assignment]
    metrics.queue_seconds.labels(queue).observe(seconds.pop("wait"))
    for name, each in seconds.items():
        metrics.stage_seconds[name].observe(each)
    if trace.get_current_span().is_recording():
        since_epoch = time_ns() - perf_counter_ns()
        for stage in stages:
            TRACER.start_span(stage.name, start_time=since_epoch + stage.begin).end(since_epoch + stage.end)


def record_reading(reading: Reading, queue: str, metrics: Metrics) -> None:
    """Record a reading and its stages, whether it is returned or refused."""
    record_stages(reading.stages, queue, metrics)
    metrics.legibility.observe(reading.legibility)


def record_answer(answer: Reading | Digit, metrics: Metrics) -> None:
    """Count a digit that is returned."""
    metrics.predictions[answer.digit].inc()
    metrics.confidence.observe(answer.probabilities[answer.digit])


def record_text(text: Text, queue: str, metrics: Metrics) -> None:
    """Record a text and its stages, and count its digits."""
    record_stages(text.stages, queue, metrics)
    digits = [digit for line in text.lines for digit in line.digits]
    metrics.text_length.observe(len(digits))
    for digit in digits:
        metrics.legibility.observe(digit.legibility)
        record_answer(digit, metrics)
