"""Pictures of a request → readings, each in its turn; they are recorded in the metrics.

The small pictures of one request are read together, its large ones, its texts and the
pages of a document one after another, so that other requests get their turn.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from time import monotonic, perf_counter_ns, time_ns
from typing import Any, TypeVar

from fastapi import Request
from opentelemetry import trace
from starlette.requests import ClientDisconnect

from app.answers.errors import TooManyPages
from app.digit.reading import Reading
from app.metrics import Metrics
from app.picture.maps import Map
from app.serving.decoders import Busy
from app.stage import Stage
from app.text.text import Digit, Text
from app.web import problems
from app.web.admission import waiting
from app.web.service import Service

# Per request with several pictures of digits, and with several texts or pages. 20 pages
# with much writing take 30 s.
SECONDS, PAGES_SECONDS = 20.0, 50.0
# Small pictures of one request at once, so that those of other requests get their turn.
SHARE = 16
TRACER = trace.get_tracer("digits")  # resolves its provider on first use
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Turns:
    """The turns of the pictures and pages of one request, as long as it has time; large
    ones wait for each other.

    The time is checked before each is opened, since 256 hostile headers take 5 s, and
    after it has waited.
    """

    def __init__(self, seconds: float) -> None:
        self.begin_by = monotonic() + seconds
        self.large = asyncio.Lock()

    def check(self, *message: str) -> None:
        """Raise Busy, with a message of its own if given, if the time is up."""
        if monotonic() > self.begin_by:
            raise Busy(*message)


async def read_several(
    request: Request,
    items: Sequence[Item],
    read: Callable[[Item], Awaitable[Outcome]],
    at_once: int = 1,
) -> AsyncGenerator[Outcome | Exception]:
    """Yield, in order, what a function reads of each picture or page, or why it cannot
    be read.
    """

    async def outcome_of(item: Item) -> Outcome | Exception:
        try:
            return await read(item)
        except ClientDisconnect:
            raise
        except Exception as error:  # one that is bad must not affect the others
            return problems.log_unforeseen(request, error)

    left, begun = iter(items), deque[asyncio.Task[Outcome | Exception]]()
    try:
        for _ in items:
            begun.extend(
                asyncio.create_task(outcome_of(item))
                for item in islice(left, at_once - len(begun))
            )
            yield await begun.popleft()
    finally:  # also if the client leaves
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


async def read_one(
    request: Request,
    service: Service,
    picture: bytes,
    turns: Turns | None = None,
    **options: Any,  # noqa: ANN401
) -> Reading:
    """Read the digit in a picture, among others if there are turns; the options:
    `app.digit.reading.read_digit`.
    """
    turns = turns or Turns(SECONDS)
    turns.check()
    if small := await read_small(request, service, picture, **options):
        return small
    async with turns.large:
        turns.check()
        return await read_large(request, service, picture, **options)


async def read_small(
    request: Request, service: Service, picture: bytes, **options: Any
) -> Reading | None:
    """Read the digit in a picture that is small, or else return None."""
    reading = await waiting(
        request,
        service.admission.small,
        partial(service.reader.read_small, picture, **options),
    )
    if reading:
        record_reading(reading, "small", service.metrics)
    return reading


async def read_large(
    request: Request, service: Service, picture: bytes, **options: Any
) -> Reading:
    """Read the digit in a picture of any size."""
    reading = await waiting(
        request,
        service.admission.large,
        partial(service.reader.read_large, picture, **options),
    )
    record_reading(reading, "large", service.metrics)
    return reading


async def read_text(
    request: Request, service: Service, picture: bytes, **options: Any
) -> Text:
    """Read the text in a picture; see `app.text.text.read_text`."""
    text = await waiting(
        request,
        service.admission.large,
        partial(service.reader.read_text, picture, **options),
    )
    record_text(text, "large", service.metrics)
    return text


async def page_count(service: Service, document: bytes) -> int:
    """Count the pages of a file; raise TooManyPages if one request does not read so
    many.
    """
    with service.admission.large.place():
        count = await service.reader.page_count(document)
    if count > (most := service.settings.max_pages):
        raise TooManyPages(
            f"The file has {count:,} pages, more than {most:,}: ask for one at a "
            "time, with ?page=1."
        )
    return count


def read_pages(
    request: Request,
    service: Service,
    count: int,
    read: Callable[[int], Awaitable[Text]],
    turns: Turns,
) -> AsyncGenerator[Text | Exception]:
    """Read each of the pages of a document with a function of its number, or yield why
    it cannot be read.
    """

    async def read_page(page: int) -> Text:
        async with service.admission.pages:
            turns.check(
                f"There was no time left for this page: ask for it with ?page={page}."
            )
            return await read(page)

    return read_several(request, range(1, count + 1), read_page)


async def read_all(
    request: Request, service: Service, pictures: Sequence[bytes], **options: Any
) -> list[Reading]:
    """Read the digit in each picture; if one cannot be read, raise its error, which
    names the picture.
    """
    turns = Turns(SECONDS)

    async def read(picture: bytes) -> Reading:
        return accept(
            service, await read_one(request, service, picture, turns, **options)
        )

    outcomes = [
        outcome async for outcome in read_several(request, pictures, read, SHARE)
    ]
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
    """Count and return a reading; raise NotADigit if its legibility is below the
    minimum.
    """
    record_answer(
        reading.require_legible(service.settings.min_legibility), service.metrics
    )
    return reading


def record_stages(stages: Sequence[Stage], queue: str, metrics: Metrics) -> None:
    """Record the stages of a picture as metrics, and as children of the request's span
    if FastAPI traces it.
    """
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
            TRACER.start_span(stage.name, start_time=since_epoch + stage.begin).end(
                since_epoch + stage.end
            )


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
