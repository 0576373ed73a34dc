"""The running service: its parts, and how it reads the pictures of a request.

Each picture is read in its turn, and recorded in the metrics. The small pictures of one
request are read together, its large ones, its texts and the pages of a document one
after another, so that other requests get their turn.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, pairwise
from time import monotonic, perf_counter_ns, time_ns
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from opentelemetry import trace
from starlette.requests import ClientDisconnect

from app.corrections import Corrections
from app.digit.reading import DigitOptions, Reading
from app.metrics import Metrics
from app.picture.file_formats import has_pages
from app.picture.maps import Map
from app.serving.decoders import Busy
from app.serving.reader import SLOW_NANOSECONDS, Reader
from app.settings import Settings
from app.stage import Stage
from app.text.reading import TextOptions
from app.text.transcription import TextDigit, Transcription
from app.web import problems
from app.web.admission import Admission, require_open, unless_gone
from app.web.draining import Draining

SECONDS = 20.0  # for a request with several pictures of digits
# Small pictures of one request at once, so that those of other requests get their turn.
AT_ONCE = 16
TRACER = trace.get_tracer("digits")  # resolves its provider on first use
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass
class Turns:
    """The turns of the pictures of one request, the large ones one by one.

    The time is checked before each is opened, since 256 hostile headers take 5 s, and
    after it has waited.
    """

    end: float  # of the time for the request, as of `time.monotonic`
    large: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check(self) -> None:
        """Raise Busy if the time is up."""
        if monotonic() > self.end:
            raise Busy

    @asynccontextmanager
    async def for_large(self) -> AsyncGenerator[None]:
        """Wait for the turn of a large picture; raise Busy if the time is up then."""
        async with self.large:
            self.check()
            yield


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    reader: Reader
    metrics: Metrics
    draining: Draining
    admission: Admission
    corrections: Corrections | None
    seconds: float = SECONDS

    async def read_digit(
        self,
        request: Request,
        picture: bytes,
        options: DigitOptions,
        turns: Turns | None = None,
    ) -> Reading:
        """Read the digit in a picture, which may be one of several of a request."""
        async with self.admission.parsing:
            if turns:
                turns.check()
            begin = perf_counter_ns()
            image = self.reader.open_small(picture, options.page)
            if perf_counter_ns() - begin > SLOW_NANOSECONDS:
                await asyncio.sleep(0)  # some headers take 20 ms
        if image:
            queue = self.admission.small
            read = partial(self.reader.read_small, image, options, begin)
            reading = await queue.read(request, read)
        else:
            queue = self.admission.large
            read = partial(self.reader.read_large, picture, options)
            async with turns.for_large() if turns else nullcontext():
                reading = await queue.read(request, read)
        self.record_stages(reading.stages, queue.name)
        self.metrics.legibility.observe(reading.legibility)
        return reading

    async def read_text(
        self, request: Request, picture: bytes, options: TextOptions
    ) -> Transcription:
        """Read the text in a picture."""
        queue = self.admission.large
        read = partial(self.reader.read_text, picture, options)
        text = await queue.read(request, read)
        self.record_stages(text.stages, queue.name)
        digits = [digit for line in text.lines for digit in line.digits]
        self.metrics.text_length.observe(len(digits))
        for digit in digits:
            self.metrics.legibility.observe(digit.legibility)
            self.record_answer(digit)
        return text

    async def page_count(self, request: Request, document: bytes) -> int:
        """Count the pages of a file, unless the client leaves."""
        queue = self.admission.large
        if queue.is_full and has_pages(document):
            await require_open(request)
        with queue.place():
            return await unless_gone(request, self.reader.page_count(document))

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each frame, whatever its legibility."""
        readings = self.reader.read_frames(frames)
        for reading in readings:
            self.record_stages(reading.stages, self.admission.small.name)
            self.metrics.legibility.observe(reading.legibility)
            self.record_answer(reading)
        return readings

    def accept(self, reading: Reading) -> Reading:
        """Count and return a reading; raise NotADigit if its legibility is too low."""
        reading.require_legible(self.settings.min_legibility)
        self.record_answer(reading)
        return reading

    def record_answer(self, answer: Reading | TextDigit) -> None:
        """Count a digit that is returned."""
        digit = answer.digit
        self.metrics.predictions[digit].inc()
        self.metrics.confidence.observe(answer.probabilities[digit])

    def record_stages(self, stages: Sequence[Stage], queue: str) -> None:
        """Record the stages of a picture, also in the request's trace if it has one."""
        seconds = Counter[str]()
        for before, stage in pairwise(stages):
            if stage.name == "inference" and not seconds["inference"]:
                self.metrics.batch_size.observe(stage.pictures)
            seconds[stage.name] += (stage.end - before.end) / 1e9  # type: ignore[assignment]
        self.metrics.queue_seconds.labels(queue).observe(seconds.pop("wait"))
        for name, each in seconds.items():
            self.metrics.stage_seconds[name].observe(each)
        if trace.get_current_span().is_recording():
            since_epoch = time_ns() - perf_counter_ns()
            for before, stage in pairwise(stages):
                span = TRACER.start_span(
                    stage.name, start_time=since_epoch + before.end
                )
                span.end(since_epoch + stage.end)


async def service_of(request: Request) -> Service:
    """Return the service that handles a request."""
    service: Service = request.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]


async def read_several(
    request: Request,
    items: Sequence[Item],
    read: Callable[[Item], Awaitable[Outcome]],
    at_once: int = 1,
) -> AsyncGenerator[Outcome | Exception]:
    """Yield, in order, what a function reads of each picture or page, or the error."""

    async def outcome_of(item: Item) -> Outcome | Exception:
        try:
            return await read(item)
        except ClientDisconnect:
            raise
        except Exception as error:  # one that is bad must not affect the others
            return problems.log_unforeseen(request, error)

    left = iter(items)
    begun = deque[asyncio.Task[Outcome | Exception]]()
    try:
        for _ in items:
            for item in islice(left, at_once - len(begun)):
                begun.append(asyncio.create_task(outcome_of(item)))
            yield await begun.popleft()
    finally:  # also if the client leaves
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
